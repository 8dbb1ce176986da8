// Rearrangements of elements: reshape, permute, transpose, slice_axis, concat.
#pragma once

#include <initializer_list>
#include <span>

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The same elements under another shape; one extent may be -1 and is then computed. Copies nothing. Throws
/// ShapeError if the numbers of elements differ.
[[nodiscard]] Var reshape(const Var& x, const Shape& shape);
[[nodiscard]] Var reshape(const Var& x, std::initializer_list<std::int64_t> extents);

/// Axis i of the result is axis `order[i]` of x. Throws ShapeError unless `order` names every axis once.
[[nodiscard]] Var permute(const Var& x, std::span<const int> order);
[[nodiscard]] Var permute(const Var& x, std::initializer_list<int> order);

/// x with two axes swapped; by default the last two. Throws ShapeError if there is no such axis.
[[nodiscard]] Var transpose(const Var& x, int axis_a = -2, int axis_b = -1);

/// Entries [begin, end) of one axis; negative values count from the end. Throws ShapeError if they are out of
/// range.
[[nodiscard]] Var slice_axis(const Var& x, int axis, std::int64_t begin, std::int64_t end);

/// The tensors one behind the other along `axis`; all other extents must be equal. Throws ShapeError
/// otherwise.
[[nodiscard]] Var concat(std::span<const Var> xs, int axis);
[[nodiscard]] Var concat(std::initializer_list<Var> xs, int axis);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <array>
#include <vector>

#include "minivit/autograd/tape.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Var reshape(const Var& x, const Shape& shape) {
  detail::check_defined("reshape", "x", x);
  return Tape::local().record(x.value().reshape(shape), {&x},
                              [x = x.edge()](Tape& tape, const Tensor& dy) { tape.pass(x, dy); });
}

MINIVIT_INLINE Var reshape(const Var& x, std::initializer_list<std::int64_t> extents) {
  detail::check_defined("reshape", "x", x);
  return reshape(x, x.value().reshape(extents).shape());
}

namespace detail {

using kernels::Vec;

/// y with axis i of y being axis order[i] of x.
inline Tensor permuted(const Tensor& x, std::span<const int> order) {
  const int rank = x.rank();
  std::array<std::int64_t, Shape::kMaxRank> stride{}, step{};  // of x's axes; of y's axes, in x
  for (std::int64_t i = rank - 1, s = 1; i >= 0; --i)
    stride[static_cast<std::size_t>(i)] = s, s *= x.shape().begin()[i];
  Shape shape;
  for (int i = 0; i < rank; ++i) {
    const auto from = static_cast<std::size_t>(order[static_cast<std::size_t>(i)]);
    shape.push_back(x.shape().begin()[from]);
    step[static_cast<std::size_t>(i)] = stride[from];
  }
  Tensor y = Tensor::empty(shape);
  if (y.numel() == 0) return y;
  const std::int64_t n = rank > 0 ? shape[-1] : 1,
                     last = rank > 0 ? step[static_cast<std::size_t>(rank - 1)] : 1;
  parallel_for(y.numel() / n, grain_for(2 * n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::int64_t rest = row, from = 0;
      for (int i = rank - 2; i >= 0; --i) {
        from += rest % shape.begin()[i] * step[static_cast<std::size_t>(i)];
        rest /= shape.begin()[i];
      }
      float* to = y.data() + row * n;
      for (std::int64_t j = 0; j < n; ++j) to[j] = x.data()[from + j * last];
    }
  });
  return y;
}

/// Copies rows of `width` floats: `count` of them, from stride to stride. (+)= if `add`.
inline void copy_rows(std::int64_t count, std::int64_t width, const float* from, std::int64_t from_stride,
                      float* to, std::int64_t to_stride, bool add = false) {
  parallel_for(count, grain_for(2 * width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      Sink{to + i * to_stride, add}.write(
          0, width, [](Vec v) { return v; }, from + i * from_stride);
  });
}

/// Product of the extents in front of and behind an axis.
inline std::int64_t extents_before(const Shape& s, int axis) {
  std::int64_t n = 1;
  for (int i = 0; i < axis; ++i) n *= s[i];
  return n;
}
inline std::int64_t extents_after(const Shape& s, int axis) {
  std::int64_t n = 1;
  for (int i = axis + 1; i < s.rank(); ++i) n *= s[i];
  return n;
}

}  // namespace detail

