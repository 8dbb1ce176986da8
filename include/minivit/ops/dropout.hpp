// Dropout of elements, and of whole samples (drop path). Both do nothing outside of a `Training` scope.
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Each element becomes 0 with probability p, the others are multiplied by 1 / (1 - p); x itself outside of a
/// `Training` scope or for p = 0. Any shape; p in [0, 1), else throws ConfigError. The mask comes from the
/// next dropout stream of `Generator::local()` and is not stored but drawn again by the gradient (N.
/// Srivastava et al., JMLR 15, 2014).
[[nodiscard]] Var dropout(const Var& x, float p);

/// Each sample (entry of the first axis) becomes 0 with probability p, the others are multiplied by 1 / (1 -
/// p): for the branch of a residual connection ("stochastic depth", G. Huang et al., arXiv:1603.09382). x
/// itself outside of a `Training` scope or for p = 0. Rank ≥ 1; p in [0, 1), else throws ConfigError.
[[nodiscard]] Var drop_path(const Var& x, float p);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/random.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Var dropout(const Var& x, float p) {
  detail::check_defined("dropout", "x", x);
  check<ConfigError>(p >= 0.0f && p < 1.0f, "dropout: p is ", p, ", expected 0 ≤ p < 1");
  if (!is_training() || p == 0.0f) return x;
  constexpr std::int64_t kGrain = 4096;  // a multiple of 4, as the masks need
  const Rng stream = Generator::local().stream(Generator::Purpose::dropout);
  Tensor y = Tensor::empty(x.shape());
  parallel_for(x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels::dropout_apply(stream, begin, end - begin, p, x.data() + begin, y.data() + begin);
  });
  return Tape::local().record(std::move(y), {&x}, [x = x.edge(), stream, p](Tape& tape, const Tensor& dy) {
    if (const Sink dx = tape.sink(x))
      parallel_for(dy.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        kernels::dropout_apply(stream, begin, end - begin, p, dy.data() + begin, dx.data + begin, dx.add);
      });
  });
}

MINIVIT_INLINE Var drop_path(const Var& x, float p) {
  using kernels::Vec;
  detail::check_defined("drop_path", "x", x);
  check<ConfigError>(p >= 0.0f && p < 1.0f, "drop_path: p is ", p, ", expected 0 ≤ p < 1");
  check<ShapeError>(x.rank() >= 1, "drop_path: x is ", x.shape(), ", expected (B, ...)");
  if (!is_training() || p == 0.0f || x.numel() == 0) return x;
  const std::int64_t B = x.size(0), n = x.numel() / B;
  Tensor scale = Tensor::full({B}, 1.0f);  // of each sample: 0 or 1 / (1 - p)
  kernels::dropout_apply(Generator::local().stream(Generator::Purpose::dropout), 0, B, p, scale.data(),
                         scale.data());
  const auto apply = [B, n, scale](const float* in, Sink out) {
    parallel_for(B, grain_for(2 * n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        out.write(
            i * n, n, [s = scale(i)](Vec v) { return v * s; }, in + i * n);
    });
  };
  Tensor y = Tensor::empty(x.shape());
  apply(x.data(), {y.data(), false});
  return Tape::local().record(std::move(y), {&x}, [x = x.edge(), apply](Tape& tape, const Tensor& dy) {
    if (const Sink dx = tape.sink(x)) apply(dy.data(), dx);
  });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
