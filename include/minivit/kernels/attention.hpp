// Scaled dot-product attention of one head (A. Vaswani et al., arXiv:1706.03762), read from and written to
// rows that lie `stride` floats apart: the heads are used where the projection put them, without transposing.
//
// Scores are computed in strips of a tile's rows (queries) × all keys, which stay in the first-level cache
// while they become probabilities and meet the values. A strip is stored as a tile wants its left operand,
// kLanes keys of each query in turn, so the second product reads what the first wrote, without packing. No
// (T, T) tensor is kept: the backward pass makes the probabilities again from two numbers a row.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "minivit/core/rng.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/kernels/math.hpp"
#include "minivit/kernels/random.hpp"
#include "minivit/kernels/softmax.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Dropout of attention probabilities: element (i, j) of head `head` is element (head · T + i) · row + j of
/// the stream, row being T rounded up to a multiple of 4.
struct AttentionDropout {
  float p = 0.0f;  ///< 0: none
  Rng stream{};
  std::int64_t head = 0;
};

namespace attention_detail {

struct Operands;
struct Strips;

/// Queries that are taken together at most in the backward pass: their probabilities and gradients (at T =
/// 197 twice 160 KiB) share L2 with the operands.
inline constexpr std::int64_t kQueries = 18 * kTileRows;

/// Sizes of one head.
struct Head {
  std::int64_t T, D;
  std::int64_t key_blocks = (T + kLanes - 1) / kLanes;   // vectors in a row of scores
  std::int64_t strip = key_blocks * kTileRows * kLanes;  // floats of a strip
  std::int64_t tiles = (T + kTileRows - 1) / kTileRows;  // strips
  float scale = 1.0f / std::sqrt(static_cast<float>(D));

  /// Floats of a (T, D) operand packed for products over D, and over T.
  std::int64_t over_channels() const { return D * key_blocks * kLanes; }
  std::int64_t over_tokens() const { return T * packed_columns(D); }
};

/// out = the strip's rows: a (kTileRows, k, packed) · b (k, columns, panels). Vectors of a row are R · kLanes
/// apart.
inline void scores(std::int64_t k, std::int64_t columns, const float* a, const float* b, float* out) {
  for (std::int64_t j = 0; j < columns; j += kTileColumns) {
    const auto panel = [&]<int V>(std::integral_constant<int, V>) {
      Vec sums[kTileRows][V] = {};
      multiply_add_packed<kTileRows, V, true>(sums, k, a, b + j * k, {nullptr, 0, a, 0});
#pragma GCC unroll 16
      for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) store(out + (j + v * kLanes) * kTileRows + r * kLanes, sums[r][v]);
    };
    if (panel_width(columns, j) == kTileColumns)
      panel(std::integral_constant<int, kTileVectors>{});
    else
      panel(std::integral_constant<int, 1>{});
  }
}

/// Rows [0, rows) of c (·, D) = scale · strip (kTileRows, T) · b (T, D, panels), (+)=.
inline void weighted_sum(std::int64_t rows, std::int64_t T, std::int64_t D, float scale, const float* strip,
                         const float* b, float* c, std::int64_t c_stride, bool add) {
  for (std::int64_t j = 0; j < D; j += kTileColumns) {
    const auto panel = [&]<int V>(std::integral_constant<int, V>) {
      Vec sums[kTileRows][V] = {};
      multiply_add_packed<kTileRows, V, true>(sums, T, strip, b + j * T, {nullptr, 0, strip, 0});
      write_rows<kTileRows, V>(sums, rows, std::min<std::int64_t>(D - j, V * kLanes), scale, c + j, c_stride,
                               add);
    };
    if (panel_width(D, j) == kTileColumns)
      panel(std::integral_constant<int, kTileVectors>{});
    else
      panel(std::integral_constant<int, 1>{});
  }
}

/// c (T, D) (+)= scale · Σ over queries of (strips: tiles × (kTileRows, T))ᵀ · b (queries, D, panels). Keys
/// are taken kKeys at a time, half a vector, which makes a tile of kKeys × 2 vectors.
inline void transposed_sum(const Head& h, std::int64_t tiles, float scale, const float* strips,
                           const float* b, std::int64_t queries, float* c, std::int64_t c_stride, bool add) {
  constexpr int kKeys = kLanes / 2;
  for (std::int64_t key = 0; key < h.T; key += kKeys)
    for (std::int64_t j = 0; j < h.D; j += kTileColumns) {
      const auto panel = [&]<int V>(std::integral_constant<int, V>) {
        Vec sums[kKeys][V] = {};
        const float* a = strips + key / kLanes * (kTileRows * kLanes) + key % kLanes;
        const float* rows = b + j * queries;
        for (std::int64_t t = 0; t < tiles; ++t, a += h.strip, rows += kTileRows * V * kLanes)
          multiply_add<kKeys, V, 1, kLanes>(sums, std::min<std::int64_t>(kTileRows, queries - t * kTileRows),
                                            a, rows, a, 0);
        write_rows<kKeys, V>(sums, std::min<std::int64_t>(kKeys, h.T - key),
                             std::min<std::int64_t>(h.D - j, V * kLanes), scale, c + key * c_stride + j,
                             c_stride, add);
      };
      if (panel_width(h.D, j) == kTileColumns)
        panel(std::integral_constant<int, kTileVectors>{});
      else
        panel(std::integral_constant<int, 1>{});
    }
}

