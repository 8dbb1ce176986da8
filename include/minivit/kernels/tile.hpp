// The innermost loop of every matrix product: a tile of the result that stays in registers.
//
// R × V accumulators take one column of A (R broadcast elements) and one row of B (V vectors) after the
// other: R · V multiply-adds for R + V loads. With 32 registers 14 × 2 accumulators leave room for the
// operands, with 16 registers 6 × 2.
#pragma once

#include <cstdint>
#include <cstring>

#include "minivit/kernels/non_temporal.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wsign-conversion"  // g++: bounds of arrays that are template parameters of type int

namespace minivit::inline MINIVIT_ABI::kernels {

/// Rows of a full tile, and vectors in each of its rows.
#if MINIVIT_LANES == 16 || defined(__ARM_NEON)  // 32 registers
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
  std::int64_t stride = 0;       ///< two of each for every kLanes steps, the last ones.
  // Lines that will be read, one a step: in the first row_blocks · kLanes steps those of kLanes rows, their
  // first kLanes elements, then the next ones; then those of line_blocks · kLanes vectors one after the
  // other.
  const float* rows = nullptr;
  std::int64_t row_stride = 0, row_blocks = 0;
  const float* lines = nullptr;
  std::int64_t line_blocks = 0;
};

/// sums[r][v] += Σ over p in [0, k) of a(r, p) · b(p, v), with a(r, p) at a[r · kRow + p · step] and b(p, v)
/// at b[(p · V + v) · kLanes]. Calls before() before each step. (All of it is inlined: where `step` is
/// constant it becomes part of the instructions.)
template <int R, int V, int kRow, class F>
[[gnu::always_inline]] inline void multiply_add(Vec (&sums)[R][V], std::int64_t k, const float* a,
                                                std::int64_t step, const float* b, const F& before) {
  for (; k > 0; --k, a += step, b += V * kLanes) {
    before();
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

template <int R, int V, int kRow>
[[gnu::always_inline]] inline void multiply_add(Vec (&sums)[R][V], std::int64_t k, const float* a,
                                                std::int64_t step, const float* b) {
  multiply_add<R, V, kRow>(sums, k, a, step, b, [] {});
}

/// The same, kLanes steps at a time, which in A lie `block` apart, with fetches in between.
template <int R, int V, int kRow, class F>
[[gnu::always_inline]] inline void multiply_add_blocks(Vec (&sums)[R][V], std::int64_t k, const float* a,
                                                       std::int64_t step, std::int64_t block, const float* b,
                                                       const Fetch& fetch, const F& before) {
  const float *rows = fetch.rows, *lines = fetch.lines, *start = fetch.start;
  std::int64_t row_blocks = fetch.row_blocks, line_blocks = fetch.line_blocks;
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
  // fetched early.
  const std::int64_t soon = (R / 2 + 1) * kLanes;
  for (; k > 0; k -= kLanes, a += block, b += V * kLanes * kLanes) {
    if (row < R && k <= soon) fetch_row(), fetch_row();
    const float* line = a;  // which is there anyway
    std::int64_t line_step = 0;
    if (row_blocks > 0)
      line = rows, line_step = fetch.row_stride, rows += kLanes, --row_blocks;
    else if (line_blocks > 0)
      line = lines, line_step = kLanes, lines += kLanes * kLanes, --line_blocks;
    multiply_add<R, V, kRow>(sums, k < kLanes ? k : kLanes, a, step, b, [&] {
      prefetch_to_read(line);
      line += line_step;
      before();
    });
  }
}

/// The same with a packed tile. kRowMajor: A was packed from rows, kLanes elements of row 0, of row 1, …, of
/// row R - 1, and so on with the next kLanes elements. Else A was packed from columns, kTileRows elements of
/// each.
template <int R, int V, bool kRowMajor>
[[gnu::always_inline]] inline void multiply_add_packed(Vec (&sums)[R][V], std::int64_t k, const float* a,
                                                       const float* b, const Fetch& fetch) {
  if constexpr (kRowMajor)
    multiply_add_blocks<R, V, kLanes>(sums, k, a, 1, R * kLanes, b, fetch, [] {});
  else
    multiply_add_blocks<R, V, 1>(sums, k, a, kTileRows, kTileRows * kLanes, b, fetch, [] {});
}

/// The same with R rows of A that lie in memory as columns, `stride` apart; they are packed to `packed` on
/// the way.
template <int R, int V>
[[gnu::always_inline]] inline void multiply_add_packing(Vec (&sums)[R][V], std::int64_t k, const float* a,
                                                        std::int64_t stride, const float* b,
                                                        const Fetch& fetch, float* packed) {
  constexpr std::int64_t kAhead = 32;  // steps from here to the columns that are fetched
  const float* x = a;
  multiply_add_blocks<R, V, 1>(sums, k, a, stride, stride * kLanes, b, fetch, [&] {
    prefetch_to_read(x + kAhead * stride + R - 1);
    std::memcpy(packed, x, R * sizeof(float));
    x += stride;
    packed += kTileRows;
  });
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

}  // namespace minivit::inline MINIVIT_ABI::kernels

#pragma GCC diagnostic pop
