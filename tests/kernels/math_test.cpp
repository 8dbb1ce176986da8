// Functions of vectors, against the C library.
#include "minivit/kernels/math.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

using namespace minivit;
using namespace minivit::kernels;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

float erf1(float x) { return erf(load_partial(&x, 1))[0]; }
float tanh1(float x) { return tanh(load_partial(&x, 1))[0]; }
float exp_of(float x) { return exp(load_partial(&x, 1))[0]; }

/// f(x, y) for floats from `low` to `high`, y being op(x): some 70 in every power of two, and a fine grid
/// besides.
template <class Op, class F>
void sweep(float low, float high, const Op& op, const F& f) {
  const auto at = [&](Vec x) {
    const Vec y = op(x);
    for (int l = 0; l < kLanes; ++l)
      if (x[l] >= low && x[l] <= high) f(double{x[l]}, double{y[l]});
  };
  Vec x{};
  for (std::uint64_t bits = 0; bits < 0x7f800000; bits += 7919 * kLanes)
    for (const float sign : {1.0f, -1.0f}) {
      for (int l = 0; l < kLanes; ++l)
        x[l] = sign * std::bit_cast<float>(static_cast<std::uint32_t>(
                          std::min<std::uint64_t>(bits + 7919u * static_cast<unsigned>(l), 0x7f7fffff)));
      at(x);
    }
  constexpr int kSteps = 400'000;
  for (int i = 0; i <= kSteps; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) x[l] = static_cast<float>(low + (double{high} - low) * (i + l) / kSteps);
    at(x);
  }
}

}  // namespace

TEST_CASE("exp: relative error up to 2e-7 where the result is normal") {
  double worst = 0;
  sweep(
      -87.33f, 88.72f, [](Vec x) { return exp(x); },
      [&](double x, double y) {
        const double e = std::fabs(y / std::exp(x) - 1);
        if (!(e <= worst)) worst = e;
      });
  CHECK(worst <= 2e-7);
}

TEST_CASE("exp_negative: relative error up to 2e-7 down to -87.68, from there on 0") {
  double worst = 0;
  sweep(
      -87.68f, 0.0f, [](Vec x) { return exp_negative(x); },
      [&](double x, double y) {
        const double e = std::fabs(y / std::exp(x) - 1);
        if (!(e <= worst)) worst = e;
      });
  CHECK(worst <= 2e-7);
  const auto of = [](float x) { return exp_negative(load_partial(&x, 1))[0]; };
  CHECK(of(0.0f) == 1.0f);
  for (const float x : {-87.7f, -88.0f, -1e30f, -kInf}) CHECK(of(x) == 0.0f);
  CHECK(std::isnan(of(kNan)));
  // Whatever the rest of a NaN's bits is.
  for (const std::uint32_t bits : {0x7fc00001u, 0xffffffffu, 0x7fc001ffu})
    CHECK(std::isnan(of(std::bit_cast<float>(bits))));
}

TEST_CASE("exp of what is subnormal, overflows or is no number") {
  double worst = 0;
  sweep(
      -110.0f, -87.33f, [](Vec x) { return exp(x); },
      [&](double x, double y) { worst = std::max(worst, std::fabs(y - std::exp(x)) - 2e-7 * std::exp(x)); });
  CHECK(worst <= 0x1p-149);  // one unit in the last place
  CHECK(exp_of(0.0f) == 1.0f);
  CHECK(exp_of(-0.0f) == 1.0f);
  CHECK(exp_of(1e-40f) == 1.0f);
  CHECK(std::isfinite(exp_of(88.72f)));
  CHECK(exp_of(88.73f) == kInf);
  CHECK(exp_of(89.0f) == kInf);
  CHECK(exp_of(1e30f) == kInf);
  CHECK(exp_of(kInf) == kInf);
  CHECK(exp_of(-103.0f) > 0.0f);
  CHECK(exp_of(-104.0f) == 0.0f);
  CHECK(exp_of(-105.0f) == 0.0f);
  CHECK(exp_of(-kInf) == 0.0f);
  CHECK(std::isnan(exp_of(kNan)));
  CHECK(std::isnan(exp_of(-kNan)));
}

TEST_CASE("erf: absolute error up to 5e-7") {
  double worst = 0;
  bool odd = true;
  sweep(
      -1e30f, 1e30f, [](Vec x) { return erf(x); },
      [&](double x, double y) {
        const double e = std::fabs(y - std::erf(x));
        if (!(e <= worst)) worst = e;
      });
  sweep(
      -6.0f, 6.0f, [](Vec x) { return erf(x) + erf(-x); }, [&](double, double y) { odd &= y == 0; });
  sweep(
      -6.0f, 6.0f, [](Vec x) { return erf(x); },
      [&](double x, double y) {
        const double e = std::fabs(y - std::erf(x));
        if (!(e <= worst)) worst = e;
      });
  CHECK(worst <= 5e-7);
  CHECK(odd);
  CHECK(erf1(kInf) == 1.0f);
  CHECK(erf1(-kInf) == -1.0f);
  CHECK(std::fabs(erf1(0.0f)) <= 5e-7f);
  CHECK(std::isnan(erf1(kNan)));
}

