// y = (x - mean) * rstd * gamma + beta            x, y: (..., C)   gamma, beta: (C)
//
// with mean = Σ x / C and rstd = 1 / √(Σ (x - mean)² / C + eps) of each row (J. Ba et al., arXiv:1607.06450).
#pragma once

#include <cmath>
#include <tuple>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/reduce.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Σ f(c) over the row, f giving the n ≤ kLanes values from element c on with zeros behind them.
template <class F>
float sum_row(std::int64_t C, const F& f) {
  Vec total{};
  for (std::int64_t c = 0; c < C; c += kLanes) total += f(c, std::min<std::int64_t>(kLanes, C - c));
  return sum(total);
}

inline Vec load_some(const float* p, std::int64_t n) { return n == kLanes ? load(p) : load_partial(p, n); }

/// One row. Returns its mean and rstd.
inline std::pair<float, float> layer_norm_forward(std::int64_t C, const float* x, const float* gamma,
                                                  const float* beta, float eps, float* y) {
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
  const float rstd = 1.0f / std::sqrt(variance + eps);
  map(
      C, y, [=](Vec v, Vec g, Vec b) { return (v - mean) * rstd * g + b; }, x, gamma, beta);
  return {mean, rstd};
}

/// One row. With x̂ = (x - mean) rstd and g = dy gamma:
///   dx = rstd (g - Σ g / C - x̂ Σ (g x̂) / C)
/// The two sums are what mean and rstd, which depend on x too, take away.
inline void layer_norm_backward(std::int64_t C, const float* x, const float* gamma, float mean, float rstd,
                                const float* dy, float* dx, bool add) {
  const float sum_g = sum_row(
      C, [&](std::int64_t c, std::int64_t n) { return load_some(dy + c, n) * load_some(gamma + c, n); });
  const float sum_gx = sum_row(C, [&](std::int64_t c, std::int64_t n) {
    return load_some(dy + c, n) * load_some(gamma + c, n) * ((load_some(x + c, n) - mean) * rstd);
  });
  const float a = sum_g / static_cast<float>(C), b = sum_gx / static_cast<float>(C);
  Sink{dx, add}.write(
      0, C, [=](Vec g, Vec w, Vec v) { return rstd * (g * w - a - (v - mean) * rstd * b); }, dy, gamma, x);
}

}  // namespace detail

/// Normalises the last axis: y = (x - mean) / √(variance + eps) · gamma + beta, x (..., C), gamma and beta
/// (C). Throws ShapeError if the shapes do not fit.
inline Var layer_norm(const Var& x, const Var& gamma, const Var& beta, float eps = 1e-6f) {
  check<ShapeError>(x.rank() >= 1, "layer_norm: x is ", x.shape(), ", expected (..., C)");
  const std::int64_t C = x.size(-1), rows = C ? x.numel() / C : 0;
  check<ShapeError>(gamma.shape() == Shape{C}, "layer_norm: gamma is ", gamma.shape(), ", expected (", C,
                    ") to match x ", x.shape());
  check<ShapeError>(beta.shape() == Shape{C}, "layer_norm: beta is ", beta.shape(), ", expected (", C,
                    ") to match x ", x.shape());

  Tensor y = Tensor::empty(x.shape()), statistics = Tensor::empty({rows, 2});  // mean and rstd of each row
  parallel_for(rows, grain_for(4 * C), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      std::tie(statistics(i, 0), statistics(i, 1)) =
          detail::layer_norm_forward(C, x.data() + i * C, gamma.data(), beta.data(), eps, y.data() + i * C);
  });

  return Tape::local().record(
      std::move(y), {&x, &gamma, &beta},
      [x, gamma, beta = beta.edge(), statistics, rows, C](Tape& tape, const Tensor& dy) {
        if (const Sink dx = tape.sink(x))
          parallel_for(rows, grain_for(6 * C), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i)
              detail::layer_norm_backward(C, x.data() + i * C, gamma.data(), statistics(i, 0),
                                          statistics(i, 1), dy.data() + i * C, dx.data + i * C, dx.add);
          });
        if (const Sink dgamma = tape.sink(gamma))  // Σ dy x̂ over the rows
          column_sums(rows, C, dgamma.data, dgamma.add, [&](std::int64_t i, std::int64_t c, std::int64_t n) {
            const Vec normalised =
                (detail::load_some(x.data() + i * C + c, n) - statistics(i, 0)) * statistics(i, 1);
            return detail::load_some(dy.data() + i * C + c, n) * normalised;
          });
        if (const Sink dbeta = tape.sink(beta))  // Σ dy over the rows
          column_sums(rows, C, dy.data(), dbeta.data, dbeta.add);
      });
}

}  // namespace minivit::inline MINIVIT_ABI
