// Scaled dot-product attention of one head (A. Vaswani et al., arXiv:1706.03762), read from and written to
// rows that lie `stride` floats apart: the heads are used where the projection put them, without transposing.
//
// Scores are computed transposed, in strips of all keys × a panel of queries, one query in each lane. The
// softmax of a query then runs down its lane: no sum or maximum across lanes, which would take as long as the
// exponentials of a row. The strip stays in the first-level cache until it has met the values, and is, as it
// lies there, packed for every further product, in which it is the left operand. No (T, T) tensor is kept:
// the backward pass makes the probabilities again from two numbers a query.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "minivit/core/rng.hpp"
#include "minivit/kernels/math.hpp"
#include "minivit/kernels/product.hpp"
#include "minivit/kernels/random.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wsign-conversion"  // g++: bounds of arrays that are template parameters of type int

namespace minivit::inline MINIVIT_ABI::kernels {

/// What of the probabilities does not count. Dropout: that of query i and key j of head `head` is element
/// (head · T + j) · row + i of the stream, row being T rounded up to a multiple of 4.
struct AttentionMask {
  float p = 0.0f;  ///< of dropout; 0: none
  Rng stream{};
  std::int64_t head = 0;
  std::int64_t query = 0;  ///< i of the first query
  bool diagonal = false;   ///< whether a token does not look at itself; there must be others then
};

namespace detail {

struct Operands;
struct Strips;

// Floats of probabilities that the backward pass keeps at the same time at most: 256 KiB. They and their
// gradients share L2 with the operands.
inline constexpr std::int64_t kStripFloats = std::int64_t{1} << 16;

// Queries that a tile of a weighted sum takes at once; a panel has a multiple of them. Half a vector of them
// × 2 vectors of channels: 16 sums hide the latency of multiply-adds, and 8, with AVX2, fit its registers.
inline constexpr int kQueryRows = std::max(4, kLanes / 2);

/// Sizes of one head.
struct Head {
  std::int64_t T, D;
  float scale = 1.0f / std::sqrt(static_cast<float>(D));

  RowTiles tiles{T};

  /// Floats of a (rows, D) operand packed by rows, with a tile's rows behind the last one, since tiles may
  /// read further than there are keys.
  std::int64_t by_rows(std::int64_t rows) const { return (rows + kTileRows) * packed_columns(D); }

  /// Floats of a (rows, D) operand packed by columns.
  std::int64_t by_columns(std::int64_t rows) const { return D * packed_columns(rows); }

  /// Floats of strips of so many queries. Tiles may write and read a few keys behind the last one.
  std::int64_t strips(std::int64_t queries) const {
    return T * packed_columns(queries) + kTileRows * kTileColumns;
  }

