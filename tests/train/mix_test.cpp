// Mixup and CutMix: the distributions that are drawn from, and images, targets and losses against their
// definition.
#include "minivit/train/mix.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "minivit/model/vit.hpp"
#include "minivit/train/loop.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

Tensor noise(const Shape& shape, std::uint64_t seed) {
  Tensor x = Tensor::empty(shape);
  Rng rng(seed);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = rng.normal();
  return x;
}

}  // namespace

TEST_CASE("shares have mean and variance of Beta(a, a)") {
  for (const double a : {0.05, 0.2, 1.0, 5.0, 200.0}) {
    CAPTURE(a);
    Rng rng(3);
    double sum = 0, squares = 0;
    constexpr int kDraws = 40000;
    for (int i = 0; i < kDraws; ++i) {
      const double x = draw_symmetric_beta(a, rng);
      REQUIRE((x >= 0 && x <= 1));
      sum += x, squares += (x - 0.5) * (x - 0.5);
    }
    const double variance = 1 / (4 * (2 * a + 1)), error = std::sqrt(variance / kDraws);
    CHECK(std::abs(sum / kDraws - 0.5) < 5 * error);
    CHECK(squares / kDraws == doctest::Approx(variance).epsilon(0.04));
  }
  Rng rng(4);
  for (int i = 0; i < 1000; ++i) CHECK(std::isfinite(draw_symmetric_beta(1e-4, rng)));
}

TEST_CASE("Beta(1, 1) is uniform") {
  Rng rng(5);
  int below[10] = {};
  for (int i = 0; i < 20000; ++i) ++below[static_cast<int>(draw_symmetric_beta(1, rng) * 10)];
  for (const int n : below) CHECK(std::abs(n - 2000) < 250);
}

TEST_CASE("as many batches are mixed, and by either, as is asked for") {
  const MixOptions both{.mixup = 0.8, .cutmix = 1, .probability = 0.75, .cutmix_part = 0.4};
  int mixup = 0, cutmix = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const Mix mix = draw_mix(both, 32, 48, Rng(1, i));
    mixup += mix.kind == Mix::Kind::mixup;
    cutmix += mix.kind == Mix::Kind::cutmix;
  }
  CHECK(std::abs(mixup - 4000 * 0.75 * 0.6) < 160);
  CHECK(std::abs(cutmix - 4000 * 0.75 * 0.4) < 160);
  CHECK(draw_mix({}, 32, 32, Rng(1)).kind == Mix::Kind::none);
  CHECK(draw_mix({.mixup = 1, .probability = 0}, 32, 32, Rng(1)).kind == Mix::Kind::none);
  for (std::uint64_t i = 0; i < 50; ++i) {
    CHECK(draw_mix({.mixup = 1}, 32, 32, Rng(1, i)).kind == Mix::Kind::mixup);
    CHECK(draw_mix({.cutmix = 1}, 32, 32, Rng(1, i)).kind == Mix::Kind::cutmix);
  }
}

TEST_CASE("what CutMix takes is in the image, and its share of the area is the partner's") {
  double shares = 0;
  bool at_an_edge = false;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const Mix mix = draw_mix({.cutmix = 1}, 24, 40, Rng(2, i));
    REQUIRE((0 <= mix.top && mix.top <= mix.bottom && mix.bottom <= 24));
    REQUIRE((0 <= mix.left && mix.left <= mix.right && mix.right <= 40));
    const auto area = static_cast<double>((mix.bottom - mix.top) * (mix.right - mix.left));
    CHECK(mix.share == 1 - area / (24 * 40));
    shares += mix.share;
    at_an_edge = at_an_edge || (area > 0 && mix.top == 0);
  }
  CHECK(shares / 2000 > 0.55);  // 0.5, and what lies outside of the image is not taken
  CHECK(at_an_edge);
  // An image of one pixel has nothing to give.
  CHECK(draw_mix({.cutmix = 1}, 1, 1, Rng(2)).share == 1);
}

TEST_CASE("Mixup's images and targets are the weighted sums") {
  const Tensor x = noise({5, 2, 3, 4}, 1);
  const Mix mix{.kind = Mix::Kind::mixup, .share = 0.3};
  const Tensor y = mix.images(x);
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t k = 0; k < 24; ++k)
      CHECK(y.data()[i * 24 + k] ==
            doctest::Approx(0.3 * x.data()[i * 24 + k] + 0.7 * x.data()[(4 - i) * 24 + k]).epsilon(1e-6));
  const int labels[] = {0, 2, 1, 2, 2};
  const Tensor t = mix.targets(labels, 3);
  const float expected[5][3] = {{0.3f, 0, 0.7f}, {0, 0, 1}, {0, 1, 0}, {0, 0, 1}, {0.7f, 0, 0.3f}};
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t k = 0; k < 3; ++k) CHECK(t(i, k) == doctest::Approx(expected[i][k]).epsilon(1e-6));
  CHECK(mix.main_labels(labels) == std::vector<int>{2, 2, 1, 2, 0});
  CHECK(Mix{.kind = Mix::Kind::mixup, .share = 0.5}.main_labels(labels) == std::vector<int>{0, 2, 1, 2, 2});
}

