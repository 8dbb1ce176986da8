// y = (x - mean) * rstd * gamma + beta            x, y: (..., C)   gamma, beta: (C)
//
// with mean = Σ x / C and rstd = 1 / √(Σ (x - mean)² / C + eps) of each row (J. Ba et al., arXiv:1607.06450).
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Normalizes the last axis: y = (x - mean) / √(variance + eps) · gamma + beta, x (..., C), gamma and beta
/// (C). Throws ShapeError if the shapes do not fit.
[[nodiscard]] Var layer_norm(const Var& x, const Var& gamma, const Var& beta, float eps = 1e-6f);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cmath>
#include <tuple>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/reduce.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::kLanes, kernels::load, kernels::load_partial, kernels::load_some, kernels::store, kernels::Vec;

/// Σ f(c) over the row, f giving the n ≤ kLanes values from element c on with zeros behind them.
template <class F>
float sum_row(std::int64_t C, const F& f) {
  Vec total{};
  for (std::int64_t c = 0; c < C; c += kLanes) total += f(c, std::min<std::int64_t>(kLanes, C - c));
  return kernels::sum(total);
}

/// Throws ShapeError, in the name of `op`, if the shapes do not fit.
inline void check_layer_norm(const char* op, const Var& x, const Var& gamma, const Var& beta) {
  check_defined(op, "x", x);
  check_defined(op, "gamma", gamma);
  check_defined(op, "beta", beta);
  check<ShapeError>(x.rank() >= 1, op, ": x is ", x.shape(), ", expected (..., C)");
  const std::int64_t C = x.size(-1);
  check<ShapeError>(gamma.shape() == Shape{C}, op, ": gamma is ", gamma.shape(), ", expected (", C,
                    ") to match x ", x.shape());
  check<ShapeError>(beta.shape() == Shape{C}, op, ": beta is ", beta.shape(), ", expected (", C,
                    ") to match x ", x.shape());
}

/// Mean and rstd of one row.
inline std::pair<float, float> row_statistics(std::int64_t C, const float* x, float eps) {
  // Sums of differences from the first element: a row far from 0 keeps its digits.
  const float first = x[0];
  const float mean = first + sum_row(C, [&](std::int64_t c, std::int64_t n) {
                               return (n == kLanes ? load(x + c) : load_partial(x + c, n, first)) - first;
                             }) / static_cast<float>(C);
  // Around the mean, in a second pass over a row that is in L1: E[x²] - E[x]² would cancel.
  const float variance = sum_row(C,
                                 [&](std::int64_t c, std::int64_t n) {
                                   const Vec d =
                                       (n == kLanes ? load(x + c) : load_partial(x + c, n, mean)) - mean;
                                   return d * d;
                                 }) /
                         static_cast<float>(C);
  return {mean, 1.0f / std::sqrt(variance + eps)};
}

/// Mean and rstd of each row: (rows, 2).
inline Tensor row_statistics(std::int64_t rows, std::int64_t C, const float* x, float eps) {
  Tensor statistics = Tensor::empty({rows, 2});
  parallel_for(rows, grain_for(2 * C), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      std::tie(statistics(i, 0), statistics(i, 1)) = row_statistics(C, x + i * C, eps);
  });
  return statistics;
}