  /// f(R, first key, keys) for each tile, R being a constant, kTileRows or one less: what the tile computes.
  /// Of a few tokens it has fewer keys than that.
  template <class F>
  [[gnu::always_inline]] void for_each_tile(const F& f) const {
    for (std::int64_t t = 0; t < tiles.count; ++t) {
      const std::int64_t key = tiles.begin(t), keys = tiles.height(t);
      if (keys == kTileRows)
        f(std::integral_constant<int, kTileRows>{}, key, keys);
      else
        f(std::integral_constant<int, kTileRows - 1>{}, key, keys);
    }
  }
};

/// f(V, first) for each panel of `columns`: V vectors, a constant, from column `first` on.
template <class F>
[[gnu::always_inline]] inline void for_each_panel(std::int64_t columns, const F& f) {
  static_assert(kTileVectors == 2);
  std::int64_t j = 0;
  for (; panel_width(columns, j) == kTileColumns; j += kTileColumns) f(std::integral_constant<int, 2>{}, j);
  if (j < columns) f(std::integral_constant<int, 1>{}, j);
}

/// x (rows, D) packed by rows, zeros behind them.
inline void pack_by_rows(const Head& h, std::int64_t rows, const float* x, std::int64_t stride, float* out) {
  pack_b(rows, h.D, MatrixView::rows(x, stride), 0, 0, h.D, rows, 0, out);
  std::fill_n(out + rows * packed_columns(h.D), kTileRows * packed_columns(h.D), 0.0f);
}

/// x (rows, D) packed by columns: panel after panel of rows, each channel after channel.
inline void pack_by_columns(const Head& h, std::int64_t rows, const float* x, std::int64_t stride,
                            float* out) {
  pack_b(h.D, rows, MatrixView::rows(x, stride).transposed(), 0, 0, rows, h.D, 0, out);
}

/// sums += rows [row, row + R) of A (rows, K), packed by rows, · B (K, V · kLanes).
template <int R, int V>
[[gnu::always_inline]] inline void multiply_add_rows(Vec (&sums)[R][V], std::int64_t rows, std::int64_t row,
                                                     std::int64_t K, const float* a, const float* b) {
  std::int64_t p = 0;
  for (; panel_width(K, p) == kTileColumns; p += kTileColumns) {
    const float* const x = a + p * rows + row * kTileColumns;
    multiply_add<R, V, kTileColumns>(sums, std::min<std::int64_t>(K - p, kTileColumns), x, 1,
                                     b + p * V * kLanes);
  }
  if (p < K) {
    const float* const x = a + p * rows + row * kLanes;
    multiply_add<R, V, kLanes>(sums, K - p, x, 1, b + p * V * kLanes);
  }
}

/// strip (T, V · kLanes) = k (T, D, by rows) · panel (D, V · kLanes, by columns). What a tile computes beyond
/// its keys is overwritten by the next one, or lies behind the last key.
template <int V>
void scores(const Head& h, const float* k, const float* panel, float* strip) {
  h.for_each_tile([&]<int R>(std::integral_constant<int, R>, std::int64_t key, std::int64_t) {
    Vec sums[R][V] = {};
    multiply_add_rows<R, V>(sums, h.T, key, h.D, k, panel);
    float* const out = strip + key * (V * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) store(out + (r * V + v) * kLanes, sums[r][v]);
  });
}

/// Rows [0, queries) of c (·, D) = stripᵀ (V · kLanes, T) · b (T, D, by rows), row i times factors[i] if
/// there are any, (+)=.
template <int V>
void weighted_sum(const Head& h, std::int64_t queries, const float* strip, const float* b,
                  const float* factors, float* c, std::int64_t c_stride, Write mode) {
  for_each_panel(h.D, [&]<int W>(std::integral_constant<int, W>, std::int64_t d) {
    for (std::int64_t i = 0; i < queries; i += kQueryRows) {
      Vec sums[kQueryRows][W] = {};
      multiply_add<kQueryRows, W, 1>(sums, h.T, strip + i, V * kLanes, b + d * h.T);
      if (factors)
#pragma GCC unroll 16
        for (int r = 0; r < kQueryRows; ++r)
#pragma GCC unroll 4
          for (int v = 0; v < W; ++v) sums[r][v] *= factors[i + r];
      write_rows<kQueryRows, W>(sums, std::min<std::int64_t>(kQueryRows, queries - i),
                                std::min<std::int64_t>(W * kLanes, h.D - d), c + i * c_stride + d, c_stride,
                                mode);
    }
  });
}

/// c (T, D) (+)= Σ over queries of (strips: panels of (T, ·)) · b (queries, D, by rows).
inline void sum_over_queries(const Head& h, std::int64_t queries, const float* strips, const float* b,
                             float* c, std::int64_t c_stride, Write mode) {
  for_each_panel(h.D, [&]<int W>(std::integral_constant<int, W>, std::int64_t d) {
    h.for_each_tile([&]<int R>(std::integral_constant<int, R>, std::int64_t key, std::int64_t keys) {
      Vec sums[R][W] = {};
      multiply_add_rows<R, W>(sums, h.T, key, queries, strips, b + d * queries);
      write_rows<R, W>(sums, keys, std::min<std::int64_t>(W * kLanes, h.D - d), c + key * c_stride + d,
                       c_stride, mode);
    });
  });
}

/// Fetches rows [0, rows) of the head behind x (·, D), which will probably be the next: they are too short
/// and too far apart for the processor to fetch them by itself. (Behind the last head is something else,
/// which does no harm.)
inline void fetch_next_head(std::int64_t rows, std::int64_t D, const float* x, std::int64_t stride) {
  x += D;
  for (std::int64_t t = 0; t < rows; ++t, x += stride)
    for (std::int64_t d = 0; d < D; d += kLanes) prefetch_to_read(x + d);
}

/// Each query's own number, for the lanes of a panel; lanes behind the last query get 0.
template <int V>
struct PerQuery {
  Vec lanes[V];

