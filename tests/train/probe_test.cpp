// Nearest neighbors and linear probes: against formulas in double precision, on clusters, with bad input.
#include "minivit/train/probe.hpp"
#include "minivit/train/knn.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "support/message_of.hpp"

using namespace minivit;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Samples {
  Tensor features;
  std::vector<int> labels;
};

/// `n` samples of `classes` clusters with deviation `spread`, their centers normal with deviation 1. The
/// features have very different sizes, and one in seven is far from 0.
Samples clusters(std::int64_t n, std::int64_t C, int classes, float spread, std::uint64_t seed) {
  Samples s{Tensor::empty({n, C}), {}};
  for (std::int64_t i = 0; i < n; ++i) {
    const int label = static_cast<int>(i) % classes;
    Rng center(5, static_cast<std::uint64_t>(label)), noise(seed, static_cast<std::uint64_t>(i));
    for (std::int64_t c = 0; c < C; ++c)
      s.features(i, c) = (center.normal() + spread * noise.normal()) * static_cast<float>(1 + c % 3) +
                         (c % 7 == 6 ? 10.0f : 0.0f);
    s.labels.push_back(label);
  }
  return s;
}

/// The definition, one pair of samples after the other.
std::vector<int> naive_knn(const Samples& train, const Tensor& queries, int classes, const KnnOptions& o) {
  const auto cosine = [&](std::int64_t i, std::int64_t j) {
    double dot = 0, a = 0, b = 0;
    for (std::int64_t c = 0; c < queries.size(1); ++c) {
      const double x = queries(i, c), y = train.features(j, c);
      dot += x * y, a += x * x, b += y * y;
    }
    return a > 0 && b > 0 ? dot / std::sqrt(a * b) : 0.0;
  };
  std::vector<int> result;
  for (std::int64_t i = 0; i < queries.size(0); ++i) {
    std::vector<std::pair<double, std::int64_t>> order;  // minus cosine, sample
    for (std::int64_t j = 0; j < train.features.size(0); ++j) order.push_back({-cosine(i, j), j});
    std::ranges::sort(order);
    std::vector<double> votes(static_cast<std::size_t>(classes));
    for (std::int64_t j = 0; j < o.k; ++j) {
      const auto& [minus, sample] = order[static_cast<std::size_t>(j)];
      votes[static_cast<std::size_t>(train.labels[static_cast<std::size_t>(sample)])] +=
          std::exp((-minus - 1) / o.temperature);
    }
    result.push_back(static_cast<int>(std::ranges::max_element(votes) - votes.begin()));
  }
  return result;
}

double accuracy(const std::vector<int>& found, const std::vector<int>& labels) {
  return static_cast<double>(std::inner_product(found.begin(), found.end(), labels.begin(), 0, std::plus<>(),
                                                std::equal_to<>())) /
         static_cast<double>(labels.size());
}

std::vector<float> weights(const LinearProbe& probe) {
  std::vector<float> all(probe.head.weight.value.values().begin(), probe.head.weight.value.values().end());
  all.insert(all.end(), probe.head.bias.value.values().begin(), probe.head.bias.value.values().end());
  return all;
}

/// f() with 1, 2 and 3 threads gives the same.
template <class F>
void check_threads(const F& f) {
  const int before = num_threads();
  set_num_threads(1);
  const auto alone = f();
  for (const int threads : {2, 3}) {
    set_num_threads(threads);
    CHECK(f() == alone);
  }
  set_num_threads(before);
}

}  // namespace

TEST_CASE("neighbors are those of the definition in double precision") {
  for (const KnnOptions& options : {KnnOptions{}, KnnOptions{.k = 1}, KnnOptions{.k = 7, .temperature = 1.0},
                                    KnnOptions{.k = 150, .temperature = 0.001}}) {
    CAPTURE(options.k);
    const Samples train = clusters(150, 13, 6, 2.0f, 1), test = clusters(300, 13, 6, 2.0f, 2);
    const auto found = knn_classify(train.features, train.labels, test.features, 6, options);
    CHECK(found == naive_knn(train, test.features, 6, options));
    CHECK(accuracy(found, test.labels) < 1);  // not so easy that anything would do
  }
}

TEST_CASE("more samples than are compared at once") {
  const Samples train = clusters(4500, 5, 9, 1.0f, 1), test = clusters(40, 5, 9, 1.0f, 2);
  CHECK(knn_classify(train.features, train.labels, test.features, 9) ==
        naive_knn(train, test.features, 9, {}));
}

