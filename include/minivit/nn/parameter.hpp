// A weight of a model.
#pragma once

#include <utility>

#include "minivit/autograd/tape.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A tensor that training changes. Copying a parameter copies its value: a copied model is a model of its
/// own, without gradients. An empty parameter (no value) stands for an optional weight that is not there.
struct Parameter {
  Tensor value;
  Tensor grad;  ///< sum of the gradients, or empty: then nothing is recorded for this parameter
  bool decay =
      false;  ///< whether weight decay applies: to matrices, not to biases, norms, tokens and positions
  bool trainable = true;  ///< a frozen parameter is a constant
  float lr_scale = 1.0f;  ///< factor of the learning rate, above 0

  Parameter() = default;
  explicit Parameter(Tensor initial, bool has_decay = false, bool is_trainable = true)
      : value(std::move(initial)), decay(has_decay), trainable(is_trainable) {}

  Parameter(const Parameter& other)
      : value(other.value.clone()),
        decay(other.decay),
        trainable(other.trainable),
        lr_scale(other.lr_scale) {}
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(const Parameter& other) { return *this = Parameter(other); }
  Parameter& operator=(Parameter&&) noexcept = default;
  ~Parameter() = default;

  bool defined() const noexcept { return value.defined(); }

  /// Gives a trainable parameter a gradient, 0 at first, if it has none.
  void require_grad() {
    if (defined() && trainable && !grad.defined()) grad = Tensor::zeros(value.shape());
  }

  /// The parameter in a computation: a leaf once it has a gradient, a constant before (so a loaded model
  /// never records); an empty one is an empty Var.
  operator Var() const {  // NOLINT: implicit, so that `linear(x, weight, bias)` reads as the formula
    return trainable && grad.defined() ? Var::leaf(value, grad) : Var(value);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