  static PerQuery load(const float* x, std::int64_t queries) {
    PerQuery all;
    for (int v = 0; v < V; ++v)
      all.lanes[v] = load_some(x + v * kLanes, std::min<std::int64_t>(kLanes, queries - v * kLanes));
    return all;
  }
  void store(float* x, std::int64_t queries) const {
    for (int v = 0; v < V; ++v)
      store_some(x + v * kLanes, lanes[v], std::min<std::int64_t>(kLanes, queries - v * kLanes));
  }
};

/// f(vector of the panel, its address) for each key of a strip.
template <int V, class F>
[[gnu::always_inline]] inline void for_each_key(std::int64_t T, float* strip, const F& f) {
  for (std::int64_t j = 0; j < T; ++j, strip += V * kLanes)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) f(v, strip + v * kLanes);
}

/// strip = e^(scale · strip - largest), with each query's largest; inverse = 1 / its sum.
template <int V>
void exponentials(const Head& h, float* strip, PerQuery<V>& largest, PerQuery<V>& inverse) {
  for (Vec& v : largest.lanes) v = broadcast(-std::numeric_limits<float>::infinity());
  for_each_key<V>(h.T, strip,
                  [&](int v, const float* s) { largest.lanes[v] = max(largest.lanes[v], load(s)); });
  for (Vec& v : largest.lanes) v *= h.scale;
  Vec sums[V] = {};
  for_each_key<V>(h.T, strip, [&](int v, float* s) {
    const Vec e = exp_negative(load(s) * h.scale - largest.lanes[v]);
    sums[v] += e;
    store(s, e);
  });
  for (int v = 0; v < V; ++v) inverse.lanes[v] = 1.0f / sums[v];
}

/// The dropout of a panel's queries, the first being `query` after that of `mask`: y = x where it is kept,
/// times 1 / (1 - p), else 0. y may be x.
template <int V>
void drop(const Head& h, const AttentionMask& mask, std::int64_t query, const float* x, float* y) {
  const std::int64_t row = (h.T + 3) / 4 * 4;  // positions start at multiples of 4
  for (std::int64_t j = 0; j < h.T; ++j, x += V * kLanes, y += V * kLanes)
    dropout_apply(mask.stream, (mask.head * h.T + j) * row + mask.query + query, V * kLanes, mask.p, x, y);
}

/// strip = -infinity where one of the n queries from `query` on, each in a lane, meets itself as a key: what
/// becomes of it is 0, without a branch in what follows.
template <int V>
void leave_out_diagonal(std::int64_t query, std::int64_t n, float* strip) {
  for (std::int64_t i = 0; i < n; ++i)
    strip[(query + i) * (V * kLanes) + i] = -std::numeric_limits<float>::infinity();
}

}  // namespace detail

/// o = softmax(q kᵀ / √D) v for queries of one head; q, o (Q, D), k, v (T, D). `made` (2, T), if given, gets
/// in its first Q columns what the backward pass makes the same probabilities from again: of each query the
/// largest score and 1 / Σ e^(score - largest). (One number, the logarithm of the sum, would do, but cost
/// three bits.) Q is up to T; each query's result is the same, whatever others come with it.
// Flattened, here and below: what a compiler inlines by itself depends on the rest of the translation unit.
[[gnu::flatten]] inline void attention_forward(std::int64_t Q, std::int64_t T, std::int64_t D, const float* q,
                                               const float* k, const float* v, std::int64_t stride, float* o,
                                               std::int64_t o_stride, Write mode, float* made,
                                               const AttentionMask& mask) {
  using namespace detail;
  if (Q == 0 || D == 0) return;
  const Head h{T, D};
  float* const queries = scratch<Operands>(h.by_columns(Q) + 2 * h.by_rows(T) + h.strips(kTileColumns));
  float* const keys = queries + h.by_columns(Q);
  float* const values = keys + h.by_rows(T);
  float* const strip = values + h.by_rows(T);
  pack_by_columns(h, Q, q, stride, queries);
  pack_by_rows(h, T, k, stride, keys);
  pack_by_rows(h, T, v, stride, values);
  for_each_panel(Q, [&]<int V>(std::integral_constant<int, V>, std::int64_t i) {
    const std::int64_t n = std::min<std::int64_t>(Q - i, V * kLanes);
    for (const float* const x : {q, k, v}) fetch_next_head(n, D, x + i * stride, stride);
    PerQuery<V> largest, inverse;
    scores<V>(h, keys, queries + i * D, strip);
    if (mask.diagonal) leave_out_diagonal<V>(mask.query + i, n, strip);
    exponentials<V>(h, strip, largest, inverse);
    if (made) largest.store(made + i, n), inverse.store(made + T + i, n);
    if (mask.p > 0) drop<V>(h, mask, i, strip, strip);
    float factors[V * kLanes];
    inverse.store(factors, V * kLanes);
    weighted_sum<V>(h, n, strip, values, factors, o + i * o_stride, o_stride, mode);
  });
}