TEST_CASE("clusters far from each other are told apart") {
  const Samples train = clusters(200, 24, 4, 0.05f, 1), test = clusters(100, 24, 4, 0.05f, 2);
  CHECK(knn_classify(train.features, train.labels, test.features, 4) == test.labels);
  const LinearProbe probe = fit_linear_probe(train.features, train.labels, 4);
  CHECK(evaluate_head(probe.head, test.features, test.labels).top1() == 1.0);
  CHECK(probe.held_out_top1 == 1.0);
}

TEST_CASE("equal votes go to the lower class, equally near samples to the first") {
  const Tensor train = Tensor::from({4, 2}, {0, 1, 0, 2, 0, 3, 1, 0});  // three of the same direction
  const Tensor query = Tensor::from({1, 2}, {0, 5});
  const auto knn = [&](std::vector<int> labels, std::int64_t k) {
    return knn_classify(train, labels, query, 4, {.k = k})[0];
  };
  CHECK(knn({3, 2, 1, 0}, 1) == 3);
  CHECK(knn({3, 2, 1, 0}, 2) == 2);
  CHECK(knn({3, 2, 1, 0}, 3) == 1);
  CHECK(knn({3, 2, 3, 0}, 3) == 3);
  CHECK(knn({3, 2, 1, 0}, 4) == 1);  // the fourth is at a right angle: it hardly votes
  // Zeros have no direction: as far from everything as a right angle.
  CHECK(knn_classify(train, std::vector<int>{3, 2, 1, 0}, Tensor::zeros({1, 2}), 4, {.k = 2})[0] == 2);
}

TEST_CASE("no query, no answer; one sample is everybody's neighbor") {
  const Tensor one = Tensor::from({1, 2}, {1, 2});
  CHECK(knn_classify(one, std::vector<int>{1}, Tensor::empty({0, 2}), 2, {.k = 1}).empty());
  CHECK(knn_classify(one, std::vector<int>{1}, Tensor::from({2, 2}, {-1, -2, 5, 0}), 2, {.k = 1}) ==
        std::vector<int>{1, 1});
}

TEST_CASE("the same with any number of threads") {
  const Samples train = clusters(700, 40, 5, 2.0f, 1), test = clusters(600, 40, 5, 2.0f, 2);
  check_threads([&] { return knn_classify(train.features, train.labels, test.features, 5); });
  const ProbeOptions options{.weight_decays = {0.1f, 1.0f}, .steps = 30, .batch_size = 256};
  check_threads([&] { return weights(fit_linear_probe(train.features, train.labels, 5, options)); });
}

TEST_CASE("a probe is that of the formulas in double precision") {
  // Gradient descent with small steps: without decay the minimum is unique if the clusters overlap.
  const std::int64_t n = 240, C = 4;
  const int K = 3;
  const Samples s = clusters(n, C, K, 2.0f, 1);
  std::vector<double> mean(C), deviation(C), w(K * C), b(K);
  for (std::int64_t c = 0; c < C; ++c) {
    double& m = mean[static_cast<std::size_t>(c)];
    for (std::int64_t i = 0; i < n; ++i) m += double{s.features(i, c)} / n;
    double variance = 0;
    for (std::int64_t i = 0; i < n; ++i) variance += std::pow(s.features(i, c) - m, 2) / n;
    deviation[static_cast<std::size_t>(c)] = std::sqrt(variance);
  }
  const auto logits = [&](std::int64_t i, double* z, double* x) {
    for (std::size_t c = 0; c < C; ++c)
      x[c] = (s.features(i, static_cast<std::int64_t>(c)) - mean[c]) / deviation[c];
    for (std::size_t k = 0; k < K; ++k)
      z[k] = std::inner_product(x, x + C, w.begin() + static_cast<std::ptrdiff_t>(k * C), b[k]);
  };
  double z[K], x[C];
  for (int step = 0; step < 2000; ++step) {
    std::vector<double> dw(K * C), db(K);
    for (std::int64_t i = 0; i < n; ++i) {
      logits(i, z, x);
      double total = 0;
      for (const double v : z) total += std::exp(v);
      for (std::size_t k = 0; k < K; ++k) {
        const double d = (std::exp(z[k]) / total - (s.labels[static_cast<std::size_t>(i)] == int(k))) / n;
        db[k] += d;
        for (std::size_t c = 0; c < C; ++c) dw[k * C + c] += d * x[c];
      }
    }
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= dw[i];
    for (std::size_t k = 0; k < K; ++k) b[k] -= db[k];
  }
  const LinearProbe probe =
      fit_linear_probe(s.features, s.labels, K, {.weight_decays = {0.0f}, .steps = 3000});
  CHECK(probe.held_out_top1 < 0);
  const Tensor found = probe.head(s.features).value();
  double worst = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    logits(i, z, x);
    for (int k = 0; k < K; ++k)  // logits are the same up to a number added to all of a sample
      worst = std::max(worst, std::fabs(found(i, k) - found(i, 0) - (z[k] - z[0])));
  }
  CHECK(worst < 0.01);
}

