// y = x Wᵀ + b                                    x: (..., C)   W: (N, C)   b: (N)   y: (..., N)
#pragma once

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/kernels/reduce.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y (..., N) = x (..., C) · weightᵀ + bias, for weight (N, C) and bias (N); an empty `bias` (`Var{}`) means
/// none. Throws ShapeError if the shapes do not fit.
inline Var linear(const Var& x, const Var& weight, const Var& bias = {}) {
  check<ShapeError>(x.rank() >= 1, "linear: x is ", x.shape(), ", expected (..., C)");
  const std::int64_t C = x.size(-1);
  check<ShapeError>(weight.rank() == 2 && weight.size(1) == C, "linear: weight is ", weight.shape(),
                    ", expected (*, ", C, ") to match x ", x.shape());
  const std::int64_t N = weight.size(0), rows = C == 0 ? x.shape().with(-1, 1).numel() : x.numel() / C;
  const bool has_bias = bias.value().defined();
  check<ShapeError>(!has_bias || bias.shape() == Shape{N}, "linear: bias is ", bias.shape(), ", expected (",
                    N, ") to match weight ", weight.shape());

  Tensor y = Tensor::empty(x.shape().with(-1, N));
  gemm(rows, N, C, MatrixView::rows(x.data(), C), MatrixView::rows(weight.data(), C).transposed(), y.data(),
       N, {.bias = has_bias ? bias.data() : nullptr});

  return Tape::local().record(std::move(y), {&x, &weight, &bias},
                              [x, weight, bias = bias.edge(), rows, C, N](Tape& tape, const Tensor& dy) {
                                if (const Sink dx = tape.sink(x))  // dx = dy W
                                  gemm(rows, C, N, MatrixView::rows(dy.data(), N),
                                       MatrixView::rows(weight.data(), C), dx.data, C, {.add = dx.add});
                                if (const Sink dw = tape.sink(weight))  // dW = dyᵀ x
                                  gemm(N, C, rows, MatrixView::rows(dy.data(), N).transposed(),
                                       MatrixView::rows(x.data(), C), dw.data, C, {.add = dw.add});
                                if (const Sink db = tape.sink(bias))  // db = Σ rows of dy
                                  column_sums(rows, N, dy.data(), db.data, db.add);
                              });
}

}  // namespace minivit::inline MINIVIT_ABI
