// The moments of Adam (D. Kingma, J. Ba, arXiv:1412.6980), for the optimizers that have them.
#pragma once

#include <cmath>
#include <cstdint>

#include "minivit/core/config.hpp"
#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI::detail {

/// Step t of m = β₁ m + (1-β₁) g and v = β₂ v + (1-β₂) g², whose unbiased values are m̂ = m / (1-β₁ᵗ) and v̂ =
/// v / (1-β₂ᵗ).
struct AdamMoments {
  using Vec = kernels::Vec;

  float beta1, beta2, eps;
  float correction;  ///< 1-β₁ᵗ
  float root2;       ///< √(1-β₂ᵗ)

  AdamMoments(float b1, float b2, float epsilon, std::int64_t t)
      : beta1(b1),
        beta2(b2),
        eps(epsilon),
        correction(static_cast<float>(1.0 - std::pow(double{b1}, t))),
        root2(static_cast<float>(std::sqrt(1.0 - std::pow(double{b2}, t)))) {}

  /// m and √v̂ + eps, what a step divides it by.
  struct Direction {
    Vec m, divisor;
  };

  /// Takes the gradient into the moments at `m` and `v`.
  Direction update(Vec gradient, float* m, float* v) const {
    const Vec mi = kernels::load(m) * beta1 + gradient * (1.0f - beta1),
              vi = kernels::load(v) * beta2 + gradient * gradient * (1.0f - beta2);
    kernels::store(m, mi);
    kernels::store(v, vi);
    return {mi, kernels::sqrt(vi) / root2 + eps};
  }
};

}  // namespace minivit::inline MINIVIT_ABI::detail
