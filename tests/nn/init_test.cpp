// Initial values: bounds, mean and deviation, repetition.
#include "minivit/nn/init.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "minivit/nn/encoder.hpp"
#include "minivit/nn/patch_embedding.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

struct Statistics {
  double mean = 0, deviation = 0, least = HUGE_VAL, largest = -HUGE_VAL;

  explicit Statistics(const Tensor& t) {
    double squares = 0;
    for (const float v : t.values()) {
      mean += v;
      squares += double{v} * v;
      least = std::min<double>(least, v);
      largest = std::max<double>(largest, v);
    }
    const auto n = static_cast<double>(t.numel());
    mean /= n;
    deviation = std::sqrt(squares / n - mean * mean);
  }
};

Statistics statistics_of(const Shape& shape, const std::function<void(Tensor&)>& init) {
  manual_seed(5);
  Tensor t = Tensor::empty(shape);
  init(t);
  return Statistics(t);
}

bool same_bits(const Tensor& a, const Tensor& b) { return std::ranges::equal(a.values(), b.values()); }

// 48,000 weights: the mean of as many draws deviates by 0.0046 σ, the deviation by about as much. Four times
// that passes.
constexpr std::int64_t kIn = 160, kOut = 300;
constexpr double kTolerance = 0.018;

}  // namespace

TEST_CASE("uniform initializers fill their interval and nothing else") {
  struct Case {
    const char* name;
    double limit;
    std::function<void(Tensor&)> init;
  };
  const Case cases[] = {{"uniform", 0.3, [](Tensor& t) { init_uniform(t, 0.3f); }},
                        {"xavier", std::sqrt(6.0 / (kIn + kOut)), init_xavier_uniform},
                        {"kaiming", std::sqrt(6.0 / kIn), init_kaiming_uniform}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Statistics s = statistics_of({kOut, kIn}, c.init);
    CHECK(s.least >= -c.limit * (1 + 1e-6));
    CHECK(s.largest <= c.limit * (1 + 1e-6));
    CHECK(s.least < -0.999 * c.limit);
    CHECK(s.largest > 0.999 * c.limit);
    const double deviation = c.limit / std::sqrt(3.0);
    CHECK(std::fabs(s.mean) < kTolerance * deviation);
    CHECK(std::fabs(s.deviation / deviation - 1) < kTolerance);
  }
}

TEST_CASE("Kaiming's normal has variance 2 / in") {
  const Statistics s = statistics_of({kOut, kIn}, init_kaiming_normal);
  const double deviation = std::sqrt(2.0 / kIn);
  CHECK(std::fabs(s.mean) < kTolerance * deviation);
  CHECK(std::fabs(s.deviation / deviation - 1) < kTolerance);
  CHECK(s.largest > 3 * deviation);  // not cut
}

TEST_CASE("the truncated normal stays within two deviations") {
  for (const float std : {0.02f, 1.5f}) {
    CAPTURE(std);
    const Statistics s = statistics_of({kOut, kIn}, [&](Tensor& t) { init_truncated_normal(t, std); });
    CHECK(s.least >= -2.0 * std);
    CHECK(s.largest <= 2.0 * std);
    CHECK(s.largest > 1.98 * std);
    CHECK(std::fabs(s.mean) < kTolerance * std);
    // Variance of what is left: 1 - 2 · 2 φ(2) / (2 Φ(2) - 1).
    CHECK(std::fabs(s.deviation / (0.87963 * std) - 1) < kTolerance);
  }
}

TEST_CASE("a convolution's window counts into its fans") {
  const Fans fans(Shape{8, 3, 4, 5});
  CHECK(fans.in == 60);
  CHECK(fans.out == 160);
  CHECK(Fans(Shape{0, 3, 2}).in == 0);
  CHECK(message_of<ShapeError>([] { Fans(Shape{8}); }) == "init: weight is (8), expected (out, in, ...)");
}

TEST_CASE("layers start as their comments say") {
  manual_seed(1);
  const Linear linear(kIn, kOut);
  const double limit = 1 / std::sqrt(static_cast<double>(kIn));
  for (const Tensor& t : {linear.weight.value, linear.bias.value}) {
    CHECK(Statistics(t).largest <= limit * (1 + 1e-6));
    CHECK(Statistics(t).largest > 0.97 * limit);
    CHECK(Statistics(t).least < -0.97 * limit);
  }
  const PatchEmbedding patches(3, 8, 250);
  const double deviation = 1 / std::sqrt(3.0 * 8 * 8);
  CHECK(Statistics(patches.weight.value).largest <= 2 * deviation * (1 + 1e-6));
  CHECK(Statistics(patches.weight.value).deviation ==
        doctest::Approx(0.87963 * deviation).epsilon(kTolerance));
  CHECK(Statistics(patches.bias.value).largest == 0);
}

TEST_CASE("manual_seed repeats all weights, another seed or layer has others") {
  const auto weights = [](std::uint64_t seed) {
    manual_seed(seed);
    return Encoder(2, {.dim = 8, .heads = 2, .hidden = 8});
  };
  const Encoder a = weights(7), b = weights(7), c = weights(8);
  const auto first = [](const Encoder& e) { return e.blocks[0].mlp.fc1.weight.value; };
  CHECK(same_bits(first(a), first(b)));
  CHECK(same_bits(a.blocks[1].attn.proj.bias.value, b.blocks[1].attn.proj.bias.value));
  CHECK_FALSE(same_bits(first(a), first(c)));
  CHECK_FALSE(same_bits(first(a), a.blocks[1].mlp.fc1.weight.value));
  CHECK_FALSE(same_bits(first(a), a.blocks[0].mlp.fc2.weight.value));
}

TEST_CASE("SkipInit leaves values as they are and draws nothing") {
  manual_seed(2);
  Tensor expected = Tensor::empty({4, 4}), t = Tensor::full({4, 4}, 9.0f);
  init_kaiming_normal(expected);
  manual_seed(2);
  {
    const SkipInit outer;
    { const SkipInit inner; }
    init_kaiming_normal(t);
    init_xavier_uniform(t);
    init_truncated_normal(t);
    CHECK(std::ranges::count(t.values(), 9.0f) == 16);
  }
  init_kaiming_normal(t);
  CHECK(same_bits(t, expected));
}