/// The n lanes that are there, `rest` in the others.
inline Vec keep(Vec v, std::int64_t n, float rest) {
  VecInt lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return lane < static_cast<std::int32_t>(n) ? v : broadcast(rest);
}

/// One row of a strip.
struct StripRow {
  const Head& h;
  float* x;

  /// f(vector, lanes that are keys) for each vector in turn.
  template <class F>
  void each(const F& f) const {
    for (std::int64_t b = 0, left = h.T; b < h.key_blocks; ++b, left -= kLanes)
      f(x + b * kTileRows * kLanes, std::min<std::int64_t>(left, kLanes));
  }
};

/// x = softmax(x), 0 behind the last key. Returns what makes it again.
inline SoftmaxRow softmax(const StripRow& row) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  Vec top = broadcast(kLowest), total{};
  row.each([&](float* p, std::int64_t n) {
    if (n < kLanes) store(p, keep(load(p), n, kLowest));
    top = max(top, load(p));
  });
  const float largest = max_lane(top);
  row.each([&](float* p, std::int64_t) {
    const Vec e = exp(load(p) - largest);
    total += e;
    store(p, e);
  });
  const float inverse = 1.0f / sum(total);
  row.each([&](float* p, std::int64_t) { store(p, load(p) * inverse); });
  return {largest, inverse};
}

/// The same x, to the bit, from what `softmax` returned.
inline void softmax_again(const StripRow& row, const SoftmaxRow& made) {
  row.each([&](float* p, std::int64_t n) {
    const Vec e = exp(load(p) - made.largest) * made.inverse;
    store(p, n < kLanes ? keep(e, n, 0.0f) : e);
  });
}

/// y = x where it is kept, times 1 / (1 - p), else 0: the mask of query i. y may be x.
inline void drop(const Head& h, const AttentionDropout& dropout, std::int64_t i, const float* x, float* y) {
  const std::int64_t row = (h.T + 3) / 4 * 4;  // positions start at multiples of 4
  for (std::int64_t b = 0; b < h.key_blocks; ++b, x += kTileRows * kLanes, y += kTileRows * kLanes)
    dropout_apply(dropout.stream, (dropout.head * h.T + i) * row + b * kLanes, kLanes, dropout.p, x, y);
}

/// The rows of a strip's queries, packed and scaled as a tile's left operand.
inline void pack_queries(const Head& h, std::int64_t i, std::int64_t rows, const float* x,
                         std::int64_t stride, float scale, float* out) {
  pack_rows<kTileRows>(rows, h.D, MatrixView::rows(x, stride), i, 0, out);
  if (scale != 1.0f)
    for (std::int64_t p = 0, n = (h.D + kLanes - 1) / kLanes * kLanes * kTileRows; p < n; p += kLanes)
      store(out + p, load(out + p) * scale);
}

inline void pack_over_channels(const Head& h, const float* x, std::int64_t stride, float* out) {
  pack_b(h.D, h.T, MatrixView::rows(x, stride).transposed(), 0, 0, h.T, h.D, 0, out);
}
inline void pack_over_tokens(const Head& h, std::int64_t tokens, const float* x, std::int64_t stride,
                             float* out) {
  pack_b(tokens, h.D, MatrixView::rows(x, stride), 0, 0, h.D, tokens, 0, out);
}

}  // namespace attention_detail

