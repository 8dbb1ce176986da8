// Matrix product, from three loops to a fast one: C (M,N) = A (M,K) · B (K,N), all row-major.
//
// The sizes are multiples of the tile's, which leaves the edges out of the stages' code; kernels/gemm.hpp has
// them. Rows of all three lie 4096 bytes apart, as those of a layer with 1024 channels do.
#pragma once

#include "minivit/kernels/gemm.hpp"
#include "stage.hpp"

namespace bench::matmul {

using minivit::kernels::MatrixView;

constexpr std::int64_t M = 798, N = 1024, K = 1024;
static_assert(M % kTileRows == 0 && N % kTileColumns == 0);

/// An element of C at a time: a row of A times a column of B.
inline void naive(const float* A, const float* B, float* C) {
  for (std::int64_t i = 0; i < M; ++i)
    for (std::int64_t j = 0; j < N; ++j) {
      float sum = 0;
      for (std::int64_t p = 0; p < K; ++p) sum += A[i * K + p] * B[p * N + j];
      C[i * N + j] = sum;
    }
}

/// The same products, a row of B at a time: the compiler makes vectors of the innermost loop.
inline void rows_of_b(const float* A, const float* B, float* C) {
  for (std::int64_t i = 0; i < M; ++i) {
    for (std::int64_t j = 0; j < N; ++j) C[i * N + j] = 0;
    for (std::int64_t p = 0; p < K; ++p)
      for (std::int64_t j = 0; j < N; ++j) C[i * N + j] += A[i * K + p] * B[p * N + j];
  }
}

using Tile = Vec[kTileRows][kTileVectors];

[[gnu::always_inline]] inline void load_tile(Tile& sums, const float* c, std::int64_t stride = N) {
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) sums[r][v] = load(c + r * stride + v * kLanes);
}
[[gnu::always_inline]] inline void store_tile(const Tile& sums, float* c, std::int64_t stride = N) {
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) store(c + r * stride + v * kLanes, sums[r][v]);
}

/// A tile of C stays in registers while all of K passes by. A and B are read where they are, A's rows
/// kStride floats apart.
template <std::int64_t kStride>
void register_tile(const float* A, const float* B, float* C) {
  for (std::int64_t j = 0; j < N; j += kTileColumns)
    for (std::int64_t i = 0; i < M; i += kTileRows) {
      Tile sums = {};
      for (std::int64_t p = 0; p < K; ++p) {
        const Vec b[] = {load(B + p * N + j), load(B + p * N + j + kLanes)};
#pragma GCC unroll 16
        for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 4
          for (int v = 0; v < kTileVectors; ++v) sums[r][v] += A[(i + r) * kStride + p] * b[v];
      }
      store_tile(sums, C + i * N + j);
    }
}

struct PackedTile;
struct PackedBlock;
struct PackedB;

/// All of B, panel after panel of a tile's columns.
inline const float* pack_all(const float* B, std::int64_t columns = N) {
  float* const b = minivit::scratch<PackedB>(K * columns);
  minivit::kernels::pack_b(K, columns, MatrixView::rows(B, columns), 0, 0, columns, K, 0, b);
  return b;
}

/// Both operands are copied into the order in which the tile reads them. kRowMajor: A as kLanes elements of
/// each row in turn, which vectors can copy; else as kTileRows elements of each column, which is transposing.
template <bool kRowMajor, std::int64_t kColumns = N>
void packed(const float* A, const float* B, float* C) {
  const float* const b = pack_all(B, kColumns);
  float* const a = minivit::scratch<PackedTile>(kTileRows * K);
  for (std::int64_t i = 0; i < M; i += kTileRows) {
    if constexpr (kRowMajor) {
      minivit::kernels::pack_rows<kTileRows>(kTileRows, K, MatrixView::rows(A, K), i, 0, a);
    } else {
      for (std::int64_t p = 0; p < K; ++p)
        for (int r = 0; r < kTileRows; ++r) a[p * kTileRows + r] = A[(i + r) * K + p];
    }
    for (std::int64_t j = 0; j < kColumns; j += kTileColumns) {
      Tile sums = {};
      minivit::kernels::multiply_add_packed<kTileRows, kTileVectors, kRowMajor>(sums, K, a, b + j * K, {});
      store_tile(sums, C + i * kColumns + j, kColumns);
    }
  }
}