TEST_CASE("a folded layer gives for features what it gave for standardized ones") {
  Samples s = clusters(100, 9, 3, 1.0f, 1);
  for (std::int64_t i = 0; i < 100; ++i) {
    s.features(i, 2) = 3.0f;                                             // constant
    s.features(i, 3) = 0.0f;                                             // constant
    s.features(i, 4) = i % 2 ? 1000.0f : std::nextafter(1000.0f, 2e3f);  // constant, but for rounding
    s.features(i, 5) *= 1e-12f;                                          // small is not constant
    s.features(i, 6) *= 1e12f;
  }
  const detail::Standardization standard(s.features);
  Tensor x = s.features.clone();
  standard.apply(x);
  manual_seed(3);
  const Linear layer(9, 3);
  const Linear folded = standard.fold(layer);
  const Tensor expected = layer(x).value(), found = folded(s.features).value();
  for (std::size_t i = 0; i < expected.values().size(); ++i)
    CHECK(found.values()[i] == doctest::Approx(expected.values()[i]).epsilon(1e-5));
  for (int k = 0; k < 3; ++k)
    for (const int c : {2, 3, 4}) CHECK(folded.weight.value(k, c) == 0.0f);
  double mean = 0, square = 0;
  for (std::int64_t i = 0; i < 100; ++i) mean += x(i, 5) / 100, square += std::pow(x(i, 5), 2) / 100;
  CHECK(mean == doctest::Approx(0).epsilon(1e-6));
  CHECK(square == doctest::Approx(1));

  const LinearProbe probe = fit_linear_probe(s.features, s.labels, 3);
  for (const float w : weights(probe)) CHECK(std::isfinite(w));
  CHECK(evaluate_head(probe.head, s.features, s.labels).top1() > 0.9);
}

TEST_CASE("the weight decay is chosen on samples that were held out") {
  // More features than samples, nearly all noise: without decay it is learned by heart.
  Samples train = clusters(120, 200, 2, 8.0f, 1), test = clusters(1000, 200, 2, 8.0f, 2);
  const auto with = [&](std::vector<float> decays) {
    return fit_linear_probe(train.features, train.labels, 2, {.weight_decays = std::move(decays)});
  };
  const LinearProbe both = with({0.0f, 20.0f});
  CHECK(both.held_out_top1 >= 0.5);
  CHECK(weights(both) == weights(with({both.weight_decay})));
  CHECK(weights(with({0.0f})) != weights(with({20.0f})));
  // Equally good: the one with the smaller loss, of equal ones the first.
  CHECK(with({1.0f, 1.0f}).weight_decay == 1.0f);
  // A sample a class: nothing can be held out.
  const LinearProbe few = fit_linear_probe(Tensor::from({2, 1}, {-1, 1}), std::vector<int>{0, 1}, 2);
  CHECK(few.held_out_top1 < 0);
  CHECK(few.head(Tensor::from({1, 1}, {2})).value()(0, 1) > 0);
}

TEST_CASE("a probe repeats itself, within NoGrad and whatever was drawn before") {
  const Samples s = clusters(60, 6, 3, 1.0f, 1);
  const auto first = weights(fit_linear_probe(s.features, s.labels, 3));
  manual_seed(99);
  const NoGrad values_only;
  CHECK(weights(fit_linear_probe(s.features, s.labels, 3)) == first);
}

TEST_CASE("classes without samples, and a single sample") {
  const Samples s = clusters(40, 6, 2, 0.1f, 1);
  const LinearProbe probe = fit_linear_probe(s.features, s.labels, 5);
  CHECK(probe.head.weight.value.shape() == Shape{5, 6});
  CHECK(evaluate_head(probe.head, s.features, s.labels).top1() == 1.0);
  const LinearProbe one = fit_linear_probe(Tensor::from({1, 2}, {3, 4}), std::vector<int>{1}, 2);
  CHECK(evaluate_head(one.head, Tensor::from({1, 2}, {0, 0}), std::vector<int>{1}).top1() == 1.0);
}

