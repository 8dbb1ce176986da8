// One tile of a product, from its packed operands to C, with what is added to it and done to it on the way.
#pragma once

#include <algorithm>
#include <cstdint>

#include "minivit/kernels/tile.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wsign-conversion"  // g++: bounds of arrays that are template parameters of type int

namespace minivit::inline MINIVIT_ABI::kernels {

/// What is done to a piece of the result on its way to C. `map` gets rows [i, i + rows) × columns [j, j +
/// columns) of it at `tile`, `tile_stride` floats from row to row, and writes them to `c` as `mode` says.
/// Every element is in exactly one piece.
struct TileMap {
  struct Piece {
    std::int64_t i, j, rows, columns;
    const float* tile;
    std::int64_t tile_stride;
    float* c;
    std::int64_t c_stride;
    Write mode;  // not Write::add
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

namespace detail {

/// Tiles of one panel, one below the other: where the result of the first goes and what is added to it.
struct Target {
  float* c;
  std::int64_t c_stride, height, columns;
  Write mode;              // Write::non_temporal or Write::set; what is added is `plus`
  const float* plus;       // C itself, the residual, or nothing
  const float* plus_next;  // what the tile behind the last one starts from
  const float* bias;       // of the tiles' first column, or nothing
  const TileMap* finish;   // for the last pass, or nothing
  std::int64_t i, j;       // of the first tile in C
  // What of A will be packed next, and what of B is read next, as `Fetch` has it, each tile its share.
  const float* rows;
  std::int64_t row_stride, row_blocks;
  const float* lines;
  std::int64_t line_blocks;
  // A where it is still to be packed: columns in memory, and the sums of its rows, or nothing.
  const float* columns_of_a;
  std::int64_t a_stride;
  float* sums;
};

/// sums[r] += the sums over p of a tile of A that is packed in columns.
inline void add_row_sums(std::int64_t rows, std::int64_t k, const float* a, float* sums) {
  for (std::int64_t r = 0; r < rows; r += kLanes) {  // a tile may have more rows than a vector has lanes
    Vec total{};
    for (std::int64_t p = 0; p < k; ++p) total += load(a + p * kTileRows + r);
    for (std::int64_t l = 0; l < std::min<std::int64_t>(kLanes, rows - r); ++l) sums[r + l] += total[l];
  }
}

/// How the left operand comes to a tile: packed from rows, packed from columns, or as columns in memory,
/// which the tile packs for the next panels.
enum class Left { rows, columns, memory };

/// `count` tiles of C: rows × columns of A·B, b packed, a as kLeft says: packed, or where its columns will be
/// packed. One call for many tiles, since the processor cannot go on while its queue of stores is full: what
/// a call stores for itself stood behind the R · V vectors of a result.
template <int R, int V, Left kLeft>
[[gnu::noinline]] void multiply_tiles(std::int64_t count, std::int64_t k, float* a, std::int64_t a_tile,
                                      const float* b, const Target& t) {
  alignas(64) float edge[R * V * kLanes];
  const bool whole = t.height == R && t.columns == V * kLanes;
  const bool direct = whole && !t.finish;
  float* c = t.c;
  const float *plus = t.plus, *rows = t.rows, *lines = t.lines, *x = t.columns_of_a;
  std::int64_t i = t.i;
  for (std::int64_t n = 0; n < count; ++n, a += a_tile, i += t.height, c += t.height * t.c_stride) {
    // The sum starts from what is to be added, which costs nothing: the loads are done while the last tile is
    // finished.
    Vec sums[R][V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const Vec bias = whole && t.bias ? load(t.bias + v * kLanes) : Vec{};
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) sums[r][v] = bias;
    }
    if (whole && plus)
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[r][v] += load(plus + r * t.c_stride + v * kLanes);
    if (t.finish && t.finish->operand)
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v)
          prefetch_to_read(t.finish->operand + (i + r) * t.c_stride + t.j + v * kLanes);
    const float* const added = plus;
    if (plus) plus = n + 1 < count ? plus + t.height * t.c_stride : t.plus_next;
    float* const written = t.mode == Write::non_temporal ? nullptr : c;
    const Fetch fetch{written, plus, t.c_stride, rows, t.row_stride, t.row_blocks, lines, t.line_blocks};
    if constexpr (kLeft == Left::memory) {
      multiply_add_packing<R, V>(sums, k, x, t.a_stride, b, fetch, a);
      x += R;
      if (t.sums) add_row_sums(R, k, a, t.sums + i);
    } else {
      multiply_add_packed<R, V, kLeft == Left::rows>(sums, k, a, b, fetch);
    }
    if (rows) rows += t.height * t.row_stride;
    lines += t.line_blocks * kLanes * kLanes;
    if (direct && t.mode == Write::non_temporal) {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) store_non_temporal(c + r * t.c_stride + v * kLanes, sums[r][v]);
      continue;
    }
    float* const out = direct ? c : edge;
    const std::int64_t stride = direct ? t.c_stride : V * kLanes;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) store(out + r * stride + v * kLanes, sums[r][v]);
    if (!whole)
      for (std::int64_t r = 0; r < t.height; ++r)
        for (std::int64_t j = 0; j < t.columns; ++j) {
          float& value = edge[r * V * kLanes + j];
          value += (added ? added[r * t.c_stride + j] : 0.0f) + (t.bias ? t.bias[j] : 0.0f);
          if (!t.finish) c[r * t.c_stride + j] = value;
        }
    if (t.finish)
      t.finish->map(t.finish->context,
                    {i, t.j, t.height, t.columns, edge, V * kLanes, c, t.c_stride, t.mode});
  }
}

template <int R>
inline void multiply_tiles(Left left, int vectors, std::int64_t count, std::int64_t k, float* a,
                           std::int64_t a_tile, const float* b, const Target& t) {
  static_assert(kTileVectors == 2);
  switch (left) {
    case Left::rows:
      return vectors == 2 ? multiply_tiles<R, 2, Left::rows>(count, k, a, a_tile, b, t)
                          : multiply_tiles<R, 1, Left::rows>(count, k, a, a_tile, b, t);
    case Left::columns:
      return vectors == 2 ? multiply_tiles<R, 2, Left::columns>(count, k, a, a_tile, b, t)
                          : multiply_tiles<R, 1, Left::columns>(count, k, a, a_tile, b, t);
    case Left::memory:  // see Product::packs_on_the_way
      return multiply_tiles<R, 2, Left::memory>(count, k, a, a_tile, b, t);
  }
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::kernels

#pragma GCC diagnostic pop
