// y = x Wᵀ + b                                    x: (..., C)   W: (N, C)   b: (N)   y: (..., N)
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y (..., N) = x (..., C) · weightᵀ + bias [+ residual], for weight (N, C), bias (N) and residual (..., N);
/// an empty bias or residual (`Var{}`) means none. Throws ShapeError if the shapes do not fit.
[[nodiscard]] Var linear(const Var& x, const Var& weight, const Var& bias = {}, const Var& residual = {});

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <utility>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::MatrixView;

/// The sizes of a linear layer. Throws ShapeError, in the name of `op`, if the shapes do not fit.
struct LinearShape {
  std::int64_t rows, C, N;
  Shape result;

  LinearShape(const char* op, const Var& x, const Var& weight, const Var& bias, const Var& residual) {
    check_defined(op, "x", x);
    check_defined(op, "weight", weight);
    check<ShapeError>(x.rank() >= 1, op, ": x is ", x.shape(), ", expected (..., C)");
    C = x.size(-1);
    check<ShapeError>(weight.rank() == 2 && weight.size(1) == C, op, ": weight is ", weight.shape(),
                      ", expected (*, ", C, ") to match x ", x.shape());
    *this = LinearShape(op, C == 0 ? x.shape().with(-1, 1).numel() : x.numel() / C, C, weight.size(0), bias);
    result = x.shape().with(-1, N);
    check<ShapeError>(!residual.value().defined() || residual.shape() == result, op, ": residual is ",
                      residual.shape(), ", expected ", result, " to match x ", x.shape(), " and weight ",
                      weight.shape());
  }

  /// x and weight are known to fit.
  LinearShape(const char* op, std::int64_t count, std::int64_t inputs, std::int64_t outputs, const Var& bias)
      : rows(count), C(inputs), N(outputs) {
    check<ShapeError>(!bias.value().defined() || bias.shape() == Shape{N}, op, ": bias is ", bias.shape(),
                      ", expected (", N, ") to match weight (", N, ", ", C, ")");
  }
};

/// y = x Wᵀ + b + residual; x (rows, C) may be a function of what is in memory.
inline Tensor linear_forward(const LinearShape& s, const MatrixView& x, const Var& weight, const Var& bias,
                             const Var& residual) {
  Tensor y = Tensor::empty(s.result);
  kernels::gemm(s.rows, s.N, s.C, x, MatrixView::rows(weight.data(), s.C).transposed(), y.data(), s.N,
                {.bias = bias.data(), .plus = residual.data()});
  return y;
}

/// dW = dyᵀ x, and on the way db = Σ rows of dy.
inline void linear_weight_gradients(Tape& tape, const LinearShape& s, const MatrixView& x, const Tensor& dy,
                                    const Edge& weight, const Edge& bias) {
  const MatrixView dy_transposed = MatrixView::rows(dy.data(), s.N).transposed();
  Sink db = tape.sink(bias);
  if (db) db.start_from_zero(s.N);
  const Sink dw = tape.sink(weight);
  if (dw) kernels::gemm(s.N, s.C, s.rows, dy_transposed, x, dw.data, s.C, {.add = dw.add, .sums = db.data});
  if (db && (!dw || s.C == 0)) kernels::add_sums(s.N, s.C, s.rows, dy_transposed, db.data);
}

}  // namespace detail

MINIVIT_INLINE Var linear(const Var& x, const Var& weight, const Var& bias, const Var& residual) {
  using kernels::MatrixView;
  const detail::LinearShape s("linear", x, weight, bias, residual);
  return Tape::local().record(
      detail::linear_forward(s, MatrixView::rows(x.data(), s.C), weight, bias, residual),
      {&x, &weight, &bias, &residual},
      [x, weight, bias = bias.edge(), residual = residual.edge(), s](Tape& tape, const Tensor& dy) {
        if (residual.requires_grad()) tape.pass(residual, dy);
        if (const Sink dx = tape.sink(x))  // dx = dy W
          kernels::gemm(s.rows, s.C, s.N, MatrixView::rows(dy.data(), s.N),
                        MatrixView::rows(weight.data(), s.C), dx.data, s.C, {.add = dx.add});
        detail::linear_weight_gradients(tape, s, MatrixView::rows(x.data(), s.C), dy, weight.edge(), bias);
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