/// Gradients of `attention_forward` given that of o: dq, dk, dv (+)=, laid out as q, k, v. With m the dropout
/// mask:
///   dv = (p m)ᵀ do,   dp = (do vᵀ) m,   ds = p (dp - Σ_j p dp) / √D,   dq = ds k,   dk = dsᵀ q
[[gnu::flatten]] inline void attention_backward(std::int64_t T, std::int64_t D, const float* q,
                                                const float* k, const float* v, std::int64_t stride,
                                                const float* made, const float* d_o, std::int64_t o_stride,
                                                float* dq, float* dk, float* dv, Write mode,
                                                const AttentionMask& mask) {
  using namespace detail;
  if (T == 0 || D == 0) return;
  const Head h{T, D};
  const bool drops = mask.p > 0;
  const std::int64_t block =
      std::min(packed_columns(T),
               std::max<std::int64_t>(kStripFloats / T, kTileColumns) / kTileColumns * kTileColumns);
  // Keys by rows serve the scores and dq, values dp; of a block of queries q and do are needed both ways.
  float* const keys = scratch<Operands>(2 * h.by_rows(T) + 2 * h.by_rows(block) + 2 * h.by_columns(block));
  float* const values = keys + h.by_rows(T);
  float* const q_rows = values + h.by_rows(T);
  float* const do_rows = q_rows + h.by_rows(block);
  float* const q_columns = do_rows + h.by_rows(block);
  float* const do_columns = q_columns + h.by_columns(block);
  const std::int64_t strips = h.strips(block);
  float* const p = scratch<Strips>((drops ? 3 : 2) * strips);
  float* const ds = p + strips;
  float* const pm = drops ? ds + strips : p;  // p m
  pack_by_rows(h, T, k, stride, keys);
  pack_by_rows(h, T, v, stride, values);
  for (std::int64_t begin = 0; begin < T; begin += block) {
    const std::int64_t count = std::min(block, T - begin);
    const float *const q_block = q + begin * stride, *const do_block = d_o + begin * o_stride;
    pack_by_rows(h, count, q_block, stride, q_rows);
    pack_by_rows(h, count, do_block, o_stride, do_rows);
    pack_by_columns(h, count, q_block, stride, q_columns);
    pack_by_columns(h, count, do_block, o_stride, do_columns);
    for_each_panel(count, [&]<int V>(std::integral_constant<int, V>, std::int64_t i) {
      const std::int64_t n = std::min<std::int64_t>(count - i, V * kLanes), query = begin + i;
      for (const float* const x : {q, k, v}) fetch_next_head(n, D, x + query * stride, stride);
      fetch_next_head(n, D, d_o + query * o_stride, o_stride);
      const auto largest = PerQuery<V>::load(made + query, n),
                 inverse = PerQuery<V>::load(made + T + query, n);
      float *const strip = p + i * T, *const gradient = ds + i * T;
      scores<V>(h, keys, q_columns + i * D, strip);
      scores<V>(h, values, do_columns + i * D, gradient);
      if (mask.diagonal) leave_out_diagonal<V>(mask.query + query, n, strip);
      if (drops) drop<V>(h, mask, query, gradient, gradient);
      const std::int64_t to_dp = gradient - strip;
      Vec dots[V] = {};  // Σ_j p dp, times what ds has in common
      for_each_key<V>(T, strip, [&](int lane, float* s) {
        const Vec e = exp_negative(load(s) * h.scale - largest.lanes[lane]) * inverse.lanes[lane];
        dots[lane] += e * load(s + to_dp);
        store(s, e);
      });
      for (Vec& dot : dots) dot *= h.scale;
      for_each_key<V>(T, strip, [&](int lane, float* s) {
        store(s + to_dp, load(s) * (load(s + to_dp) * h.scale - dots[lane]));
      });
      if (drops) drop<V>(h, mask, query, strip, pm + i * T);
      weighted_sum<V>(h, n, gradient, keys, nullptr, dq + query * stride, stride, mode);
    });
    const Write sums = begin > 0 ? Write::add : block < T && mode == Write::non_temporal ? Write::set : mode;
    sum_over_queries(h, count, pm, do_rows, dv, stride, sums);
    sum_over_queries(h, count, ds, q_rows, dk, stride, sums);
  }
}

}  // namespace minivit::inline MINIVIT_ABI::kernels

#pragma GCC diagnostic pop
