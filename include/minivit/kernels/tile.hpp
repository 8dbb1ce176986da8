// The innermost loop of every matrix product: a tile of the result that stays in registers.
//
// R × V accumulators take one column of A (R broadcast elements) and one row of B (V vectors) after the
// other: R · V multiply-adds for R + V loads. With 32 registers 14 × 2 accumulators leave room for the
// operands, with 16 registers 6 × 2. Measured on Zen 4: 96 to 99 % of the multiply-add peak at depths of 192
// to 384, with AVX-512 and with AVX2, g++ and clang.
#pragma once

#include <cstdint>

#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Rows of a full tile, and vectors in each of its rows.
#if defined(__AVX512F__) || defined(__ARM_NEON)
inline constexpr int kTileRows = 14;
#else
inline constexpr int kTileRows = 6;
#endif
inline constexpr int kTileVectors = 2;
inline constexpr int kTileColumns = kTileVectors * kLanes;

/// sums[r][v] += Σ over p in [0, k) of a(r, p) · b(p, v), with a(r, p) at a[r · kRow + p · kStep] and b(p, v)
/// at b[(p · V + v) · kLanes]. Meanwhile the cache line of fetch[p · fetch_stride] is fetched for each p. The
/// strides of a are constants, so that they become part of the instructions.
template <int R, int V, int kRow, int kStep>
[[gnu::always_inline]] inline void multiply_add(Vec (&sums)[R][V], std::int64_t k, const float* a,
                                                const float* b, const float* fetch,
                                                std::int64_t fetch_stride) {
  for (; k > 0; --k, a += kStep, b += V * kLanes, fetch += fetch_stride) {
    prefetch_to_read(fetch);
    Vec row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) row[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Vec x = broadcast(a[r * kRow]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[r][v] += x * row[v];
    }
  }
}

/// The same over rows of A that were packed side by side: kLanes elements of row 0, of row 1, …, of row R -
/// 1, and so on with the next kLanes elements. The fetched lines are those of fetch[r · fetch_stride + p].
template <int R, int V>
[[gnu::always_inline]] inline void multiply_add_rows(Vec (&sums)[R][V], std::int64_t k, const float* a,
                                                     const float* b, const float* fetch,
                                                     std::int64_t fetch_stride) {
  for (; k > 0; k -= kLanes, a += R * kLanes, b += V * kLanes * kLanes, fetch += kLanes)
    multiply_add<R, V, kLanes, 1>(sums, k < kLanes ? k : kLanes, a, b, fetch, fetch_stride);
}

/// Rows [0, rows) × columns [0, columns) of c (+)= scale · sums, for what is not a whole tile of C or comes
/// seldom.
template <int R, int V>
[[gnu::always_inline]] inline void write_rows(const Vec (&sums)[R][V], std::int64_t rows,
                                              std::int64_t columns, float scale, float* c,
                                              std::int64_t c_stride, bool add) {
  float tile[R][V * kLanes];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(&tile[r][v * kLanes], sums[r][v] * scale);
  for (std::int64_t r = 0; r < rows; ++r, c += c_stride) {
    std::int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes)
      store(c + j, add ? load(c + j) + load(&tile[r][j]) : load(&tile[r][j]));
    for (; j < columns; ++j) c[j] = add ? c[j] + tile[r][j] : tile[r][j];
  }
}

}  // namespace minivit::inline MINIVIT_ABI