MINIVIT_INLINE Var permute(const Var& x, std::span<const int> order) {
  detail::check_defined("permute", "x", x);
  check<ShapeError>(static_cast<int>(order.size()) == x.rank(), "permute: ", order.size(),
                    " axes given, x is ", x.shape());
  std::array<int, Shape::kMaxRank> forward{}, inverse{};
  std::array<bool, Shape::kMaxRank> seen{};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const int axis = x.shape().axis(order[i]);
    check<ShapeError>(!seen[static_cast<std::size_t>(axis)], "permute: axis ", order[i], " is named twice");
    seen[static_cast<std::size_t>(axis)] = true;
    forward[i] = axis;
    inverse[static_cast<std::size_t>(axis)] = static_cast<int>(i);
  }
  return Tape::local().record(detail::permuted(x.value(), std::span(forward).first(order.size())), {&x},
                              [x = x.edge(), inverse](Tape& tape, const Tensor& dy) {
                                const auto rank = static_cast<std::size_t>(dy.rank());
                                tape.pass(x, detail::permuted(dy, std::span(inverse).first(rank)));
                              });
}

MINIVIT_INLINE Var permute(const Var& x, std::initializer_list<int> order) {
  return permute(x, std::span(order.begin(), order.size()));
}

MINIVIT_INLINE Var transpose(const Var& x, int axis_a, int axis_b) {
  detail::check_defined("transpose", "x", x);
  std::array<int, Shape::kMaxRank> order{};
  for (int i = 0; i < x.rank(); ++i) order[static_cast<std::size_t>(i)] = i;
  std::swap(order[static_cast<std::size_t>(x.shape().axis(axis_a))],
            order[static_cast<std::size_t>(x.shape().axis(axis_b))]);
  return permute(x, std::span<const int>(order).first(static_cast<std::size_t>(x.rank())));
}

MINIVIT_INLINE Var slice_axis(const Var& x, int axis, std::int64_t begin, std::int64_t end) {
  detail::check_defined("slice_axis", "x", x);
  axis = x.shape().axis(axis);
  const std::int64_t n = x.size(axis);
  const std::int64_t first = begin < 0 ? begin + n : begin, last = end < 0 ? end + n : end;
  check<ShapeError>(0 <= first && first <= last && last <= n, "slice_axis: [", begin, ", ", end, ") of axis ",
                    axis, " is out of range for x ", x.shape());
  const std::int64_t outer = detail::extents_before(x.shape(), axis),
                     inner = detail::extents_after(x.shape(), axis);
  const std::int64_t from = first * inner, width = (last - first) * inner, stride = n * inner;
  Tensor y = Tensor::empty(x.shape().with(axis, last - first));
  detail::copy_rows(outer, width, x.data() + from, stride, y.data(), width);
  return Tape::local().record(
      std::move(y), {&x}, [x = x.edge(), outer, from, width, stride](Tape& tape, const Tensor& dy) {
        if (Sink dx = tape.sink(x)) {
          dx.start_from_zero(outer * stride);
          detail::copy_rows(outer, width, dy.data(), width, dx.data + from, stride, true);
        }
      });
}

MINIVIT_INLINE Var concat(std::span<const Var> xs, int axis) {
  check<ShapeError>(!xs.empty(), "concat: no tensors given");
  for (std::size_t i = 0; i < xs.size(); ++i)
    check<ShapeError>(xs[i].value().defined(), "concat: xs[", i, "] is empty, expected a tensor");
  const Shape& model = xs[0].shape();
  axis = model.axis(axis);
  std::int64_t total = 0;
  for (const Var& x : xs) {
    check<ShapeError>(x.rank() == model.rank() && x.shape().with(axis, model[axis]) == model, "concat: x is ",
                      x.shape(), ", expected ", model, " but for axis ", axis);
    total += x.size(axis);
  }
  const std::int64_t outer = detail::extents_before(model, axis), inner = detail::extents_after(model, axis);
  const std::int64_t stride = total * inner;
  Tensor y = Tensor::empty(model.with(axis, total));
  std::int64_t at = 0;
  for (const Var& x : xs) {
    const std::int64_t width = x.size(axis) * inner;
    detail::copy_rows(outer, width, x.data(), width, y.data() + at, stride);
    at += width;
  }
  std::vector<Edge, PoolAllocator<Edge>> edges;
  edges.reserve(xs.size());
  if (grad_enabled())
    for (const Var& x : xs) edges.push_back(x.edge());
  return Tape::local().record(
      std::move(y), xs, [edges = std::move(edges), axis, outer, inner, stride](Tape& tape, const Tensor& dy) {
        std::int64_t from = 0;
        for (const Edge& x : edges) {
          const std::int64_t width = x.shape()[axis] * inner;
          if (const Sink dx = tape.sink(x))
            detail::copy_rows(outer, width, dy.data() + from, stride, dx.data, width, dx.add);
          from += width;
        }
      });
}

MINIVIT_INLINE Var concat(std::initializer_list<Var> xs, int axis) {
  return concat(std::span(xs.begin(), xs.size()), axis);
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
