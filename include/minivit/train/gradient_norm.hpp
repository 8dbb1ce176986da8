// The norm of the gradient, and clipping by it.
#pragma once

#include "minivit/nn/arena.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Norm of all gradients.
[[nodiscard]] double grad_norm(const ParameterArena& parameters);

/// What gradients of this norm are to be multiplied with so that it becomes at most `max_norm` (> 0). 1 for a
/// norm that is not finite: look at it before you step.
[[nodiscard]] float clip_factor(double norm, double max_norm);

/// Scales the gradients so that their norm is at most `max_norm` (> 0). Returns the norm before. Training
/// loops rather hand `clip_factor` to the optimizer's step, which saves a pass over the gradients.
double clip_grad_norm(ParameterArena& parameters, double max_norm);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cmath>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/reduce.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE double grad_norm(const ParameterArena& parameters) {
  return std::sqrt(kernels::sum_of_squares(parameters.size(), parameters.grads.data()));
}

MINIVIT_INLINE float clip_factor(double norm, double max_norm) {
  // As PyTorch: the 1e-6 guards a norm near 0.
  return norm > max_norm && std::isfinite(norm) ? static_cast<float>(max_norm / (norm + 1e-6)) : 1.0f;
}

MINIVIT_INLINE double clip_grad_norm(ParameterArena& parameters, double max_norm) {
  const double norm = grad_norm(parameters);
  if (const float factor = clip_factor(norm, max_norm); factor != 1.0f)
    Sink{parameters.grads.data(), false}.write_all(
        parameters.size(), [factor](kernels::Vec g) { return g * factor; }, parameters.grads.data());
  return norm;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
