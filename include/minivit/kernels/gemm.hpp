// Matrix multiplication: C (M,N) = scale · A (M,K) · B (K,N), plus what its epilogue adds.
//
// The way of every fast GEMM (K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008): a tile of C of kRows × kColumns stays in registers while one column of A and one
// row of B after the other are multiplied into it; A and B are copied beforehand ("packed") into the order in
// which the tile reads them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "minivit/core/parallel.hpp"
#include "minivit/core/pool.hpp"
#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A matrix in memory: element (i, j) is data[i * row_stride + j * column_stride]. One of the strides is 1.
struct MatrixView {
  const float* data;
  std::int64_t row_stride, column_stride;

  /// Row-major with `stride` floats from row to row.
  static MatrixView rows(const float* data, std::int64_t stride) { return {data, stride, 1}; }

  MatrixView transposed() const { return {data, column_stride, row_stride}; }
};

/// What happens to a tile of A·B before it is written.
struct Epilogue {
  float scale = 1.0f;           ///< multiplies A·B
  const float* bias = nullptr;  ///< (N), added to every row
  bool add = false;             ///< C += … instead of C = …
};

namespace gemm_detail {

// The tile: as many rows as leave registers for two vectors of B and one broadcast element of A.
// 32 registers (AVX-512, NEON): 14 × 2 accumulators. 16 registers: 6 × 2.
#if defined(__AVX512F__) || defined(__ARM_NEON)
inline constexpr int kRows = 14;
#else
inline constexpr int kRows = 6;
#endif
inline constexpr int kVectors = 2;
inline constexpr int kColumns = kVectors * kLanes;

// Depth of a pass over K. A kDepth × kColumns strip of B (16 KiB with AVX2) stays in L1 while the tiles of a
// block of A pass over it.
inline constexpr std::int64_t kDepth = 256;

// Rows of A in a block: the packed block (about 72 KiB) stays in L2.
inline constexpr std::int64_t kBlockRows = 72 / kRows * kRows;

struct PackedA;
struct PackedB;

constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// Rows [0, m) of A, columns [0, k): for each tile of kRows rows its columns one after the other, missing
/// rows 0.
inline void pack_a(std::int64_t m, std::int64_t k, MatrixView a, float* out) {
  for (std::int64_t i = 0; i < m; i += kRows, out += k * kRows) {
    const std::int64_t rows = std::min<std::int64_t>(kRows, m - i);
    const float* source = a.data + i * a.row_stride;
    if (rows < kRows) std::fill_n(out, k * kRows, 0.0f);
    if (a.row_stride == 1) {
      for (std::int64_t p = 0; p < k; ++p) std::copy_n(source + p * a.column_stride, rows, out + p * kRows);
    } else {
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t p = 0; p < k; ++p) out[p * kRows + r] = source[r * a.row_stride + p];
    }
  }
}

/// Columns [0, n) of B (n ≤ kColumns), rows [0, k): row after row, missing columns 0.
inline void pack_b(std::int64_t k, std::int64_t n, MatrixView b, float* out) {
  if (n < kColumns) std::fill_n(out, k * kColumns, 0.0f);
  if (b.column_stride == 1) {
    for (std::int64_t p = 0; p < k; ++p) std::copy_n(b.data + p * b.row_stride, n, out + p * kColumns);
  } else {
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t p = 0; p < k; ++p) out[p * kColumns + j] = b.data[j * b.column_stride + p];
  }
}

