// A weight plus a product of two thin matrices (LoRA: E. J. Hu et al., arXiv:2106.09685).
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y (N, C) = weight + scale · b · a, for weight (N, C), b (N, R), a (R, C). Throws ShapeError if the shapes
/// do not fit.
[[nodiscard]] Var low_rank_sum(const Var& weight, const Var& b, const Var& a, float scale);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Var low_rank_sum(const Var& weight, const Var& b, const Var& a, float scale) {
  using kernels::MatrixView;
  detail::check_defined("low_rank_sum", "weight", weight);
  detail::check_defined("low_rank_sum", "b", b);
  detail::check_defined("low_rank_sum", "a", a);
  check<ShapeError>(weight.rank() == 2 && b.rank() == 2 && a.rank() == 2 && b.size(0) == weight.size(0) &&
                        a.size(1) == weight.size(1) && a.size(0) == b.size(1),
                    "low_rank_sum: weight is ", weight.shape(), ", b ", b.shape(), ", a ", a.shape(),
                    ", expected (N, C), (N, R), (R, C)");
  const std::int64_t N = weight.size(0), C = weight.size(1), R = a.size(0);
  Tensor y = Tensor::empty(weight.shape());
  kernels::gemm(N, C, R, MatrixView::rows(b.data(), R), MatrixView::rows(a.data(), C), y.data(), C,
                {.scale = scale, .plus = weight.data()});
  return Tape::local().record(
      std::move(y), {&weight, &b, &a},
      [weight = weight.edge(), b, a, scale, N, C, R](Tape& tape, const Tensor& dy) {
        if (const Sink db = tape.sink(b))
          kernels::gemm(N, R, C, MatrixView::rows(dy.data(), C), MatrixView::rows(a.data(), C).transposed(),
                        db.data, R, {.scale = scale, .add = db.add});
        if (const Sink da = tape.sink(a))
          kernels::gemm(R, C, N, MatrixView::rows(b.data(), R).transposed(), MatrixView::rows(dy.data(), C),
                        da.data, C, {.scale = scale, .add = da.add});
        tape.pass(weight, dy);
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
