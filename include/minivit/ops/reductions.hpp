// Sum, mean and maximum over some axes or all.
#pragma once

#include <initializer_list>

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

using Axes = std::initializer_list<int>;

/// Sum over `axes`, over all if none is named. Reduced axes disappear, or stay as 1 with `keep`. Throws
/// ShapeError for an axis that does not exist or is named twice.
[[nodiscard]] Var sum(const Var& x, Axes axes = {}, bool keep = false);

/// Mean over `axes`, as `sum`. Of no elements it is NaN.
[[nodiscard]] Var mean(const Var& x, Axes axes = {}, bool keep = false);

/// Largest element over `axes`, as `sum`; equal largest elements share the gradient, as in `torch.amax`.
/// Throws ShapeError if there are no elements to choose from.
[[nodiscard]] Var max(const Var& x, Axes axes = {}, bool keep = false);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <array>
#include <limits>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/reduce.hpp"
#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::Vec;

/// What a reduction of `x` over `axes` (none named: all) leaves: with the reduced axes as 1, and without
/// them.
struct Reduced {
  Shape kept, squeezed;
  std::int64_t count = 1;  // elements that become one

  Reduced(const char* op, const Shape& x, Axes axes) {
    std::array<bool, Shape::kMaxRank> reduce{};
    for (const int axis : axes) {
      bool& entry = reduce[static_cast<std::size_t>(x.axis(axis))];
      check<ShapeError>(!entry, op, ": axis ", axis, " is named twice");
      entry = true;
    }
    for (int i = 0; i < x.rank(); ++i) {
      const bool gone = axes.size() == 0 || reduce[static_cast<std::size_t>(i)];
      kept.push_back(gone ? 1 : x[i]);
      if (gone)
        count *= x[i];
      else
        squeezed.push_back(x[i]);
    }
  }
};

/// dx (+)= factor · kept, repeated along the reduced axes.
inline void repeat_into(const Shape& shape, Sink dx, const Tensor& kept, float factor) {
  const Tensor unit = Tensor::scalar(factor);
  broadcast_map(shape, dx, kept, unit, kProduct);
}

inline Var sum_scaled(const char* op, const Var& x, Axes axes, bool keep, bool mean) {
  check_defined(op, "x", x);
  const Reduced to(op, x.shape(), axes);
  const float factor = mean ? 1.0f / static_cast<float>(to.count) : 1.0f;
  Tensor y = Tensor::empty(to.kept);
  sum_to(to.kept, {y.data(), false}, x.value());
  if (mean)
    Sink{y.data(), false}.write_all(
        y.numel(), [factor](Vec v) { return v * factor; }, y.data());
  return Tape::local().record(y.reshape(keep ? to.kept : to.squeezed), {&x},
                              [x = x.edge(), kept = to.kept, factor](Tape& tape, const Tensor& dy) {
                                if (const Sink dx = tape.sink(x))
                                  repeat_into(x.shape(), dx, dy.reshape(kept), factor);
                              });
}

}  // namespace detail

MINIVIT_INLINE Var sum(const Var& x, Axes axes, bool keep) {
  return detail::sum_scaled("sum", x, axes, keep, false);
}

MINIVIT_INLINE Var mean(const Var& x, Axes axes, bool keep) {
  return detail::sum_scaled("mean", x, axes, keep, true);
}

MINIVIT_INLINE Var max(const Var& x, Axes axes, bool keep) {
  using kernels::Vec;
  detail::check_defined("max", "x", x);
  const detail::Reduced to("max", x.shape(), axes);
  check<ShapeError>(to.count > 0, "max: x is ", x.shape(),
                    ", expected at least one element along the reduced axes");
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  Tensor y = Tensor::full(to.kept, kLowest);
  Tensor ties = Tensor::zeros(to.kept);  // how many elements are the largest
  if (x.numel() > 0) {
    // Walks x in order, with y and the count repeated along it; not a hot operation.
    const detail::Broadcast walk(x.shape(), x.shape(), to.kept);
    const auto last = static_cast<std::size_t>(walk.rank - 1);
    walk.rows(0, x.numel() / walk.columns(), [&](std::int64_t, std::int64_t px, std::int64_t py) {
      for (std::int64_t j = 0; j < walk.columns(); ++j) {
        const float v = x.data()[px + j * walk.a_stride[last]];
        float& largest = y.data()[py + j * walk.b_stride[last]];
        float& count = ties.data()[py + j * walk.b_stride[last]];
        if (v > largest || (v != v && largest == largest))
          largest = v, count = 1;
        else if (v == largest)
          ++count;
      }
    });
  }
  return Tape::local().record(
      y.reshape(keep ? to.kept : to.squeezed), {&x},
      [x, y, ties, kept = to.kept](Tape& tape, const Tensor& dy) {
        if (const Sink dx = tape.sink(x)) {
          Tensor share = Tensor::empty(kept);
          Sink{share.data(), false}.write_all(
              share.numel(), [](Vec g, Vec n) { return g / n; }, dy.data(), ties.data());
          Tensor is_largest = Tensor::empty(x.shape());
          detail::broadcast_map(x.shape(), {is_largest.data(), false}, x.value(), y,
                                detail::pairwise([](Vec v, Vec largest) {
                                  return v == largest ? kernels::broadcast(1.0f) : Vec{};
                                }));
          detail::broadcast_map(x.shape(), dx, is_largest, share, detail::kProduct);
        }
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
