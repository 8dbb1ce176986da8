// Queries of each head times a factor of its own: how sharply the head looks.
//
//   qkv: (B, T, 3C)   q | k | v behind each other, each H heads × D   factors: (H)   ->   y: (B, T, 3C)
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = qkv (B, T, 3C) with the queries of head h times factors (H) [h]; keys and values stay. Throws
/// ShapeError if the shapes do not fit.
[[nodiscard]] Var scale_queries(const Var& qkv, const Var& factors);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/reduce.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// out (+)= rows q | k | v of x, C columns each, with q times the factor of its column.
inline void scale_query_columns(std::int64_t rows, std::int64_t C, const float* x, const float* factors,
                                const Sink& out) {
  using kernels::Vec;
  parallel_for(rows, grain_for(6 * C), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin * 3 * C; at < end * 3 * C; at += 3 * C) {
      out.write(
          at, C, [](Vec q, Vec f) { return q * f; }, x + at, factors);
      out.write(
          at + C, 2 * C, [](Vec kv) { return kv; }, x + at + C);
    }
  });
}

}  // namespace detail

MINIVIT_INLINE Var scale_queries(const Var& qkv, const Var& factors) {
  using kernels::load_some;
  detail::check_defined("scale_queries", "qkv", qkv);
  detail::check_defined("scale_queries", "factors", factors);
  check<ShapeError>(factors.rank() == 1, "scale_queries: factors are ", factors.shape(), ", expected (H)");
  const std::int64_t H = factors.size(0);
  check<ShapeError>(qkv.rank() == 3 && H > 0 && H <= qkv.size(2) && qkv.size(2) % (3 * H) == 0,
                    "scale_queries: qkv is ", qkv.shape(), ", expected (B, T, 3C) with C divisible by ", H,
                    " heads");
  const std::int64_t C = qkv.size(2) / 3, D = C / H, rows = qkv.size(0) * qkv.size(1);
  Tensor columns = Tensor::empty({C});  // the factor of each
  for (std::int64_t c = 0; c < C; ++c) columns.data()[c] = factors.data()[c / D];
  Tensor y = Tensor::empty(qkv.shape());
  detail::scale_query_columns(rows, C, qkv.data(), columns.data(), {y.data(), false});
  const Var kept = factors.requires_grad() ? qkv : Var();  // only the factors' gradient needs its value
  return Tape::local().record(
      std::move(y), {&qkv, &factors},
      [qkv = qkv.edge(), factors = factors.edge(), kept, columns, rows, C, D](Tape& tape, const Tensor& dy) {
        if (const Sink dqkv = tape.sink(qkv))
          detail::scale_query_columns(rows, C, dy.data(), columns.data(), dqkv);
        const Sink df = tape.sink(factors);
        if (!df) return;
        Tensor sums = Tensor::empty({C});
        kernels::column_sums(rows, C, sums.data(), false,
                             [&](std::int64_t i, std::int64_t j, std::int64_t n) {
                               const std::int64_t at = i * 3 * C + j;
                               return load_some(dy.data() + at, n) * load_some(kept.data() + at, n);
                             });
        for (std::int64_t h = 0; h < C / D; ++h) {
          double sum = df.add ? double{df.data[h]} : 0.0;
          for (std::int64_t d = 0; d < D; ++d) sum += double{sums.data()[h * D + d]};
          df.data[h] = static_cast<float>(sum);
        }
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
