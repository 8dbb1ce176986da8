// The Gaussian error linear unit (D. Hendrycks, K. Gimpel, arXiv:1606.08415), exact and in its tanh
// approximation. They differ by up to 4.7e-4: weights trained with one want that one.
#pragma once

#include <numbers>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/math.hpp"
#include "minivit/ops/unary.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// x Φ(x),  Φ(x) = (1 + erf(x/√2)) / 2
inline Vec gelu_forward(Vec x) { return 0.5f * x * (1.0f + erf(x * (1 / std::numbers::sqrt2_v<float>))); }

/// Φ(x) + x φ(x),  φ(x) = e^(-x²/2) / √(2π)
inline Vec gelu_derivative(Vec x) {
  constexpr float kInverseRootTwoPi = 0.3989422804f;
  return 0.5f * (1.0f + erf(x * (1 / std::numbers::sqrt2_v<float>))) +
         x * kInverseRootTwoPi * exp(-0.5f * x * x);
}

inline constexpr float kRootTwoOverPi = 0.7978845608f;

/// x (1 + tanh u) / 2,  u = √(2/π) (x + 0.044715 x³)
inline Vec gelu_tanh_forward(Vec x) {
  const Vec u = kRootTwoOverPi * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + tanh(u));
}

/// (1 + tanh u) / 2 + x (1 - tanh² u) u' / 2,  u' = √(2/π) (1 + 3 · 0.044715 x²)
inline Vec gelu_tanh_derivative(Vec x) {
  const Vec t = tanh(kRootTwoOverPi * (x + 0.044715f * x * x * x));
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * (kRootTwoOverPi * (1.0f + 0.134145f * x * x));
}

}  // namespace detail

/// y = x Φ(x), any shape, with the exact Φ: what timm and Hugging Face call "gelu".
inline Var gelu(const Var& x) {
  return detail::unary_by_input(x, detail::map_elements(x.value(), detail::gelu_forward),
                                detail::gelu_derivative);
}

/// y = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, any shape: what PyTorch calls "gelu" with
/// `approximate="tanh"`.
inline Var gelu_tanh(const Var& x) {
  return detail::unary_by_input(x, detail::map_elements(x.value(), detail::gelu_tanh_forward),
                                detail::gelu_tanh_derivative);
}

}  // namespace minivit::inline MINIVIT_ABI