enum class Fetching { nothing, burst, rows, next_of_a, next_of_both };

/// K in passes of `kDepth` and rows in blocks of `kBlock` tiles: a panel of B meets all tiles of the block
/// before the next one comes. While a tile is computed, what the next one will write is fetched in one
/// `burst`, or what it will write itself and what the next one starts from by `rows`, two every kLanes of its
/// last steps; then also what of A will be packed next, and the next panel of B.
template <Fetching kFetching>
void blocks(const float* A, const float* B, float* C) {
  constexpr std::int64_t kDepth = 512, kBlock = 8, kTileSize = kTileRows * kDepth;
  static_assert(K % kDepth == 0);
  float* const a = minivit::scratch<PackedBlock>(kBlock * kTileSize);
  const float* const b = pack_all(B);
  for (std::int64_t i0 = 0; i0 < M; i0 += kBlock * kTileRows)
    for (std::int64_t first = 0; first < K; first += kDepth) {
      const std::int64_t tiles = std::min(kBlock, (M - i0) / kTileRows);
      for (std::int64_t t = 0; t < tiles; ++t)
        minivit::kernels::pack_rows<kTileRows>(kTileRows, kDepth, MatrixView::rows(A, K), i0 + t * kTileRows,
                                               first, a + t * kTileSize);
      const float* const next =
          first + kDepth < K ? A + i0 * K + first + kDepth : A + (i0 + tiles * kTileRows) % M * K;
      for (std::int64_t j = 0; j < N; j += kTileColumns)
        for (std::int64_t t = 0; t < tiles; ++t) {
          const float* const tile = a + t * kTileSize;
          float* const c = C + (i0 + t * kTileRows) * N + j;
          float* const following = t + 1 < tiles ? c + kTileRows * N : C + i0 * N + j + kTileColumns;
          minivit::kernels::Fetch fetch;
          if constexpr (kFetching >= Fetching::rows)
            fetch.write = c, fetch.start = first > 0 ? following : nullptr, fetch.stride = N;
          constexpr std::int64_t kBlocks = kDepth / kLanes, kPanels = N / kTileColumns;
          if constexpr (kFetching >= Fetching::next_of_a) {
            const std::int64_t panel = j / kTileColumns, begin = kBlocks * panel / kPanels;
            fetch.rows = next + t * kTileRows * K + begin * kLanes;
            fetch.row_stride = K, fetch.row_blocks = kBlocks * (panel + 1) / kPanels - begin;
          }
          if constexpr (kFetching == Fetching::next_of_both) {
            fetch.line_blocks = std::min(kBlocks - fetch.row_blocks, kTileVectors * kBlocks / tiles);
            fetch.lines = b + (j + kTileColumns) % N * K + first * kTileColumns +
                          t * fetch.line_blocks * kLanes * kLanes;
          }
          if constexpr (kFetching == Fetching::burst)
            for (int r = 0; r < kTileRows; ++r)
              for (int v = 0; v < kTileVectors; ++v)
                minivit::kernels::prefetch_to_write(following + r * N + v * kLanes);
          Tile sums = {};
          if (first > 0) load_tile(sums, c);
          minivit::kernels::multiply_add_packed<kTileRows, kTileVectors, true>(
              sums, kDepth, tile, b + j * K + first * kTileColumns, fetch);
          store_tile(sums, c);
        }
    }
}

