// Losses, against their formulas in double precision.
#include "minivit/ops/losses.hpp"
#include "minivit/autograd/tape.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <span>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

/// Mean over the rows of -Σ_k w_k q_k log softmax(z)_k / `divisor`.
double cross_entropy_of(const Array& z, const Array& q, const std::vector<float>& weights, double divisor) {
  const Array log_p = reference::softmax(z, 1, true);
  double loss = 0;
  for (std::size_t i = 0; i < q.values.size(); ++i) {
    const double w = weights.empty() ? 1.0 : weights[i % weights.size()];
    if (q.values[i] != 0) loss -= w * q.values[i] * log_p.values[i];
  }
  return loss / divisor;
}

Array smoothed(const Array& q, float smoothing) {
  return each(q, [=, K = static_cast<double>(q.shape[1])](double v) {
    return (1.0 - smoothing) * v + smoothing / K;
  });
}

void check_labels(std::int64_t B, std::int64_t K, float smoothing, bool weighted, float range = 3) {
  std::vector<int> labels;
  std::vector<float> weights;
  for (std::int64_t i = 0; i < B; ++i) labels.push_back(static_cast<int>(i * 7 % K));
  for (std::int64_t k = 0; weighted && k < K; ++k)
    weights.push_back(0.25f + 0.5f * static_cast<float>(k % 4));
  check_op({str_cat("cross_entropy of labels, (", B, ", ", K, "), smoothing ", smoothing,
                    weighted ? ", weighted" : "", ", logits up to ", range),
            {in({B, K}, -range, range)},
            [=](const std::vector<Var>& x) {
              std::vector<int> passing = labels;  // gone by the time of the backward pass
              std::vector<float> passing_weights = weights;
              return cross_entropy(x[0], passing, {smoothing, passing_weights});
            },
            [=](const std::vector<Array>& x) {
              Array q({B, K});
              double divisor = 0;
              for (std::int64_t i = 0; i < B; ++i) {
                const auto label = static_cast<std::size_t>(labels[static_cast<std::size_t>(i)]);
                q.at({i, static_cast<std::int64_t>(label)}) = 1;
                divisor += weighted ? weights[label] : 1.0;
              }
              return Array({}, cross_entropy_of(x[0], smoothed(q, smoothing), weights, divisor));
            }});
}

void check_targets(std::int64_t B, std::int64_t K, float smoothing, bool weighted) {
  std::vector<float> weights;
  for (std::int64_t k = 0; weighted && k < K; ++k)
    weights.push_back(0.25f + 0.5f * static_cast<float>(k % 4));
  const Tensor targets = op_test::make(in({B, K}, 0, 1), 9);  // the rows need not sum to 1
  check_op({str_cat("cross_entropy of targets, (", B, ", ", K, "), smoothing ", smoothing,
                    weighted ? ", weighted" : ""),
            {in({B, K}, -3, 3)},
            [=](const std::vector<Var>& x) {
              return cross_entropy(x[0], targets, {smoothing, weights});
            },
            [=](const std::vector<Array>& x) {
              const Array q = smoothed(op_test::to_reference(targets), smoothing);
              return Array({}, cross_entropy_of(x[0], q, weights, static_cast<double>(B)));
            }});
}

void check_pair(const char* name, Var (*op)(const Var&, const Tensor&), double (*f)(double, double),
                const Shape& shape) {
  const Tensor target = op_test::make(in(shape, 0, 1), 9);
  check_op({str_cat(name, " ", shape),
            {in(shape, -3, 3)},
            [=](const std::vector<Var>& x) { return op(x[0], target); },
            [=](const std::vector<Array>& x) {
              const Array t = op_test::to_reference(target);
              double total = 0;
              for (std::size_t i = 0; i < t.values.size(); ++i) total += f(x[0].values[i], t.values[i]);
              return Array({}, total / static_cast<double>(t.values.size()));
            }});
}

