// exp, log, erf and tanh for a whole register. No look-up tables, no branches; NaN goes in, NaN comes out.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <numbers>

#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

namespace detail {

/// e^(x - n ln 2) for n = x / ln 2 rounded to an integer: the polynomial of Cephes' expf (S. Moshier, 1984).
[[nodiscard]] inline Vec exp_fraction(Vec x, Vec n) {
  // ln 2 in two parts: the first product is exact.
  const Vec r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + (r + 1.0f);
}

}  // namespace detail

/// e^x, relative error ≤ 2e-7 where the result is a normal number; 0 below -104, infinity above 88.73.
[[nodiscard]] inline Vec exp(Vec x) {
  x = min(max(x, broadcast(-104.0f)), broadcast(89.0f));
  // Adding 1.5·2^23 rounds to the nearest integer and leaves it in the low bits of the sum.
  constexpr float kRound = 12582912.0f;
  const Vec shifted = x * std::numbers::log2e_v<float> + kRound;
  const Vec n = shifted - kRound;
  const VecInt k = std::bit_cast<VecInt>(shifted) - std::bit_cast<std::int32_t>(kRound);
  const Vec p = detail::exp_fraction(x, n);
  // 2^k as a product of two, since 2^128 and 2^-149 are no normal numbers.
  const VecInt half = k >> 1;
  return p * std::bit_cast<Vec>((half + 127) << 23) * std::bit_cast<Vec>((k - half + 127) << 23);
}

/// e^x for x in [-88.3, 88.3], relative error ≤ 2e-7, but 0 below -87.68; beyond these limits anything, NaN
/// for NaN. Faster than `exp`: nothing is limited, and no result needs two factors.
[[nodiscard]] inline Vec exp_small(Vec x) {
  // Adding 1.5·2^23 rounds to the nearest integer and leaves it in the low bits of the sum.
  constexpr float kRound = 12582912.0f;
  const Vec shifted = x * std::numbers::log2e_v<float> + kRound;
  const Vec n = shifted - kRound;
  // Shifting leaves of `shifted` what is in the low bits. Unsigned, since they may be anything, too.
  using Bits = std::uint32_t __attribute__((vector_size(sizeof(Vec))));
  const Vec power = std::bit_cast<Vec>((std::bit_cast<Bits>(shifted) << 23) + (127u << 23));
  return detail::exp_fraction(x, n) * power;
}

/// e^x for x ≤ 0, relative error ≤ 2e-7 down to -87.68, which is where normal numbers end; below that 0.
[[nodiscard]] inline Vec exp_negative(Vec x) { return exp_small(max(x, broadcast(-88.0f))); }

/// The natural logarithm, relative error ≤ 2e-7 but near 1, where the absolute error is ≤ 1e-7; -infinity at
/// 0, NaN below. Mantissa in [√½, √2) and the polynomial of Cephes' logf (S. Moshier, 1984).
[[nodiscard]] inline Vec log(Vec x) {
  constexpr float kSmallestNormal = 1.17549435e-38f, kInfinity = std::numeric_limits<float>::infinity();
  const Vec normal = x < kSmallestNormal ? x * 8388608.0f : x;
  const VecInt bits = std::bit_cast<VecInt>(normal) & 0x7fffffff, exponent = (bits - 0x3f3504f3) >> 23;
  const Vec m = std::bit_cast<Vec>(bits - (exponent << 23)) - 1.0f;
  const Vec e = __builtin_convertvector(exponent, Vec) - (x < kSmallestNormal ? broadcast(23.0f) : Vec{});
  Vec p = m * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const Vec y = m + (m * m * (m * p - 0.5f) + e * -2.12194440e-4f) + e * 0.693359375f;
  const Vec special = x < 0.0f    ? broadcast(std::numeric_limits<float>::quiet_NaN())
                      : x == 0.0f ? broadcast(-kInfinity)
                                  : x;
  return ((x > 0.0f) & (x < kInfinity)) ? y : special;
}

/// The error function, absolute error ≤ 1.2e-7. Up to 1 an odd polynomial, above 1 - e^q(|x|) with q fitted
/// to ln(erfc); both are minimax fits (iterated reweighted least squares at Chebyshev nodes), with errors of
/// 2e-9 before rounding.
[[nodiscard]] inline Vec erf(Vec x) {
  const Vec a = min(absolute(x), broadcast(4.0f));  // from 4 on it is 1 in single precision
  const Vec s = a * a;
  Vec p = s * 7.889119e-5f - 8.020841e-4f;
  p = p * s + 5.189535e-3f;
  p = p * s - 2.6854444e-2f;
  p = p * s + 1.12836e-1f;
  p = p * s - 3.7612626e-1f;
  p = p * s + 1.1283791f;
  const Vec small = a * p;
  Vec q = a * 1.8548463e-4f - 2.9387722e-3f;
  q = q * a + 2.1802132e-2f;
  q = q * a - 1.03031007e-1f;
  q = q * a - 6.3823269e-1f;
  q = q * a - 1.127035985f;
  q = q * a - 3.5467843e-4f;
  const Vec large = 1.0f - exp(q);
  const Vec y = a < 1.0f ? small : large;
  return x < 0.0f ? -y : y;
}

/// The hyperbolic tangent, relative error ≤ 3e-7. Near zero the polynomial of Cephes' tanhf (S. Moshier,
/// 1984).
[[nodiscard]] inline Vec tanh(Vec x) {
  const Vec a = absolute(x);
  const Vec s = x * x;
  Vec p = s * -5.70498872745e-3f + 2.06390887954e-2f;
  p = p * s - 5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  p = p * s - 3.33332819422e-1f;
  const Vec small = x + x * s * p;
  const Vec large = 1.0f - 2.0f / (exp(a + a) + 1.0f);
  return a < 0.625f ? small : (x < 0.0f ? -large : large);
}

/// The logistic function 1 / (1 + exp(-x)), absolute error ≤ 2e-7.
[[nodiscard]] inline Vec logistic(Vec x) { return 1.0f / (1.0f + exp(-x)); }

}  // namespace minivit::inline MINIVIT_ABI::kernels