inline void library(const float* A, const float* B, float* C) {
  minivit::kernels::gemm(M, N, K, MatrixView::rows(A, K), MatrixView::rows(B, N), C, N);
}

struct Matmul : Topic {
  static constexpr std::int64_t kApart = K + 16;  // floats from row to row of the same A, 4160 bytes
  Tensor A = random({M, K}, 1), B = random({K, N}, 2), A_apart = Tensor::zeros({M, kApart});

  Matmul() : Topic("matmul", "798x1024x1024") {
    flops = 2.0 * M * N * K;
    result = Tensor::empty({M, N});
    expected = Tensor::empty({M, N});
    minivit::as_matrix(expected) =
        (minivit::as_matrix(A).cast<double>() * minivit::as_matrix(B).cast<double>()).cast<float>();
    const auto stage = [&](const char* name, auto f, bool threads = false) {
      stages.push_back({name, [this, f] { f(A.data(), B.data(), result.data()); }, threads});
    };
    stage("three loops", naive);
    stage("loops in order i p j", rows_of_b);
    stage("tile in registers", register_tile<K>);
    minivit::as_matrix(A_apart).leftCols(K) = minivit::as_matrix(A);
    stages.push_back({"the same, rows 4160 apart",
                      [this] { register_tile<kApart>(A_apart.data(), B.data(), result.data()); }});
    stage("packed, A transposed", packed<false>);
    stage("packed, A in rows", packed<true>);
    stage("cache blocks", blocks<Fetching::nothing>);
    stage("C fetched in a burst", blocks<Fetching::burst>);
    stage("C fetched by rows", blocks<Fetching::rows>);
    stage("next A fetched, too", blocks<Fetching::next_of_a>);
    stage("next panel of B, too", blocks<Fetching::next_of_both>);
    stage("gemm of the library", library);
    stage("gemm, all threads", library, true);
  }
};

/// Few columns, as a head has: A is packed for two panels only, which shows what packing costs.
struct Columns64 : Topic {
  static constexpr std::int64_t kColumns = 64;
  Tensor A = random({M, K}, 1), B = random({K, kColumns}, 2);

  Columns64() : Topic("64 columns", "798x64x1024") {
    flops = 2.0 * M * kColumns * K;
    result = Tensor::empty({M, kColumns});
    expected = Tensor::empty({M, kColumns});
    minivit::as_matrix(expected) =
        (minivit::as_matrix(A).cast<double>() * minivit::as_matrix(B).cast<double>()).cast<float>();
    stages = {
        {"packed, A transposed", [this] { packed<false, kColumns>(A.data(), B.data(), result.data()); }},
        {"packed, A in rows", [this] { packed<true, kColumns>(A.data(), B.data(), result.data()); }}};
  }
};

/// One image's rows: whole tiles of 14 and a rest of 1 that costs as much as 14, or tiles of 13 and 14.
struct Rows197 : Topic {
  static constexpr std::int64_t kRows = 197, kPadded = (kRows + kTileRows - 1) / kTileRows * kTileRows;
  Tensor A = random({kPadded, K}, 1), B = random({K, N}, 2);

  Rows197() : Topic("197 rows", "197x1024x1024") {
    flops = 2.0 * kRows * N * K;
    result = Tensor::empty({kPadded, N});
    expected = Tensor::empty({kPadded, N});
    const auto product = [this](std::int64_t rows, Tensor& out) {
      minivit::kernels::gemm(rows, N, K, MatrixView::rows(A.data(), K), MatrixView::rows(B.data(), N),
                             out.data(), N);
    };
    product(kPadded, expected);
    stages = {{"rest as a whole tile", [=, this] { product(kPadded, result); }},
              {"tiles of 13 and 14 rows", [=, this] {
                 product(kRows, result);
                 std::copy(expected.data() + kRows * N, expected.data() + kPadded * N,
                           result.data() + kRows * N);
               }}};
  }
};

}  // namespace bench::matmul