double squared_error(double x, double t) { return (x - t) * (x - t); }
double binary_cross_entropy(double z, double t) {
  return t * std::log1p(std::exp(-z)) + (1 - t) * std::log1p(std::exp(z));
}

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("cross_entropy") {
  for (const float smoothing : {0.0f, 0.1f, 1.0f})
    for (const bool weighted : {false, true}) {
      for (const std::int64_t n : op_test::odd_sizes()) {
        if (n == 0) continue;
        check_labels(3, n, smoothing, weighted);
        check_labels(n, 4, smoothing, weighted);
        check_targets(2, n, smoothing, weighted);
      }
      check_labels(65, 1000, smoothing, weighted);
      check_targets(65, 1000, smoothing, weighted);
    }
}

TEST_CASE("mse and binary_cross_entropy_with_logits") {
  for (const std::int64_t n : op_test::odd_sizes()) {
    check_pair("mse", mse, squared_error, {n});
    check_pair("binary_cross_entropy_with_logits", binary_cross_entropy_with_logits, binary_cross_entropy,
               {n});
  }
  for (const Shape& shape : {Shape{}, Shape{2, 3, 4}, Shape{op_test::kMany}}) {
    check_pair("mse", mse, squared_error, shape);
    check_pair("binary_cross_entropy_with_logits", binary_cross_entropy_with_logits, binary_cross_entropy,
               shape);
  }
}

