// y_i = e^x_i / Σ e^x_j  over one axis, and its logarithm.
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Probabilities along `axis`. Any shape of rank ≥ 1; throws ShapeError if there is no such axis.
[[nodiscard]] Var softmax(const Var& x, int axis = -1);

/// Logarithms of the probabilities along `axis`, without computing e^x and its logarithm one after the other.
[[nodiscard]] Var log_softmax(const Var& x, int axis = -1);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cmath>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/reduce.hpp"
#include "minivit/kernels/softmax.hpp"
#include "minivit/ops/defined.hpp"
#include "minivit/ops/rearrange.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::Vec;

inline std::int64_t grain_of_rows(std::int64_t n) { return grain_for(8 * n); }

/// f applied along any axis, given f along the last one.
template <class F>
Var along_axis(const char* op, const Var& x, int axis, const F& f) {
  check_defined(op, "x", x);
  axis = x.shape().axis(axis);
  if (axis == x.rank() - 1) return f(x);
  return transpose(f(transpose(x, axis, -1)), axis, -1);
}

inline Var softmax_last(const Var& x) {
  const std::int64_t n = x.size(-1), rows = n ? x.numel() / n : 0;
  Tensor y = Tensor::empty(x.shape());
  parallel_for(rows, grain_of_rows(n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) kernels::softmax_row(n, x.data() + i * n, y.data() + i * n);
  });
  return Tape::local().record(y, {&x}, [x = x.edge(), y, n, rows](Tape& tape, const Tensor& dy) {
    if (const Sink dx = tape.sink(x))
      parallel_for(rows, grain_of_rows(n), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i)
          kernels::softmax_row_backward(n, y.data() + i * n, dy.data() + i * n, dx.data + i * n, dx.add);
      });
  });
}

inline Var log_softmax_last(const Var& x) {
  const std::int64_t n = x.size(-1), rows = n ? x.numel() / n : 0;
  Tensor y = Tensor::empty(x.shape());
  parallel_for(rows, grain_of_rows(n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* in = x.data() + i * n;
      float* out = y.data() + i * n;
      const float largest = kernels::row_max(n, in),
                  log_total = std::log(kernels::row_exp(n, in, largest, out));
      // y = x - log Σ e^x, the logarithm in two parts: their sum would round away what a large logit leaves
      kernels::map(
          n, out, [=](Vec v) { return v - largest - log_total; }, in);
    }
  });
  return Tape::local().record(y, {&x}, [x = x.edge(), y, n, rows](Tape& tape, const Tensor& dy) {
    if (const Sink dx = tape.sink(x))
      parallel_for(rows, grain_of_rows(n), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const float total = static_cast<float>(kernels::sum(n, dy.data() + i * n));
          dx.write(
              i * n, n, [total](Vec g, Vec log_p) { return g - kernels::exp(log_p) * total; },
              dy.data() + i * n,
              y.data() + i * n);  // dx = dy - softmax(x) Σ dy
        }
      });
  });
}

}  // namespace detail

MINIVIT_INLINE Var softmax(const Var& x, int axis) {
  return detail::along_axis("softmax", x, axis, detail::softmax_last);
}

MINIVIT_INLINE Var log_softmax(const Var& x, int axis) {
  return detail::along_axis("log_softmax", x, axis, detail::log_softmax_last);
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
