// The end of a residual branch: its scale (LayerScale), its chance to be left out (drop path), and the sum.
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = x + drop_path(gamma · branch, p), as `drop_path` and LayerScale (H. Touvron et al., arXiv:2103.17239)
/// say, in one pass. x, branch: (B, ..., C); gamma: (C), or empty (`Var{}`) for 1. Throws ShapeError if the
/// shapes do not fit, ConfigError unless p is in [0, 1).
[[nodiscard]] Var residual(const Var& x, const Var& branch, const Var& gamma, float p);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/random.hpp"
#include "minivit/kernels/reduce.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Var residual(const Var& x, const Var& branch, const Var& gamma, float p) {
  using kernels::load, kernels::load_partial, kernels::Vec;
  detail::check_defined("residual", "x", x);
  detail::check_defined("residual", "branch", branch);
  check<ConfigError>(p >= 0.0f && p < 1.0f, "residual: p is ", p, ", expected 0 ≤ p < 1");
  check<ShapeError>(x.rank() >= 2, "residual: x is ", x.shape(), ", expected (B, ..., C)");
  check<ShapeError>(x.shape() == branch.shape(), "residual: branch is ", branch.shape(), ", expected ",
                    x.shape(), " to match x");
  const std::int64_t C = x.size(-1), B = x.size(0);
  check<ShapeError>(!gamma.value().defined() || gamma.shape() == Shape{C}, "residual: gamma is ",
                    gamma.shape(), ", expected (", C, ") to match x ", x.shape());
  Tensor scale = Tensor::full({B}, 1.0f);  // of each sample: 0 or 1 / (1 - p)
  const bool drops = is_training() && p > 0.0f && x.numel() > 0;
  if (drops)
    kernels::dropout_apply(Generator::local().stream(Generator::Purpose::dropout), 0, B, p, scale.data(),
                           scale.data());
  const std::int64_t rows = C > 0 ? x.numel() / C : 0, each = B > 0 ? rows / B : 0;

  // f(row, its scale) for every row.
  const auto for_rows = [rows, each, C, scale](const auto& f) {
    parallel_for(rows, grain_for(3 * C), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) f(i * C, scale.data()[i / each]);
    });
  };
  Tensor y = Tensor::empty(x.shape());
  for_rows([&](std::int64_t at, float s) {
    const Sink out{y.data(), false};
    const float *a = x.data() + at, *v = branch.data() + at;
    if (gamma.value().defined())
      out.write(
          at, C, [s](Vec xi, Vec vi, Vec g) { return xi + vi * g * s; }, a, v, gamma.data());
    else
      out.write(
          at, C, [s](Vec xi, Vec vi) { return xi + vi * s; }, a, v);
  });
  const Var kept = gamma.requires_grad() ? branch : Var();  // only gamma's gradient needs its value
  return Tape::local().record(
      std::move(y), {&x, &branch, &gamma},
      [x = x.edge(), branch = branch.edge(), kept, gamma, drops, scale, for_rows, rows, each, C](
          Tape& tape, const Tensor& dy) {
        tape.pass(x, dy);
        if (!drops && !gamma.value().defined()) return tape.pass(branch, dy);  // a plain sum copies nothing
        if (const Sink dv = tape.sink(branch))
          for_rows([&](std::int64_t at, float s) {
            if (gamma.value().defined())
              dv.write(
                  at, C, [s](Vec d, Vec g) { return d * g * s; }, dy.data() + at, gamma.data());
            else
              dv.write(
                  at, C, [s](Vec d) { return d * s; }, dy.data() + at);
          });
        if (!gamma.requires_grad()) return;
        const Sink dg = tape.sink(gamma);
        kernels::column_sums(rows, C, dg.data, dg.add, [&](std::int64_t i, std::int64_t j, std::int64_t n) {
          const float *d = dy.data() + i * C + j, *v = kept.data() + i * C + j;
          const Vec product =
              n == kernels::kLanes ? load(d) * load(v) : load_partial(d, n) * load_partial(v, n);
          return product * scale.data()[i / each];
        });
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