// Computed by PyTorch 1.13 in double precision.
TEST_CASE("losses are those of PyTorch") {
  const Tensor z = Tensor::from({3, 4}, {0.5f, -1.25f, 2, 0, 3, 1.5f, -0.75f, 0.25f, -2, 0.125f, 1, 4});
  const Tensor soft = Tensor::from({3, 4}, {0.1f, 0.2f, 0.3f, 0.4f, 0, 1, 0, 0, 0.25f, 0.25f, 0.5f, 0});
  const int labels[] = {2, 1, 0};
  const float weights[] = {0.5f, 2, 1, 0.25f};
  struct Row {
    const char* name;
    std::function<Var(const Var&)> loss;
    float value;
    float gradient[12];
  };
  const Row rows[] = {
      {"labels",
       [&](const Var& x) { return cross_entropy(x, labels); },
       2.72514747f,
       {0.05323118f, 0.00925019f, -0.09476772f, 0.03228634f, 0.25434114f, -0.27658215f, 0.00598153f,
        0.01625949f, -0.33256331f, 0.00644733f, 0.01546634f, 0.31064965f}},
      {"labels, weights",
       [&](const Var& x) {
         return cross_entropy(x, labels, {0, weights});
       },
       1.97447724f,
       {0.04562673f, 0.00792874f, -0.08122947f, 0.02767401f, 0.43601338f, -0.47414084f, 0.01025405f,
        0.02787340f, -0.14252713f, 0.00276314f, 0.00662843f, 0.13313556f}},
      {"labels, smoothing",
       [&](const Var& x) {
         return cross_entropy(x, labels, {0.1f, {}});
       },
       2.70535581f,
       {0.04489785f, 0.00091686f, -0.06976772f, 0.02395301f, 0.24600781f, -0.25158215f, -0.00235180f,
        0.00792615f, -0.30756331f, -0.00188601f, 0.00713300f, 0.30231631f}},
      {"labels, smoothing, weights",
       [&](const Var& x) {
         return cross_entropy(x, labels, {0.1f, weights});
       },
       2.00181816f,
       {0.04177013f, -0.00640653f, -0.06107893f, 0.02571533f, 0.40927874f, -0.43645210f, 0.00256645f,
        0.02460691f, -0.13178397f, -0.01128080f, 0.00006556f, 0.14299921f}},
      {"targets",
       [&](const Var& x) { return cross_entropy(x, soft); },
       2.58139747f,
       {0.01989785f, -0.05741647f, 0.13856561f, -0.10104699f, 0.25434114f, -0.27658215f, 0.00598153f,
        0.01625949f, -0.08256331f, -0.07688601f, -0.15120033f, 0.31064965f}},
      {"targets, weights",
       [&](const Var& x) {
         return cross_entropy(x, soft, {0, weights});
       },
       3.22234795f,
       {0.02857984f, -0.12547067f, 0.10278077f, -0.00588994f, 0.50868228f, -0.55316431f, 0.01196306f,
        0.03251897f, -0.04080039f, -0.15941342f, -0.14926704f, 0.34948085f}},
      {"targets, smoothing",
       [&](const Var& x) {
         return cross_entropy(x, soft, {0.1f, {}});
       },
       2.57598081f,
       {0.01489785f, -0.05908314f, 0.14023228f, -0.09604699f, 0.24600781f, -0.25158215f, -0.00235180f,
        0.00792615f, -0.08256331f, -0.07688601f, -0.14286700f, 0.30231631f}},
      {"targets, smoothing, weights",
       [&](const Var& x) {
         return cross_entropy(x, soft, {0.1f, weights});
       },
       3.16236656f,
       {0.02654561f, -0.12872306f, 0.10653489f, -0.00435743f, 0.47749187f, -0.50919412f, 0.00299419f,
        0.02870807f, -0.04081483f, -0.15953431f, -0.14122370f, 0.34157284f}},
      {"mse",
       [&](const Var& x) { return mse(x, soft); },
       3.04296875f,
       {0.06666667f, -0.24166667f, 0.28333333f, -0.06666667f, 0.5f, 0.08333333f, -0.125f, 0.04166667f,
        -0.375f, -0.02083333f, 0.08333333f, 0.66666667f}},
      {"binary_cross_entropy_with_logits",
       [&](const Var& x) { return binary_cross_entropy_with_logits(x, soft); },
       1.19113175f,
       {0.04353828f, 0.00189168f, 0.04839976f, 0.00833333f, 0.07938118f, -0.01520213f, 0.02673511f,
        0.04684804f, -0.01089976f, 0.02343411f, 0.01925488f, 0.08183448f}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const Var x = variable(z);
    const Var loss = row.loss(x);
    CHECK(std::fabs(loss.item() - row.value) <= 1e-6f * row.value);
    backward(loss);
    for (std::int64_t i = 0; i < 12; ++i) CHECK(std::fabs(x.grad().data()[i] - row.gradient[i]) <= 2e-7f);
  }
}

TEST_CASE("large logits do not overflow") {
  const Var z = variable(Tensor::from({1, 3}, {1e4f, -1e4f, 0}));
  const float losses[] = {0, 2e4f, 1e4f};
  for (const int label : {0, 1, 2}) {
    const Var x = variable(z.value());
    const Var loss = cross_entropy(x, std::span<const int>(&label, 1));
    CHECK(loss.item() == losses[label]);
    backward(loss);
    for (int k = 0; k < 3; ++k)
      CHECK(x.grad().data()[k] == (k == 0 ? 1.0f : 0.0f) - (k == label ? 1.0f : 0.0f));
  }
  // Two that are equally large share the probability, however large they are.
  const Var equal = variable(Tensor::from({1, 3}, {1e4f, 1e4f, -1e4f}));
  const int label = 1;
  const Var shared = cross_entropy(equal, std::span<const int>(&label, 1));
  CHECK(std::fabs(shared.item() - std::log(2.0f)) <= 1e-6f);
  backward(shared);
  const float expected[] = {0.5f, -0.5f, 0};
  for (int k = 0; k < 3; ++k) CHECK(std::fabs(equal.grad().data()[k] - expected[k]) <= 1e-6f);
  CHECK(std::fabs(cross_entropy(z, std::span<const int>(&label, 1), {0.3f, {}}).item() - 17000.0f) <= 0.01f);
  const Var loss = binary_cross_entropy_with_logits(z, Tensor::from({1, 3}, {0, 0, 1}));
  CHECK(std::fabs(loss.item() - (1e4f + std::log(2.0f)) / 3) <= 1e-3f);
  backward(loss);
  CHECK(z.grad().data()[0] == 1.0f / 3);
  CHECK(z.grad().data()[1] == 0.0f);
  CHECK(std::fabs(z.grad().data()[2] + 0.5f / 3) <= 1e-7f);
}

TEST_CASE("infinities and NaN, as in PyTorch") {
  const int second = 1, first = 0;
  const Tensor minus = Tensor::from({1, 2}, {0, -kInf}), nan = Tensor::from({1, 2}, {0, kNan});
  CHECK(cross_entropy(minus, std::span<const int>(&second, 1)).item() == kInf);
  CHECK(cross_entropy(minus, std::span<const int>(&first, 1)).item() == 0.0f);
  CHECK(cross_entropy(minus, std::span<const int>(&first, 1), {0.1f, {}}).item() == kInf);
  CHECK(std::isnan(cross_entropy(nan, std::span<const int>(&first, 1)).item()));
  CHECK(std::isnan(cross_entropy(nan, Tensor::from({1, 2}, {1, 0})).item()));
  CHECK(std::isnan(mse(nan, minus).item()));
  CHECK(std::isnan(binary_cross_entropy_with_logits(nan, Tensor::zeros({1, 2})).item()));
  CHECK(std::isnan(mse(Tensor::zeros({0}), Tensor::zeros({0})).item()));
}

TEST_CASE("losses name what does not fit") {
  const Var z = Tensor::zeros({2, 3});
  const int labels[] = {0, 3}, negative[] = {-1, 0}, good[] = {0, 1}, three[] = {0, 1, 2};
  const float weights[] = {1, 2};
  const auto shape = [](const std::function<void()>& f) { return message_of<ShapeError>(f); };
  CHECK(shape([&] { return cross_entropy(z, labels); }) ==
        "cross_entropy: label 3 of sample 1 is out of range for 3 classes");
  CHECK(shape([&] { return cross_entropy(z, negative); }) ==
        "cross_entropy: label -1 of sample 0 is out of range for 3 classes");
  CHECK(shape([&] { return cross_entropy(z, three); }) ==
        "cross_entropy: logits are (2, 3), expected (3, K) to match 3 labels");
  CHECK(shape([&] { return cross_entropy(Tensor::zeros({2}), good); }) ==
        "cross_entropy: logits are (2), expected (2, K) to match 2 labels");
  CHECK(shape([&] {
          return cross_entropy(z, Tensor::zeros({3, 2}));
        }) == "cross_entropy: targets are (3, 2), expected (B, K) to match logits (2, 3)");
  CHECK(shape([&] {
          return cross_entropy(z, good, {0, weights});
        }) == "cross_entropy: 2 class weights given for 3 classes");
  CHECK(shape([&] {
          return cross_entropy(z, Tensor::zeros({2, 3}), {0, weights});
        }) == "cross_entropy: 2 class weights given for 3 classes");
  CHECK(shape([&] {
          return cross_entropy(Tensor::zeros({0, 3}), std::span<const int>());
        }) == "cross_entropy: logits are (0, 3), expected at least one sample and class");
  CHECK(shape([&] {
          return cross_entropy(Tensor::zeros({2, 0}), Tensor::zeros({2, 0}));
        }) == "cross_entropy: logits are (2, 0), expected at least one sample and class");
  CHECK(shape([&] { return mse(z, Tensor::zeros({6})); }) == "mse: target is (6), expected (2, 3)");
  CHECK(shape([&] {
          return binary_cross_entropy_with_logits(z, Tensor::zeros({3, 2}));
        }) == "binary_cross_entropy_with_logits: targets are (3, 2), expected (2, 3)");
  CHECK(shape([&] { return cross_entropy(z, Tensor()); }) ==
        "cross_entropy: targets is empty, expected a tensor");
  CHECK(shape([&] { return mse(z, Tensor()); }) == "mse: target is empty, expected a tensor");
  CHECK(shape([&] { return binary_cross_entropy_with_logits(z, Tensor()); }) ==
        "binary_cross_entropy_with_logits: targets is empty, expected a tensor");
  for (const float smoothing : {-0.1f, 1.5f, kNan})
    CHECK(message_of<ConfigError>([&] {
            return cross_entropy(z, good, {smoothing, {}});
          }) == str_cat("cross_entropy: label smoothing is ", smoothing, ", expected 0 to 1"));
}
