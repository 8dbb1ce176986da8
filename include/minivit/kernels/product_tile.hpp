// One tile of a product, from its packed operands to C, with what is added to it and done to it on the way.
#pragma once

#include <cstdint>

#include "minivit/kernels/tile.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What is done to a piece of the result on its way to C. `map` gets rows [i, i + rows) × columns [j, j +
/// columns) of it at `tile`, `tile_stride` floats from row to row, and writes them to `c`. Every element is
/// in exactly one piece.
struct TileMap {
  struct Piece {
    std::int64_t i, j, rows, columns;
    const float* tile;
    std::int64_t tile_stride;
    float* c;
    std::int64_t c_stride;
  };

  void (*map)(const void* context, const Piece& piece) = nullptr;
  const void* context = nullptr;   ///< must live as long as the product takes
  const float* operand = nullptr;  ///< (M,N) with C's stride, fetched before it is needed; or nothing

  explicit operator bool() const { return map != nullptr; }
};

/// What happens to A·B before it is written, in this order.
struct Epilogue {
  float scale = 1.0f;           ///< multiplies A·B
  const float* bias = nullptr;  ///< (N), added to every row
  const float* plus =
      nullptr;            ///< (M,N) with C's stride, added: a residual connection; not together with `add`
  bool add = false;       ///< C += … instead of C = …
  TileMap finish{};       ///< applied last
  float* sums = nullptr;  ///< (M), += the sums of A's rows: with A = dYᵀ the gradient of a bias. A must be
                          ///< stored transposed
};

namespace gemm_detail {

/// Where a tile's result goes and what is added to it.
struct Target {
  float* c;
  std::int64_t c_stride, rows, columns;
  const float* plus;      // C itself, the residual, or nothing
  const float* bias;      // of the tile's first column, or nothing
  Fetch fetch;            // what the next tile will write, and what of A will be packed next
  const TileMap* finish;  // for the last pass, or nothing
  std::int64_t i, j;      // of the tile in C
};

/// One tile of C: rows × columns of A·B, a and b packed.
template <int R, int V, bool kRowMajor>
[[gnu::noinline]] void multiply_tile(std::int64_t k, const float* a, const float* b, const Target& t) {
  alignas(64) float edge[R * V * kLanes];
  const bool whole = t.rows == R && t.columns == V * kLanes;
  Vec sums[R][V];
  const auto start_from = [&](const auto& value) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[r][v] = value(r, v);
  };
  if (t.finish && t.finish->operand)
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v)
        prefetch_to_read(t.finish->operand + (t.i + r) * t.c_stride + t.j + v * kLanes);
  // The sum starts from what is to be added, which costs nothing: the loads are done while the last tile is
  // finished.
  if (!whole) {
    start_from([](int, int) { return Vec{}; });
  } else if (t.plus) {
    start_from([&](int r, int v) { return load(t.plus + r * t.c_stride + v * kLanes); });
    if (t.bias) start_from([&](int r, int v) { return sums[r][v] + load(t.bias + v * kLanes); });
  } else if (t.bias) {
    start_from([&](int, int v) { return load(t.bias + v * kLanes); });
  } else {
    start_from([](int, int) { return Vec{}; });
  }
  multiply_add_packed<R, V, kRowMajor>(sums, k, a, b, t.fetch);
  const bool direct = whole && !t.finish;
  float* const out = direct ? t.c : edge;
  const std::int64_t stride = direct ? t.c_stride : V * kLanes;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(out + r * stride + v * kLanes, sums[r][v]);
  if (!whole)
    for (std::int64_t r = 0; r < t.rows; ++r)
      for (std::int64_t j = 0; j < t.columns; ++j) {
        float& value = edge[r * V * kLanes + j];
        value += (t.plus ? t.plus[r * t.c_stride + j] : 0.0f) + (t.bias ? t.bias[j] : 0.0f);
        if (!t.finish) t.c[r * t.c_stride + j] = value;
      }
  if (t.finish)
    t.finish->map(t.finish->context, {t.i, t.j, t.rows, t.columns, edge, V * kLanes, t.c, t.c_stride});
}

template <int R>
inline void multiply_tile(bool row_major, int vectors, std::int64_t k, const float* a, const float* b,
                          const Target& t) {
  static_assert(kTileVectors == 2);
  if (row_major)
    vectors == 2 ? multiply_tile<R, 2, true>(k, a, b, t) : multiply_tile<R, 1, true>(k, a, b, t);
  else
    vectors == 2 ? multiply_tile<R, 2, false>(k, a, b, t) : multiply_tile<R, 1, false>(k, a, b, t);
}

}  // namespace gemm_detail

}  // namespace minivit::inline MINIVIT_ABI
