// The innermost loop of every matrix product: a tile of the result that stays in registers.
//
// R × V accumulators take one column of A (R broadcast elements) and one row of B (V vectors) after the
// other: R · V multiply-adds for R + V loads. With 32 registers 14 × 2 accumulators leave room for the
// operands, with 16 registers 6 × 2. Measured on Zen 4: 96 to 99 % of the multiply-add peak at depths of 192
// to 384, with AVX-512 and with AVX2, g++ and clang.
#pragma once

#include <cstdint>

#include "minivit/kernels/stream.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Rows of a full tile, and vectors in each of its rows.
#if defined(__AVX512F__) || defined(__ARM_NEON)
inline constexpr int kTileRows = 14;
#else
inline constexpr int kTileRows = 6;
#endif
inline constexpr int kTileVectors = 2;
inline constexpr int kTileColumns = kTileVectors * kLanes;

/// Cache lines that a tile asks for while it is computed, one now and then: all at once they would hold up
/// its own loads.
struct Fetch {
  float* write = nullptr;        ///< rows of V vectors that this tile will write, or nothing,
  const float* start = nullptr;  ///< and such that the next tile starts from, or nothing,
  std::int64_t stride = 0;       ///< two of each for every kLanes steps, the last ones
  const float* read = nullptr;   ///< and lines that will be read, one a step, in the first so many · kLanes
  std::int64_t read_stride = 0, read_blocks = 0;
};

/// sums[r][v] += Σ over p in [0, k) of a(r, p) · b(p, v), with a(r, p) at a[r · kRow + p · kStep] and b(p, v)
/// at b[(p · V + v) · kLanes]. The strides are constants, so that they become part of the instructions.
/// Fetches the line of fetch[p · fetch_stride] for each p.
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

/// The same with a packed tile, kLanes steps at a time. kRowMajor: A was packed from rows, kLanes elements of
/// row 0, of row 1, …, of row R - 1, and so on with the next kLanes elements; what is fetched to read are
/// then rows, too, kLanes elements at a time. Else A was packed from columns, kTileRows elements of each.
template <int R, int V, bool kRowMajor>
[[gnu::always_inline]] inline void multiply_add_packed(Vec (&sums)[R][V], std::int64_t k, const float* a,
                                                       const float* b, const Fetch& fetch) {
  const float* read = fetch.read;
  std::int64_t reads = fetch.read_blocks;
  const float* start = fetch.start;
  float* write = fetch.write;
  int row = write || start ? 0 : R;
  const auto fetch_row = [&] {
    if (write) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) prefetch_to_write(write + v * kLanes);
      write += fetch.stride;
    }
    if (start) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) prefetch_to_read(start + v * kLanes);
      start += fetch.stride;
    }
    ++row;
  };
  // As late as there is time: A and B go through the first-level cache meanwhile and would push out what is
  // fetched early. (ViT-Ti's training: from the first step on 1 % slower, 32 steps earlier 0.8 %.)
  const std::int64_t soon = (R / 2 + 1) * kLanes;
  for (; k > 0; k -= kLanes, --reads, a += (kRowMajor ? R : kTileRows) * kLanes, b += V * kLanes * kLanes) {
    const std::int64_t steps = k < kLanes ? k : kLanes;
    if (row < R && k <= soon) fetch_row(), fetch_row();
    const float* const line = reads > 0 ? read : a;
    const std::int64_t stride = reads > 0 ? fetch.read_stride : 0;
    if constexpr (kRowMajor) {
      multiply_add<R, V, kLanes, 1>(sums, steps, a, b, line, stride);
      read += kLanes;
    } else {
      multiply_add<R, V, 1, kTileRows>(sums, steps, a, b, line, stride);
      read += kLanes * fetch.read_stride;
    }
  }
}

/// Rows [0, rows) × columns [0, columns) of c (+)= sums.
template <int R, int V>
[[gnu::always_inline]] inline void write_rows(const Vec (&sums)[R][V], std::int64_t rows,
                                              std::int64_t columns, float* c, std::int64_t c_stride,
                                              Write mode) {
  float tile[R][V * kLanes];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(&tile[r][v * kLanes], sums[r][v]);
  for (std::int64_t r = 0; r < rows; ++r, c += c_stride)
    if (mode == Write::add)
      map(
          columns, c, [](Vec old, Vec v) { return old + v; }, c, tile[r]);
    else
      map_to(
          mode, columns, c, [](Vec v) { return v; }, tile[r]);
}

}  // namespace minivit::inline MINIVIT_ABI
