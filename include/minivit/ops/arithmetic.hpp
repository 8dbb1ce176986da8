// add, sub, mul, div of two tensors, with NumPy's broadcasting: shapes are aligned at their ends, and an axis
// that is missing or 1 is repeated.
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The shape that `a` and `b` are both repeated to. Throws ShapeError in the name of `op` if there is none.
[[nodiscard]] Shape broadcast_shape(const char* op, const Shape& a, const Shape& b);

/// y = a + b, broadcast. Throws ShapeError if the shapes do not fit.
[[nodiscard]] Var add(const Var& a, const Var& b);

/// y = a - b, broadcast. Throws ShapeError if the shapes do not fit.
[[nodiscard]] Var sub(const Var& a, const Var& b);

/// y = a · b element by element, broadcast. Throws ShapeError if the shapes do not fit.
[[nodiscard]] Var mul(const Var& a, const Var& b);

/// y = a / b element by element, broadcast. Throws ShapeError if the shapes do not fit.
[[nodiscard]] Var div(const Var& a, const Var& b);

[[nodiscard]] inline Var operator+(const Var& a, const Var& b) { return add(a, b); }
[[nodiscard]] inline Var operator-(const Var& a, const Var& b) { return sub(a, b); }
[[nodiscard]] inline Var operator*(const Var& a, const Var& b) { return mul(a, b); }
[[nodiscard]] inline Var operator/(const Var& a, const Var& b) { return div(a, b); }
[[nodiscard]] inline Var operator+(const Var& a, float b) { return add(a, Tensor::scalar(b)); }
[[nodiscard]] inline Var operator-(const Var& a, float b) { return sub(a, Tensor::scalar(b)); }
[[nodiscard]] inline Var operator*(const Var& a, float b) { return mul(a, Tensor::scalar(b)); }
[[nodiscard]] inline Var operator/(const Var& a, float b) { return div(a, Tensor::scalar(b)); }
[[nodiscard]] inline Var operator+(float a, const Var& b) { return add(Tensor::scalar(a), b); }
[[nodiscard]] inline Var operator-(float a, const Var& b) { return sub(Tensor::scalar(a), b); }
[[nodiscard]] inline Var operator*(float a, const Var& b) { return mul(Tensor::scalar(a), b); }
[[nodiscard]] inline Var operator/(float a, const Var& b) { return div(Tensor::scalar(a), b); }

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <array>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/reduce.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  Shape out;
  const int rank = std::max(a.rank(), b.rank());
  for (int i = rank; i > 0; --i) {  // axes counted from the end
    const std::int64_t m = i <= a.rank() ? a[-i] : 1, n = i <= b.rank() ? b[-i] : 1;
    check<ShapeError>(m == n || m == 1 || n == 1, op, ": shapes ", a, " and ", b, " do not broadcast: axis ",
                      -i, " is ", m, " and ", n, ", expected equal or 1");
    out.push_back(m == 1 ? n : m);
  }
  return out;
}

namespace detail {

using kernels::kLanes, kernels::Vec;

/// How two operands are walked through together: as few axes as possible, the last one the longest run in
/// which each operand either moves element by element or stays.
struct Broadcast {
  int rank = 0;
  std::array<std::int64_t, Shape::kMaxRank> extent{}, a_stride{}, b_stride{};

  Broadcast(const Shape& out, const Shape& a, const Shape& b) {
    std::int64_t a_step = 1, b_step = 1;
    // From the last axis outwards; an axis along which both behave as along the one before it is merged with
    // that.
    std::array<std::int64_t, Shape::kMaxRank> n{}, sa{}, sb{};
    for (int i = 1; i <= out.rank(); ++i) {
      const std::int64_t extent_a = i <= a.rank() ? a[-i] : 1, extent_b = i <= b.rank() ? b[-i] : 1;
      if (out[-i] == 1) continue;
      const std::int64_t stride_a = extent_a == 1 ? 0 : a_step, stride_b = extent_b == 1 ? 0 : b_step;
      a_step *= extent_a;
      b_step *= extent_b;
      const auto last = static_cast<std::size_t>(rank - 1);
      if (rank > 0 && stride_a == sa[last] * n[last] && stride_b == sb[last] * n[last]) {
        n[last] *= out[-i];
        continue;
      }
      const auto r = static_cast<std::size_t>(rank++);
      n[r] = out[-i], sa[r] = stride_a, sb[r] = stride_b;
    }
    if (rank == 0) rank = 1, n[0] = 1;
    for (int i = 0; i < rank; ++i) {
      const auto to = static_cast<std::size_t>(i), from = static_cast<std::size_t>(rank - 1 - i);
      extent[to] = n[from], a_stride[to] = sa[from], b_stride[to] = sb[from];
    }
  }

