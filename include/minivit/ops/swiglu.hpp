// The gate of SwiGLU (N. Shazeer, arXiv:2002.05202).
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y (..., H) = silu(a) · b for x (..., 2H) = [a, b], with silu(a) = a / (1 + exp(-a)). Throws ShapeError for
/// an odd number of columns.
[[nodiscard]] Var swiglu(const Var& x);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/math.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Var swiglu(const Var& x) {
  using kernels::Vec;
  detail::check_defined("swiglu", "x", x);
  check<ShapeError>(x.rank() >= 1 && x.size(-1) % 2 == 0, "swiglu: x is ", x.shape(),
                    ", expected an even number of columns");
  const std::int64_t H = x.size(-1) / 2, rows = H > 0 ? x.numel() / (2 * H) : 0;
  Tensor y = Tensor::empty(x.shape().with(-1, H));
  parallel_for(rows, grain_for(8 * H), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* const a = x.data() + 2 * i * H;
      kernels::map(
          H, y.data() + i * H, [](Vec ai, Vec bi) { return ai * kernels::logistic(ai) * bi; }, a, a + H);
    }
  });
  return Tape::local().record(std::move(y), {&x}, [x, H, rows](Tape& tape, const Tensor& dy) {
    Tensor dx = Tensor::empty(x.shape());
    parallel_for(rows, grain_for(16 * H), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float *a = x.data() + 2 * i * H, *d = dy.data() + i * H;
        float* const out = dx.data() + 2 * i * H;
        kernels::map(
            H, out,
            [](Vec di, Vec ai, Vec bi) {
              const Vec s = kernels::logistic(ai);
              return di * bi * s * (1.0f + ai * (1.0f - s));
            },
            d, a, a + H);
        kernels::map(
            H, out + H, [](Vec di, Vec ai) { return di * ai * kernels::logistic(ai); }, d, a);
      }
    });
    tape.pass(x.edge(), dx);
  });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
