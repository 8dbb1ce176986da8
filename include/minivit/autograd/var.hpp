// A tensor that may have a gradient.
#pragma once

#include <cstdint>
#include <utility>

#include "minivit/autograd/mode.hpp"
#include "minivit/autograd/node.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Where the gradient of a value goes: to a leaf's gradient, to a recorded operation, or nowhere. Operations
/// capture the edge of an input whose value they do not need, so that the value's memory can be used again.
class Edge {
 public:
  Edge() = default;

  /// Shape of the value and of its gradient.
  const Shape& shape() const noexcept { return shape_; }

  /// True if a gradient is wanted here.
  bool requires_grad() const noexcept { return leaf_.defined() || node_; }

 private:
  friend class Var;
  friend class Tape;

  Shape shape_;
  Tensor leaf_;              // leaf: its gradient
  detail::NodeHandle node_;  // result of an operation: that operation
};

/// A value in a differentiable computation: a constant, a leaf whose gradient is wanted, or the result of a
/// recorded operation. A cheap handle: copies refer to the same value.
class Var {
 public:
  Var() = default;

  /// A constant: no gradient flows into it.
  Var(Tensor value) : value_(std::move(value)) {
    edge_.shape_ = value_.shape();
  }  // NOLINT: tensors are values

  /// A leaf: `backward` adds its gradient to `grad`. Throws ShapeError if the shapes differ.
  [[nodiscard]] static Var leaf(Tensor value, Tensor grad) {
    check<ShapeError>(grad.shape() == value.shape(), "leaf: gradient has shape ", grad.shape(), ", expected ",
                      value.shape());
    Var x(std::move(value));
    x.edge_.leaf_ = std::move(grad);
    return x;
  }

  const Tensor& value() const noexcept { return value_; }
  const Shape& shape() const noexcept { return value_.shape(); }
  bool defined() const noexcept { return value_.defined(); }
  int rank() const noexcept { return value_.rank(); }
  std::int64_t size(int axis) const { return value_.size(axis); }
  std::int64_t numel() const { return value_.numel(); }
  const float* data() const noexcept { return value_.data(); }

  /// The only element. Throws ShapeError if there is not exactly one.
  float item() const { return value_.item(); }

  /// True if `backward` passes a gradient to or through this value.
  bool requires_grad() const noexcept { return edge_.requires_grad(); }

  /// Where its gradient goes.
  const Edge& edge() const noexcept { return edge_; }

  /// The gradient summed up so far. Throws Error unless this is a leaf.
  const Tensor& grad() const {
    check(edge_.leaf_.defined(),
          "grad: only leaves (made by `variable` or from a parameter with a gradient) keep a gradient");
    return edge_.leaf_;
  }

  /// The same value as a constant.
  [[nodiscard]] Var detach() const { return Var(value_); }

 private:
  friend class Tape;

  Tensor value_;
  Edge edge_;
};

/// A leaf with a gradient of its own, 0 at first: `x.grad()` is filled by `backward`. Also under `NoGrad`,
/// where what is computed from it is not recorded.
[[nodiscard]] inline Var variable(Tensor value) {
  Tensor grad = Tensor::zeros(value.shape());
  return Var::leaf(std::move(value), std::move(grad));
}

}  // namespace minivit::inline MINIVIT_ABI