  /// Calls f(position in the output, in a, in b) for the start of each row in [begin, end).
  template <class F>
  void rows(std::int64_t begin, std::int64_t end, const F& f) const {
    for (std::int64_t row = begin; row < end; ++row) {
      std::int64_t rest = row, pa = 0, pb = 0;
      for (int i = rank - 2; i >= 0; --i) {
        const auto axis = static_cast<std::size_t>(i);
        const std::int64_t index = rest % extent[axis];
        rest /= extent[axis];
        pa += index * a_stride[axis];
        pb += index * b_stride[axis];
      }
      f(row * columns(), pa, pb);
    }
  }

  std::int64_t columns() const { return extent[static_cast<std::size_t>(rank - 1)]; }
};

/// y[i] (+)= f(a[i], b[i]) for i in [0, n): the part of a broadcast operation that depends on f.
using PairKernel = void (*)(std::int64_t n, Sink y, const float* a, const float* b);

/// The kernel of `f`, a lambda without captures that takes and returns Vec.
template <class F>
constexpr PairKernel pairwise(F) {
  return [](std::int64_t n, Sink y, const float* a, const float* b) { y.write(0, n, F{}, a, b); };
}

inline constexpr PairKernel kSum = pairwise([](Vec u, Vec v) { return u + v; });
inline constexpr PairKernel kDifference = pairwise([](Vec u, Vec v) { return u - v; });
inline constexpr PairKernel kProduct = pairwise([](Vec u, Vec v) { return u * v; });
inline constexpr PairKernel kQuotient = pairwise([](Vec u, Vec v) { return u / v; });

/// out[i] (+)= f(a[i], b[i]), with a and b broadcast to the shape `out` has.
inline void broadcast_map(const Shape& out_shape, Sink out, const Tensor& a, const Tensor& b, PairKernel f) {
  // An operand that stays is written out this often, so that kernels need not know.
  constexpr std::int64_t kRepeats = 512;
  static_assert(kRepeats % kLanes == 0);
  const Broadcast walk(out_shape, a.shape(), b.shape());
  const std::int64_t n = walk.columns();
  const auto last = static_cast<std::size_t>(walk.rank - 1);
  const bool a_moves = walk.a_stride[last] != 0, b_moves = walk.b_stride[last] != 0;
  parallel_for(out_shape.numel(), grain_for(4), [&](std::int64_t begin, std::int64_t end) {
    float a_repeated[kRepeats], b_repeated[kRepeats];
    const auto run_of = [](bool moves, const float* x, std::int64_t column, std::int64_t count,
                           float* repeated) {
      if (moves) return x + column;
      for (std::int64_t i = 0; i < count; i += kLanes) kernels::store(repeated + i, kernels::broadcast(*x));
      return static_cast<const float*>(repeated);
    };
    while (begin < end) {  // a run within one row at a time
      const std::int64_t column = begin % n;
      std::int64_t count = std::min(n - column, end - begin);
      if (!a_moves || !b_moves) count = std::min(count, kRepeats);
      walk.rows(begin / n, begin / n + 1, [&](std::int64_t, std::int64_t pa, std::int64_t pb) {
        f(count, {out.data + begin, out.add}, run_of(a_moves, a.data() + pa, column, count, a_repeated),
          run_of(b_moves, b.data() + pb, column, count, b_repeated));
      });
      begin += count;
    }
  });
}

/// out (+)= the elements of `x` summed over the axes along which `shape` was repeated.
inline void sum_to(const Shape& shape, Sink out, const Tensor& x) {
  if (x.numel() == 0) return out.start_from_zero(shape.numel());
  // One run of repeated axes after the other, from the end; the rest of the shape keeps its place.
  int i = 1;
  std::int64_t inner = 1;
  const int rank = x.rank();
  const auto repeated = [&](int axis) {
    return (axis > shape.rank() || shape[-axis] == 1) && x.size(-axis) != 1;
  };
  Tensor current = x;
  while (i <= rank) {
    if (!repeated(i)) {
      inner *= x.size(-i++);
      continue;
    }
    std::int64_t n = 1;
    while (i <= rank && (repeated(i) || x.size(-i) == 1)) n *= x.size(-i++);
    const std::int64_t outer = n * inner == 0 ? 0 : current.numel() / (n * inner);
    Tensor next = Tensor::empty({outer, inner});
    kernels::sum_middle(outer, n, inner, current.data(), next.data(), false);
    current = next;
  }
  out.write_all(
      shape.numel(), [](Vec v) { return v; }, current.data());
}

/// The gradient of one operand: f(dy, other) summed to the operand's shape.
inline void broadcast_gradient(Tape& tape, const Edge& x, const Tensor& dy, const Tensor& other,
                               PairKernel f) {
  const Sink dx = tape.sink(x);
  if (!dx) return;
  if (x.shape() == dy.shape()) return broadcast_map(dy.shape(), dx, dy, other, f);
  Tensor full = Tensor::empty(dy.shape());
  broadcast_map(dy.shape(), {full.data(), false}, dy, other, f);
  sum_to(x.shape(), dx, full);
}

/// The same where the gradient is `factor` times dy: operand values need not be kept.
inline void broadcast_gradient(Tape& tape, const Edge& x, const Tensor& dy, float factor) {
  if (x.shape() == dy.shape()) {
    if (factor == 1.0f) return tape.pass(x, dy);
    if (const Sink dx = tape.sink(x))
      dx.write_all(
          dy.numel(), [factor](Vec g) { return factor * g; }, dy.data());
  } else if (const Sink dx = tape.sink(x)) {
    if (factor == 1.0f) return sum_to(x.shape(), dx, dy);
    Tensor scaled = Tensor::empty(dy.shape());
    Sink{scaled.data(), false}.write_all(
        dy.numel(), [factor](Vec g) { return factor * g; }, dy.data());
    sum_to(x.shape(), dx, scaled);
  }
}

inline Tensor broadcast_forward(const char* op, const Var& a, const Var& b, PairKernel f) {
  check_defined(op, "a", a);
  check_defined(op, "b", b);
  Tensor y = Tensor::empty(broadcast_shape(op, a.shape(), b.shape()));
  broadcast_map(y.shape(), {y.data(), false}, a.value(), b.value(), f);
  return y;
}

}  // namespace detail