TEST_CASE("bad input: what was expected, what was found") {
  const Tensor x = Tensor::zeros({3, 2});
  const std::vector<int> y{0, 1, 1};
  const auto knn = [&](const Tensor& train, std::vector<int> labels, const Tensor& queries,
                       KnnOptions o = {.k = 1}) {
    return [=] { (void)knn_classify(train, labels, queries, 2, o); };
  };
  CHECK(message_of<ShapeError>(knn(Tensor::empty({0, 2}), {}, x)) ==
        "knn: no samples given, expected at least one");
  CHECK(message_of<ShapeError>(knn(x, {0, 1}, x)) ==
        "knn: features are (3, 2), expected (2, C) to match 2 labels");
  CHECK(message_of<ShapeError>(knn(x, {0, 1, 2}, x)) ==
        "knn: label 2 of sample 2 is out of range for 2 classes");
  CHECK(message_of<ShapeError>(knn(x, {0, -1, 1}, x)).find("label -1 of sample 1") != std::string::npos);
  CHECK(message_of<ShapeError>(knn(x, y, Tensor::zeros({1, 3}))) ==
        "knn: queries are (1, 3), expected (M, 2) to match the samples (3, 2)");
  CHECK(message_of<ShapeError>(knn(x, y, Tensor::zeros({2}))) == "knn: features are (2), expected (N, C)");
  CHECK(message_of<ShapeError>(knn(x, y, Tensor::from({2, 2}, {0, 0, 0, kNaN}))) ==
        "knn: feature 1 of sample 1 is nan, expected finite numbers; does the model predict?");
  CHECK(message_of<ConfigError>(knn(x, y, x, {.k = 4})) ==
        "knn: k is 4, expected 1 to 3, the number of samples; ask for fewer neighbors or give more samples");
  CHECK(message_of<ConfigError>(knn(x, y, x, {.k = 0})).find("k is 0") != std::string::npos);
  CHECK(message_of<ConfigError>(knn(x, y, x, {.k = 1, .temperature = 0})) ==
        "knn: temperature is 0, expected a positive number");

  const auto probe = [&](const Tensor& train, std::vector<int> labels, ProbeOptions o = {}) {
    return [=] { (void)fit_linear_probe(train, labels, 2, o); };
  };
  CHECK(message_of<ShapeError>(probe(Tensor::empty({0, 2}), {})) ==
        "probe: no samples given, expected at least one");
  CHECK(message_of<ShapeError>(probe(Tensor::zeros({3}), y)) == "probe: features are (3), expected (N, C)");
  CHECK(message_of<ShapeError>(probe(x, {0, 1})) ==
        "probe: features are (3, 2), expected (2, C) to match 2 labels");
  CHECK(message_of<ShapeError>(probe(x, {0, 1, 2})) ==
        "probe: label 2 of sample 2 is out of range for 2 classes");
  CHECK(message_of<ShapeError>(probe(Tensor::full({3, 2}, HUGE_VALF), y))
            .find("feature 0 of sample 0 is inf") != std::string::npos);
  CHECK(message_of<ConfigError>(probe(x, y, {.weight_decays = {}})) ==
        "probe: no weight decay given, expected at least one");
  CHECK(message_of<ConfigError>(probe(x, y, {.weight_decays = {-1}})) ==
        "probe: weight decay is -1, expected 0 or more");
  CHECK(message_of<ConfigError>(probe(x, y, {.lr = 0})) == "probe: lr is 0, expected a positive number");
  CHECK(message_of<ConfigError>(probe(x, y, {.steps = 0})) ==
        "probe: 0 steps of 4096 samples, expected at least 1 of 1");
  CHECK(message_of<ConfigError>(probe(x, y, {.held_out = 1})).find("fraction is 1") != std::string::npos);
  CHECK(message_of<ShapeError>([&] { (void)evaluate_head(Linear(2, 2), x, std::vector<int>{0}); }) ==
        "probe: features are (3, 2), expected (1, C) to match 1 labels");
  CHECK(message_of<ShapeError>([&] {
          (void)evaluate_head(Linear(5, 2), x, y);
        }).find("linear: weight is (2, 5)") != std::string::npos);
}
