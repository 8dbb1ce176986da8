// A weight of a model.
#pragma once

#include <utility>

#include "minivit/autograd/tape.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A tensor that training changes. Used in a differentiable operation it becomes a leaf whose gradient adds
/// up in `grad`. Copying a parameter copies its value: a copied model is a model of its own. An empty
/// parameter (no value) stands for an optional weight that is not there.
struct Parameter {
  Tensor value;
  mutable Tensor grad;  ///< made, as zeros, when it is first needed; prediction never does
  bool decay =
      false;  ///< whether weight decay applies: to matrices, not to biases, norms, tokens and positions
  bool trainable = true;  ///< a frozen parameter is a constant
  float lr_scale = 1.0f;  ///< factor of the learning rate, above 0

  Parameter() = default;
  [[gnu::noinline]] explicit Parameter(Tensor value, bool decay = false, bool trainable = true)
      : value(std::move(value)), decay(decay), trainable(trainable) {}

  // Not inlined, like everything that exists once for each of a model's many parameters.
  [[gnu::noinline]] Parameter(const Parameter& other)
      : value(other.value.clone()),
        decay(other.decay),
        trainable(other.trainable),
        lr_scale(other.lr_scale) {}
  [[gnu::noinline]] Parameter(Parameter&&) noexcept = default;
  [[gnu::noinline]] Parameter& operator=(Parameter other) noexcept {
    value = std::move(other.value);
    grad = std::move(other.grad);
    decay = other.decay;
    trainable = other.trainable;
    lr_scale = other.lr_scale;
    return *this;
  }
  [[gnu::noinline]] ~Parameter() = default;

  bool defined() const { return value.defined(); }

  /// The parameter in a computation; an empty one is an empty Var.
  [[gnu::noinline]] operator Var()
      const {  // NOLINT: implicit, so that `linear(x, weight, bias)` reads as the formula
    if (!defined()) return {};
    if (!trainable || !grad_enabled()) return Var(value);
    if (!grad.defined()) grad = Tensor::zeros(value.shape());
    return Var::leaf(value, grad);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
