// The Gaussian error linear unit (D. Hendrycks, K. Gimpel, arXiv:1606.08415), exact and in its tanh
// approximation. They differ by up to 4.7e-4: weights trained with one want that one.
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = x Φ(x), any shape, with the exact Φ: what timm and Hugging Face call "gelu".
[[nodiscard]] Var gelu(const Var& x);

/// y = x (1 + kernels::tanh(√(2/π) (x + 0.044715 x³))) / 2, any shape: what PyTorch calls "gelu" with
/// `approximate="tanh"`.
[[nodiscard]] Var gelu_tanh(const Var& x);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/math.hpp"
#include "minivit/ops/unary.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::Vec;

/// The tail of the normal distribution beyond a = |x|: Φ(-a) = e^(-a²/2) q(a), absolute error ≤ 1.2e-7. q is
/// a minimax fit on [0, 5.6] (iterated reweighted least squares at Chebyshev nodes, weighted for the error of
/// a Φ(-a), which is 4e-8 before rounding). One exponential serves the function and its derivative; by way of
/// erf they would need three.
struct NormalTail {
  Vec a, bell, q;  // a at most 13.27, from where on `exp_small` gives 0

  explicit NormalTail(Vec x) {
    const Vec size = kernels::absolute(x);
    a = kernels::min(size, kernels::broadcast(13.27f));
    const Vec c = kernels::min(size, kernels::broadcast(5.6f));
    q = c * -2.46753615e-7f + 6.32500041e-6f;
    q = q * c - 7.29422318e-5f;
    q = q * c + 5.07416844e-4f;
    q = q * c - 2.42665852e-3f;
    q = q * c + 8.70329514e-3f;
    q = q * c - 2.51217838e-2f;
    q = q * c + 6.16728626e-2f;
    q = q * c - 1.32701695e-1f;
    q = q * c + 2.49950528e-1f;
    q = q * c - 3.98938775e-1f;
    q = q * c + 0.49999997f;
    bell = kernels::exp_small(a * a * -0.5f);
  }
};

/// x Φ(x)
inline Vec gelu_forward(Vec x) {
  const NormalTail n(x);
  const Vec tail = n.bell * n.q;
  return x * (x < 0.0f ? tail : 1.0f - tail);
}

/// Φ(x) + x φ(x),  φ(x) = e^(-x²/2) / √(2π): of -|x| it is e^(-x²/2) (q(|x|) - |x| / √(2π)), and both sides
/// of 0 add up to 1
inline Vec gelu_derivative(Vec x) {
  constexpr float kInverseRootTwoPi = 0.3989422804f;
  const NormalTail n(x);
  const Vec left = n.bell * (n.q - n.a * kInverseRootTwoPi);
  return x < 0.0f ? left : 1.0f - left;
}

inline constexpr float kRootTwoOverPi = 0.7978845608f;

/// x (1 + tanh u) / 2,  u = √(2/π) (x + 0.044715 x³)
inline Vec gelu_tanh_forward(Vec x) {
  const Vec u = kRootTwoOverPi * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + kernels::tanh(u));
}

/// (1 + tanh u) / 2 + x (1 - tanh² u) u' / 2,  u' = √(2/π) (1 + 3 · 0.044715 x²)
inline Vec gelu_tanh_derivative(Vec x) {
  const Vec t = kernels::tanh(kRootTwoOverPi * (x + 0.044715f * x * x * x));
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * (kRootTwoOverPi * (1.0f + 0.134145f * x * x));
}

}  // namespace detail

MINIVIT_INLINE Var gelu(const Var& x) {
  return detail::unary_by_input(x, detail::map_elements("gelu", x, detail::gelu_forward),
                                detail::gelu_derivative);
}

MINIVIT_INLINE Var gelu_tanh(const Var& x) {
  return detail::unary_by_input(x, detail::map_elements("gelu_tanh", x, detail::gelu_tanh_forward),
                                detail::gelu_tanh_derivative);
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
