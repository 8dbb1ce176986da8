// Scaled dot-product attention of one head (A. Vaswani et al., arXiv:1706.03762), read from and written to
// rows that lie `stride` floats apart: the heads are used where the projection put them, without transposing.
//
// Queries are taken in blocks against all keys: the scores of a block stay in L2, and no (T, T) tensor is
// kept.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "minivit/core/rng.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/kernels/random.hpp"
#include "minivit/kernels/softmax.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Dropout of attention probabilities: element (i, j) of head `head` is element (head · T + i) · row + j of
/// the stream.
struct AttentionDropout {
  float p = 0.0f;  ///< 0: none
  Rng stream{};
  std::int64_t head = 0;

  /// Drops from row i of T, `x` of T floats, into `y` (may be x).
  void apply(std::int64_t T, std::int64_t i, const float* x, float* y) const {
    const std::int64_t row = (T + 3) / 4 * 4;  // positions start at multiples of 4
    dropout_apply(stream, (head * T + i) * row, T, p, x, y);
  }
};

namespace attention_detail {

/// Queries in a block: 256 × T scores, T = 197 giving 200 KiB, share L2 with the keys and values of the head.
inline constexpr std::int64_t kQueries = 256;

struct Scores;
struct Gradients;

}  // namespace attention_detail

/// o = softmax(q kᵀ / √D) v for one head; q, k, v, o (T, D). `rows` (T), if given, gets of each query what
/// the backward pass makes the same probabilities from again. (Their logarithm alone, one number, would do,
/// but cost three bits.)
inline void attention_forward(std::int64_t T, std::int64_t D, const float* q, const float* k, const float* v,
                              std::int64_t stride, float* o, std::int64_t o_stride, SoftmaxRow* rows,
                              const AttentionDropout& drop) {
  using namespace attention_detail;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  float* const s = scratch<Scores>(std::min(T, kQueries) * T);
  for (std::int64_t begin = 0; begin < T; begin += kQueries) {
    const std::int64_t n = std::min(kQueries, T - begin);
    // s = q kᵀ / √D
    gemm(n, T, D, MatrixView::rows(q + begin * stride, stride), MatrixView::rows(k, stride).transposed(), s,
         T, {.scale = scale});
    // p = softmax(s)
    for (std::int64_t i = 0; i < n; ++i) {
      const SoftmaxRow row = softmax_row(T, s + i * T, s + i * T);
      if (rows) rows[begin + i] = row;
      if (drop.p > 0) drop.apply(T, begin + i, s + i * T, s + i * T);
    }
    // o = p v
    gemm(n, D, T, MatrixView::rows(s, T), MatrixView::rows(v, stride), o + begin * o_stride, o_stride);
  }
}

/// Gradients of `attention_forward` given that of o: dq, dk, dv (+)=, laid out as q, k, v. With m the dropout
/// mask:
///   dv = (p m)ᵀ do,   dp = (do vᵀ) m,   ds = p (dp - Σ_j p dp),   dq = ds k / √D,   dk = dsᵀ q / √D
inline void attention_backward(std::int64_t T, std::int64_t D, const float* q, const float* k, const float* v,
                               std::int64_t stride, const SoftmaxRow* rows, const float* d_o,
                               std::int64_t o_stride, float* dq, float* dk, float* dv, bool add,
                               const AttentionDropout& drop) {
  using namespace attention_detail;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  const std::int64_t block = std::min(T, kQueries);
  float* const p = scratch<Scores>(2 * block * T);
  float* const masked = p + block * T;  // p m, where there is a mask
  float* const dp = scratch<Gradients>(block * T);
  for (std::int64_t begin = 0; begin < T; begin += kQueries) {
    const std::int64_t n = std::min(kQueries, T - begin);
    const bool add_block = add || begin > 0;
    const MatrixView q_block = MatrixView::rows(q + begin * stride, stride);
    const MatrixView do_block = MatrixView::rows(d_o + begin * o_stride, o_stride);
    gemm(n, T, D, q_block, MatrixView::rows(k, stride).transposed(), p, T, {.scale = scale});
    gemm(n, T, D, do_block, MatrixView::rows(v, stride).transposed(), dp, T);
    for (std::int64_t i = 0; i < n; ++i) {
      float *const pi = p + i * T, *const dpi = dp + i * T;
      softmax_row_again(T, pi, rows[begin + i], pi);
      if (drop.p > 0) {
        drop.apply(T, begin + i, pi, masked + i * T);
        drop.apply(T, begin + i, dpi, dpi);
      }
    }
    gemm(T, D, n, MatrixView::rows(drop.p > 0 ? masked : p, T).transposed(), do_block, dv, stride,
         {.add = add_block});
    for (std::int64_t i = 0; i < n; ++i) softmax_row_backward(T, p + i * T, dp + i * T, dp + i * T, false);
    gemm(n, D, T, MatrixView::rows(dp, T), MatrixView::rows(k, stride), dq + begin * stride, stride,
         {.scale = scale, .add = add});
    gemm(T, D, n, MatrixView::rows(dp, T).transposed(), q_block, dk, stride,
         {.scale = scale, .add = add_block});
  }
}

}  // namespace minivit::inline MINIVIT_ABI