/// o = softmax(q kᵀ / √D) v for one head; q, k, v, o (T, D). `rows` (T), if given, gets of each query what
/// the backward pass makes the same probabilities from again. (Their logarithm alone, one number, would do,
/// but cost three bits.)
inline void attention_forward(std::int64_t T, std::int64_t D, const float* q, const float* k, const float* v,
                              std::int64_t stride, float* o, std::int64_t o_stride, SoftmaxRow* rows,
                              const AttentionDropout& dropout) {
  using namespace attention_detail;
  const Head h{T, D};
  const std::int64_t query_tile = kTileRows * ((D + kLanes - 1) / kLanes * kLanes);
  float* const keys = scratch<Operands>(h.over_channels() + h.over_tokens() + query_tile + h.strip);
  float* const values = keys + h.over_channels();
  float* const queries = values + h.over_tokens();
  float* const strip = queries + query_tile;
  pack_over_channels(h, k, stride, keys);
  pack_over_tokens(h, T, v, stride, values);
  for (std::int64_t i = 0; i < T; i += kTileRows) {
    const std::int64_t n = std::min<std::int64_t>(kTileRows, T - i);
    pack_queries(h, i, n, q, stride, h.scale, queries);
    scores(D, T, queries, keys, strip);     // s = q kᵀ / √D
    for (std::int64_t r = 0; r < n; ++r) {  // p = softmax(s)
      const StripRow row{h, strip + r * kLanes};
      const SoftmaxRow made = softmax(row);
      if (rows) rows[i + r] = made;
      if (dropout.p > 0) drop(h, dropout, i + r, row.x, row.x);
    }
    weighted_sum(n, T, D, 1.0f, strip, values, o + i * o_stride, o_stride, false);  // o = p v
  }
}

/// Gradients of `attention_forward` given that of o: dq, dk, dv (+)=, laid out as q, k, v. With m the dropout
/// mask:
///   dv = (p m)ᵀ do,   dp = (do vᵀ) m,   ds = p (dp - Σ_j p dp),   dq = ds k / √D,   dk = dsᵀ q / √D
inline void attention_backward(std::int64_t T, std::int64_t D, const float* q, const float* k, const float* v,
                               std::int64_t stride, const SoftmaxRow* rows, const float* d_o,
                               std::int64_t o_stride, float* dq, float* dk, float* dv, bool add,
                               const AttentionDropout& dropout) {
  using namespace attention_detail;
  const Head h{T, D};
  const std::int64_t query_tile = kTileRows * ((D + kLanes - 1) / kLanes * kLanes);
  const std::int64_t block = std::min((T + kTileRows - 1) / kTileRows * kTileRows, kQueries),
                     width = packed_columns(D);
  const bool masked = dropout.p > 0;
  // k over channels for s and over tokens for dq, v over channels for dp, a block of q and do over its
  // queries.
  float* const keys =
      scratch<Operands>(2 * h.over_channels() + h.over_tokens() + 2 * block * width + query_tile);
  float* const values = keys + h.over_channels();
  float* const key_rows = values + h.over_channels();
  float* const query_rows = key_rows + h.over_tokens();
  float* const do_rows = query_rows + block * width;
  float* const tile = do_rows + block * width;
  const std::int64_t strips = block / kTileRows * h.strip;
  float* const p = scratch<Strips>((masked ? 3 : 2) * strips);
  float* const ds = p + strips;
  float* const pm = masked ? ds + strips : p;  // p m
  pack_over_channels(h, k, stride, keys);
  pack_over_channels(h, v, stride, values);
  pack_over_tokens(h, T, k, stride, key_rows);
  for (std::int64_t begin = 0; begin < T; begin += block) {
    const std::int64_t count = std::min(block, T - begin), tiles = (count + kTileRows - 1) / kTileRows;
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t i = begin + t * kTileRows, n = std::min<std::int64_t>(kTileRows, T - i);
      float *const strip = p + t * h.strip, *const gradient = ds + t * h.strip,
                   *const kept = pm + t * h.strip;
      pack_queries(h, i, n, q, stride, h.scale, tile);
      scores(D, T, tile, keys, strip);
      pack_queries(h, i, n, d_o, o_stride, 1.0f, tile);
      scores(D, T, tile, values, gradient);
      for (std::int64_t r = 0; r < n; ++r) {
        const StripRow pi{h, strip + r * kLanes}, gi{h, gradient + r * kLanes};
        softmax_again(pi, rows[i + r]);
        if (masked) {
          drop(h, dropout, i + r, pi.x, kept + r * kLanes);
          drop(h, dropout, i + r, gi.x, gi.x);
        }
        Vec dots{};
        const std::int64_t to_p = strip - gradient;
        gi.each([&](float* g, std::int64_t) { dots += load(g + to_p) * load(g); });
        const float dot = sum(dots);
        gi.each([&](float* g, std::int64_t) { store(g, load(g + to_p) * (load(g) - dot)); });
      }
      weighted_sum(n, T, D, h.scale, gradient, key_rows, dq + i * stride, stride, add);
    }
    pack_over_tokens(h, count, q + begin * stride, stride, query_rows);
    pack_over_tokens(h, count, d_o + begin * o_stride, o_stride, do_rows);
    transposed_sum(h, tiles, 1.0f, pm, do_rows, count, dv, stride, add || begin > 0);
    transposed_sum(h, tiles, h.scale, ds, query_rows, count, dk, stride, add || begin > 0);
  }
}

}  // namespace minivit::inline MINIVIT_ABI