TEST_CASE("CutMix's images are one inside of the box and the other outside") {
  const Tensor x = noise({4, 3, 5, 6}, 2);
  const Mix mix{.kind = Mix::Kind::cutmix, .share = 0.8, .left = 2, .top = 1, .right = 5, .bottom = 3};
  const Tensor y = mix.images(x);
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t h = 0; h < 5; ++h)
        for (std::int64_t w = 0; w < 6; ++w) {
          const bool inside = h >= 1 && h < 3 && w >= 2 && w < 5;
          CHECK(y(i, c, h, w) == x(inside ? 3 - i : i, c, h, w));
        }
}

TEST_CASE("the loss of a mixed batch is the mean of both losses, weighted by the shares") {
  const Var logits = variable(noise({6, 4}, 3));
  const std::vector<int> labels{0, 1, 2, 3, 0, 1}, partners(labels.rbegin(), labels.rend());
  const Mix mix{.kind = Mix::Kind::mixup, .share = 0.35};
  for (const float smoothing : {0.0f, 0.1f}) {
    const CrossEntropyOptions options{smoothing, {}};
    const double own = cross_entropy(logits, labels, options).item(),
                 other = cross_entropy(logits, partners, options).item();
    CHECK(cross_entropy(logits, mix.targets(labels, 4), options).item() ==
          doctest::Approx(0.35 * own + 0.65 * other).epsilon(1e-5));
  }
}

TEST_CASE("what cannot be mixed is refused") {
  CHECK(message_of<ConfigError>([] { MixOptions{.mixup = -1}.validate(); }) ==
        "mix: mixup is -1, expected 0 to 1000");
  CHECK_THROWS_AS(MixOptions{.probability = 1.5}.validate(), ConfigError);
  CHECK_THROWS_AS(MixOptions{.cutmix = std::nan("")}.validate(), ConfigError);
  const Mix mix{.kind = Mix::Kind::cutmix, .share = 0.5, .left = 0, .top = 0, .right = 4, .bottom = 4};
  CHECK_THROWS_AS(static_cast<void>(mix.images(Tensor::zeros({2, 3, 3, 4}))), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(mix.images(Tensor::zeros({2, 3, 4}))), ShapeError);
  const int labels[] = {0, 3};
  CHECK_THROWS_AS(static_cast<void>(mix.targets(labels, 3)), ShapeError);
}

TEST_CASE("training on mixed batches goes on to the same bits after an interruption") {
  Tensor images = noise({12, 1, 4, 4}, 6);
  std::vector<int> labels;
  for (int i = 0; i < 12; ++i) labels.push_back(i % 3);
  std::vector<Batch> batches;
  for (std::size_t b = 0; b < 4; ++b) {
    Batch batch{Tensor::empty({3, 1, 4, 4}),
                {labels.begin() + 3 * static_cast<std::ptrdiff_t>(b),
                 labels.begin() + 3 * static_cast<std::ptrdiff_t>(b) + 3},
                {},
                b};
    std::copy_n(images.data() + b * 48, 48, batch.images.data());
    batches.push_back(std::move(batch));
  }
  const auto trained = [&](const MixOptions& mix, std::size_t pause) {
    manual_seed(1);
    VisionTransformer model({.image_height = 4,
                             .image_width = 4,
                             .patch_size = 2,
                             .channels = 1,
                             .num_classes = 3,
                             .embedding_dim = 8,
                             .num_layers = 1,
                             .num_heads = 2,
                             .mlp_ratio = 2});
    ParameterArena parameters = flatten(model);
    AdamW optimizer(parameters, {});
    std::optional<Ema> ema;
    const auto schedule = [](std::int64_t) { return 0.01; };
    const auto go_on = [](const StepReport&) { return true; };
    Metrics metrics;
    for (const auto& [first, last] : {std::pair<std::size_t, std::size_t>{0, pause}, {pause, 4}})
      metrics = train_epoch(
          model, std::span(batches).subspan(first, last - first), parameters, optimizer, schedule, ema,
          {.seed = 7, .mix = mix, .batches_done = static_cast<std::int64_t>(first), .metrics_done = metrics},
          go_on);
    CHECK(metrics.samples == 12);
    return std::vector<float>(parameters.values.values().begin(), parameters.values.values().end());
  };
  const MixOptions mix{.mixup = 0.8, .cutmix = 1};
  const std::vector<float> whole = trained(mix, 4);
  CHECK(whole == trained(mix, 2));
  CHECK(whole != trained({}, 4));
}