/// One row. With x̂ = (x - mean) rstd and g = dy gamma:
///   dx = rstd (g - Σ g / C - x̂ Σ (g x̂) / C),   dgamma += dy x̂,   dbeta += dy
/// The two sums are what mean and rstd, which depend on x too, take away. Without dx it is left out.
inline void layer_norm_backward(std::int64_t C, const float* x, const float* gamma, float mean, float rstd,
                                const float* dy, Sink dx, float* dgamma, float* dbeta) {
  Vec sum_g{}, sum_gx{};
  for (std::int64_t c = 0; c < C; c += kLanes) {
    const std::int64_t n = std::min<std::int64_t>(kLanes, C - c);
    const Vec g = load_some(dy + c, n) * load_some(gamma + c, n);
    sum_g += g;
    sum_gx += g * ((load_some(x + c, n) - mean) * rstd);
  }
  const float a = kernels::sum(sum_g) / static_cast<float>(C),
              b = kernels::sum(sum_gx) / static_cast<float>(C);
  for (std::int64_t c = 0; c < C; c += kLanes) {
    const std::int64_t n = std::min<std::int64_t>(kLanes, C - c);
    const Vec d = load_some(dy + c, n), normalized = (load_some(x + c, n) - mean) * rstd;
    store(dgamma + c, load(dgamma + c) + d * normalized);
    store(dbeta + c, load(dbeta + c) + d);
    if (!dx) continue;
    Vec v = rstd * (d * load_some(gamma + c, n) - a - normalized * b);
    if (dx.add) v += load_some(dx.data + c, n);
    kernels::store_some(dx.data + c, v, n);
  }
}

struct ColumnGradients;

/// The gradients of layer normalization given that of its result, in one pass over the rows. Each group of
/// rows, the same for any number of threads, sums up its part of dgamma and dbeta; the parts are added in
/// order.
inline void layer_norm_gradients(Tape& tape, std::int64_t rows, std::int64_t C, const Var& x,
                                 const Var& gamma, const Edge& beta, const Tensor& statistics,
                                 const Tensor& dy) {
  if (rows == 0) return;
  constexpr std::int64_t kGroup = 32;
  const std::int64_t groups = (rows + kGroup - 1) / kGroup, width = (C + kLanes - 1) / kLanes * kLanes;
  float* const parts = scratch<ColumnGradients>(groups * 2 * width);  // of each group: dgamma, dbeta
  const Sink dx = tape.sink(x);
  parallel_for(rows, kGroup, [&](std::int64_t begin, std::int64_t end) {
    float *const dgamma = parts + begin / kGroup * 2 * width, *const dbeta = dgamma + width;
    std::fill_n(dgamma, 2 * width, 0.0f);
    for (std::int64_t i = begin; i < end; ++i)
      layer_norm_backward(C, x.data() + i * C, gamma.data(), statistics(i, 0), statistics(i, 1),
                          dy.data() + i * C, {dx ? dx.data + i * C : nullptr, dx.add}, dgamma, dbeta);
  });
  const auto total = [&](const Edge& parameter, const float* first) {
    if (const Sink d = tape.sink(parameter))
      kernels::column_sums(groups, C, d.data, d.add, [&](std::int64_t i, std::int64_t c, std::int64_t) {
        return load(first + i * 2 * width + c);
      });
  };
  total(gamma.edge(), parts);
  total(beta, parts + width);
}

}  // namespace detail

MINIVIT_INLINE Var layer_norm(const Var& x, const Var& gamma, const Var& beta, float eps) {
  using kernels::Vec;
  detail::check_layer_norm("layer_norm", x, gamma, beta);
  const std::int64_t C = x.size(-1), rows = C ? x.numel() / C : 0;
  Tensor y = Tensor::empty(x.shape()), statistics = Tensor::empty({rows, 2});
  parallel_for(rows, grain_for(4 * C), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* const row = x.data() + i * C;
      const auto [mean, rstd] = detail::row_statistics(C, row, eps);
      statistics(i, 0) = mean, statistics(i, 1) = rstd;
      kernels::map(
          C, y.data() + i * C, [m = mean, r = rstd](Vec v, Vec g, Vec b) { return (v - m) * r * g + b; }, row,
          gamma.data(), beta.data());
    }
  });
  return Tape::local().record(
      std::move(y), {&x, &gamma, &beta},
      [x, gamma, beta = beta.edge(), statistics, rows, C](Tape& tape, const Tensor& dy) {
        detail::layer_norm_gradients(tape, rows, C, x, gamma, beta, statistics, dy);
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