MINIVIT_INLINE Var add(const Var& a, const Var& b) {
  Tensor y = detail::broadcast_forward("add", a, b, detail::kSum);
  return Tape::local().record(std::move(y), {&a, &b},
                              [a = a.edge(), b = b.edge()](Tape& tape, const Tensor& dy) {
                                detail::broadcast_gradient(tape, a, dy, 1.0f);
                                detail::broadcast_gradient(tape, b, dy, 1.0f);
                              });
}

MINIVIT_INLINE Var sub(const Var& a, const Var& b) {
  Tensor y = detail::broadcast_forward("sub", a, b, detail::kDifference);
  return Tape::local().record(std::move(y), {&a, &b},
                              [a = a.edge(), b = b.edge()](Tape& tape, const Tensor& dy) {
                                detail::broadcast_gradient(tape, a, dy, 1.0f);
                                detail::broadcast_gradient(tape, b, dy, -1.0f);
                              });
}

MINIVIT_INLINE Var mul(const Var& a, const Var& b) {
  Tensor y = detail::broadcast_forward("mul", a, b, detail::kProduct);
  return Tape::local().record(std::move(y), {&a, &b}, [a, b](Tape& tape, const Tensor& dy) {
    detail::broadcast_gradient(tape, a.edge(), dy, b.value(), detail::kProduct);
    detail::broadcast_gradient(tape, b.edge(), dy, a.value(), detail::kProduct);
  });
}

MINIVIT_INLINE Var div(const Var& a, const Var& b) {
  using kernels::Vec;
  Tensor y = detail::broadcast_forward("div", a, b, detail::kQuotient);
  return Tape::local().record(std::move(y), {&a, &b}, [a, b](Tape& tape, const Tensor& dy) {
    detail::broadcast_gradient(tape, a.edge(), dy, b.value(), detail::kQuotient);
    if (!b.requires_grad()) return;
    // db = -(dy / b) y: of x / x the two gradients then cancel exactly.
    Tensor da = Tensor::empty(dy.shape()), minus_y = Tensor::empty(dy.shape());
    detail::broadcast_map(dy.shape(), {da.data(), false}, dy, b.value(), detail::kQuotient);
    detail::broadcast_map(dy.shape(), {minus_y.data(), false}, a.value(), b.value(),
                          detail::pairwise([](Vec u, Vec v) { return -u / v; }));
    detail::broadcast_gradient(tape, b.edge(), da, minus_y, detail::kProduct);
  });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