/// One tile of C: the sum over p of a[p] (kRows) times b[p] (kColumns), both packed. Writes rows × columns of
/// it. `first` is the first pass over K, which starts C; later passes add to it.
template <int... r>
inline void tile(std::integer_sequence<int, r...>, std::int64_t k, const float* a, const float* b, float* c,
                 std::int64_t c_stride, std::int64_t rows, std::int64_t columns, const Epilogue& epilogue,
                 bool first) {
  static_assert(kVectors == 2);
  Vec left[kRows] = {}, right[kRows] = {};
  for (std::int64_t p = 0; p < k; ++p, a += kRows, b += kColumns) {
    const Vec b0 = load(b), b1 = load(b + kLanes);
    // Unrolled by the pack of row numbers, so that every accumulator is a register.
    ((left[r] += broadcast(a[r]) * b0, right[r] += broadcast(a[r]) * b1), ...);
  }
  const bool add = epilogue.add || !first;
  const std::int64_t n0 = std::min<std::int64_t>(columns, kLanes), n1 = columns - n0;
  Vec bias0{}, bias1{};
  if (epilogue.bias && first)
    bias0 = load_partial(epilogue.bias, n0), bias1 = load_partial(epilogue.bias + n0, n1);
  auto write = [&](int row, Vec v0, Vec v1) {
    float* out = c + row * c_stride;
    v0 = v0 * epilogue.scale + bias0;
    v1 = v1 * epilogue.scale + bias1;
    if (columns == kColumns) {
      if (add) v0 += load(out), v1 += load(out + kLanes);
      store(out, v0);
      store(out + kLanes, v1);
    } else {
      if (add) v0 += load_partial(out, n0), v1 += load_partial(out + n0, n1);
      store_partial(out, v0, n0);
      store_partial(out + n0, v1, n1);
    }
  };
  ((r < rows ? write(r, left[r], right[r]) : void()), ...);
}

}  // namespace gemm_detail

/// C (M,N) = scale · A (M,K) · B (K,N) [+ bias] [+ C]. C is row-major with `c_stride` floats from row to row
/// and must not overlap A or B. Uses all threads, or only the calling one from within a `parallel_for`. The
/// sum over K is taken in the same order for every number of threads.
inline void gemm(std::int64_t M, std::int64_t N, std::int64_t K, MatrixView A, MatrixView B, float* C,
                 std::int64_t c_stride, const Epilogue& epilogue = {}) {
  using namespace gemm_detail;
  if (M == 0 || N == 0) return;
  const std::int64_t strips = (N + kColumns - 1) / kColumns;
  // At least eight blocks where M allows it, so that the threads finish together.
  const std::int64_t block_rows = std::min(kBlockRows, round_up((M + 7) / 8, kRows));
  float* const packed_b = scratch<PackedB>(strips * kColumns * std::min(K, kDepth));

  std::int64_t begin = 0;
  do {  // once even for K = 0: C is then the epilogue alone
    const std::int64_t k = std::min(K - begin, kDepth);
    const bool first = begin == 0;
    parallel_for(strips, grain_for(2 * k * kColumns), [&](std::int64_t s0, std::int64_t s1) {
      for (std::int64_t s = s0; s < s1; ++s) {
        const std::int64_t j = s * kColumns;
        const MatrixView source{B.data + begin * B.row_stride + j * B.column_stride, B.row_stride,
                                B.column_stride};
        pack_b(k, std::min<std::int64_t>(kColumns, N - j), source, packed_b + s * kColumns * k);
      }
    });
    parallel_for(M, block_rows, [&](std::int64_t i0, std::int64_t i1) {
      float* const packed_a = scratch<PackedA>(round_up(block_rows, kRows) * std::min(K, kDepth));
      pack_a(i1 - i0, k,
             {A.data + i0 * A.row_stride + begin * A.column_stride, A.row_stride, A.column_stride}, packed_a);
      for (std::int64_t s = 0; s < strips; ++s) {
        const std::int64_t j = s * kColumns;
        Epilogue tile_epilogue = epilogue;
        if (epilogue.bias) tile_epilogue.bias += j;
        for (std::int64_t i = i0; i < i1; i += kRows)
          tile(std::make_integer_sequence<int, kRows>{}, k, packed_a + (i - i0) * k,
               packed_b + s * kColumns * k, C + i * c_stride + j, c_stride,
               std::min<std::int64_t>(kRows, i1 - i), std::min<std::int64_t>(kColumns, N - j), tile_epilogue,
               first);
      }
    });
    begin += k;
  } while (begin < K);
}

}  // namespace minivit::inline MINIVIT_ABI