TEST_CASE("tanh: relative error up to 3e-7") {
  double worst = 0;
  const auto error = [&](double x, double y) {
    if (std::fabs(x) < 1e-37) return;  // a subnormal result has fewer digits
    const double e = std::fabs(y / std::tanh(x) - 1);
    if (!(e <= worst)) worst = e;
  };
  sweep(
      -1e30f, 1e30f, [](Vec x) { return tanh(x); }, error);
  sweep(
      -10.0f, 10.0f, [](Vec x) { return tanh(x); }, error);
  CHECK(worst <= 3e-7);
  CHECK(tanh1(0.0f) == 0.0f);
  CHECK(tanh1(1e-40f) == 1e-40f);
  CHECK(tanh1(kInf) == 1.0f);
  CHECK(tanh1(-kInf) == -1.0f);
  CHECK(tanh1(1e30f) == 1.0f);
  CHECK(std::isnan(tanh1(kNan)));
}

TEST_CASE("a lane does not depend on the others") {
  for (int l = 0; l < kLanes; ++l) {
    Vec x{};
    x[l] = kNan;
    for (int other = 0; other < kLanes; ++other) {
      CHECK(std::isnan(exp(x)[other]) == (other == l));
      CHECK(std::isnan(tanh(x)[other]) == (other == l));
      CHECK(std::isnan(erf(x)[other]) == (other == l));
    }
  }
}

TEST_CASE("vectors: partial loads and stores, broadcast, max, sum") {
  float x[2 * kLanes], y[2 * kLanes];
  for (int i = 0; i < 2 * kLanes; ++i) x[i] = static_cast<float>(i + 1);
  for (std::int64_t n = 0; n <= kLanes; ++n) {
    const Vec v = load_partial(x, n, -5.0f);
    for (int l = 0; l < kLanes; ++l) CHECK(v[l] == (l < n ? x[l] : -5.0f));
    std::fill_n(y, kLanes, -1.0f);
    store_partial(y, load(x), n);
    for (int l = 0; l < kLanes; ++l) CHECK(y[l] == (l < n ? x[l] : -1.0f));
  }
  CHECK(sum(load(x)) == static_cast<float>(kLanes * (kLanes + 1) / 2));
  CHECK(max_lane(load(x)) == static_cast<float>(kLanes));
  CHECK(broadcast(3.5f)[kLanes - 1] == 3.5f);
  CHECK(broadcast(-kInf)[0] == -kInf);
  CHECK(std::isnan(max(broadcast(kNan), broadcast(1.0f))[0]));
  CHECK(max(broadcast(2.0f), broadcast(1.0f))[0] == 2.0f);
  CHECK(min(broadcast(2.0f), broadcast(1.0f))[0] == 1.0f);
  for (std::int64_t n = 0; n <= 2 * kLanes; ++n) {
    std::fill_n(y, 2 * kLanes, -1.0f);
    map(
        n, y, [](Vec a, Vec b) { return a * 2.0f + b; }, x, x);
    for (int i = 0; i < 2 * kLanes; ++i) CHECK(y[i] == (i < n ? 3 * x[i] : -1.0f));
  }
}

TEST_CASE("log: relative error up to 2e-7, near 1 absolute up to 1e-7; what has no logarithm") {
  double worst = 0;
  sweep(
      1e-45f, 3.4e38f, [](Vec x) { return log(x); },
      [&](double x, double y) {
        const double expected = std::log(x),
                     e = std::fabs(y - expected) / std::max(1e-7, 2e-7 * std::fabs(expected));
        if (!(e <= worst)) worst = e;
      });
  CHECK(worst <= 1);
  const auto log1 = [](float x) { return log(broadcast(x))[0]; };
  CHECK(log1(1.0f) == 0.0f);
  CHECK(log1(0.0f) == -kInf);
  CHECK(log1(-0.0f) == -kInf);
  CHECK(log1(kInf) == kInf);
  CHECK(std::isnan(log1(-1.0f)));
  CHECK(std::isnan(log1(-kInf)));
  CHECK(std::isnan(log1(kNan)));
}

TEST_CASE("sqrt is correctly rounded") {
  for (const float x : {0.0f, 1e-45f, 1e-38f, 0.5f, 2.0f, 3.0f, 1e30f, 3.4e38f, kInf})
    CHECK(sqrt(broadcast(x))[kLanes - 1] == std::sqrt(x));
  CHECK(std::isnan(sqrt(broadcast(-1.0f))[0]));
}

TEST_CASE("transpose exchanges rows and columns") {
  Vec square[kLanes];
  for (int i = 0; i < kLanes; ++i)
    for (int j = 0; j < kLanes; ++j) square[i][j] = static_cast<float>(100 * i + j);
  transpose(square);
  for (int i = 0; i < kLanes; ++i)
    for (int j = 0; j < kLanes; ++j) {
      const float element = square[i][j];
      CHECK(element == static_cast<float>(100 * j + i));
    }
}
