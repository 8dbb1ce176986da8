// Copies of matrices in the order in which a tile reads them.
//
// Packing costs one pass over the operand and saves many: the tile's loads become one stream, whatever the
// distance between rows (rows 4096 bytes apart would all compete for one set of the first-level cache). What
// the operand is a simple function of, normalized or activated rows, is computed on the way and never stored.
#pragma once

#include <algorithm>
#include <cstdint>

#include "minivit/kernels/tile.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

/// A function that rows of a matrix in memory go through as they are packed. `map(context, i, begin, n, x,
/// out)` writes elements [begin, begin + n) of row i to `out`, given those in memory at `x`.
struct RowMap {
  void (*map)(const void* context, std::int64_t i, std::int64_t begin, std::int64_t n, const float* x,
              float* out) = nullptr;
  const void* context = nullptr;  ///< must live as long as the product takes
  std::int64_t first = 0;         ///< i of the view's first row,
  std::int64_t first_column = 0;  ///< and what `begin` is of its first element

  explicit operator bool() const { return map != nullptr; }
};

/// A matrix in memory: element (i, j) is data[i * row_stride + j * column_stride]. One of the strides is 1.
struct MatrixView {
  const float* data;
  std::int64_t row_stride, column_stride;
  RowMap row_map{};  ///< applied to what is a row in memory

  /// Row-major with `stride` floats from row to row.
  [[nodiscard]] static MatrixView rows(const float* data, std::int64_t stride, RowMap map = {}) {
    return {data, stride, 1, map};
  }

  [[nodiscard]] MatrixView transposed() const { return {data, column_stride, row_stride, row_map}; }

  /// Without its first i rows in memory, and the first j elements of each.
  [[nodiscard]] MatrixView from(std::int64_t i, std::int64_t j) const {
    MatrixView rest = *this;
    rest.data += i * (column_stride == 1 ? row_stride : column_stride) + j;
    rest.row_map.first += i;
    rest.row_map.first_column += j;
    return rest;
  }
};

namespace detail {

/// How many rows ahead rows of `columns` floats are fetched as B of a product is packed: 6 KiB, or 0 for not
/// at all. The processor fetches long rows by itself.
[[nodiscard]] constexpr std::int64_t rows_ahead(std::int64_t columns) {
  return columns < 1 || columns > 512 ? 0 : (1536 + columns - 1) / columns;
}

/// Rows that go through a map are computed in pieces of this many floats, on the stack.
inline constexpr std::int64_t kPiece = 512;

/// f(x, begin, n) for elements [0, n) of row i from column `first` on, in one piece where they lie in memory,
/// or in pieces that went through the map.
template <class F>
inline void for_pieces(const MatrixView& m, std::int64_t i, std::int64_t first, std::int64_t n, const F& f) {
  const float* const row = m.data + i * (m.column_stride == 1 ? m.row_stride : m.column_stride) + first;
  if (!m.row_map) return f(row, 0, n);
  alignas(64) float piece[kPiece];
  for (std::int64_t begin = 0; begin < n; begin += kPiece) {
    const std::int64_t count = std::min(kPiece, n - begin);
    m.row_map.map(m.row_map.context, m.row_map.first + i, m.row_map.first_column + first + begin, count,
                  row + begin, piece);
    f(piece, begin, count);
  }
}

}  // namespace detail

/// Rows [i, i + rows) of A, rows ≤ R, columns [first, first + k), as a tile of R rows reads them, missing
/// rows 0: kLanes elements of each row in turn. A's rows are contiguous. Writes R · k floats, k rounded up to
/// lanes.
template <int R>
void pack_rows(std::int64_t rows, std::int64_t k, const MatrixView& a, std::int64_t i, std::int64_t first,
               float* out) {
  for (std::int64_t r = 0; r < rows; ++r)
    detail::for_pieces(a, i + r, first, k, [&](const float* x, std::int64_t begin, std::int64_t n) {
      float* to = out + begin * R + r * kLanes;
      for (; n >= kLanes; n -= kLanes, x += kLanes, to += R * kLanes) store(to, load(x));
      std::copy_n(x, n, to);
    });
  for (std::int64_t r = rows; r < R; ++r)
    for (std::int64_t p = 0; p < k; p += kLanes) store(out + p * R + r * kLanes, Vec{});
}

/// Columns of B in a panel that begins at column j of N: a tile's, or one vector if no more are left.
[[nodiscard]] constexpr std::int64_t panel_width(std::int64_t N, std::int64_t j) {
  return N - j > kLanes ? kTileColumns : kLanes;
}

/// Columns of B when packed: N rounded up to whole vectors.
[[nodiscard]] constexpr std::int64_t packed_columns(std::int64_t N) {
  return (N + kLanes - 1) / kLanes * kLanes;
}

/// Rows [first, first + k) of B (·, N), columns [j0, j1), where j0 is where a panel begins: panel after
/// panel, each row after row, missing columns 0. `out` is where the panel of column 0 would begin; a panel
/// begins at out[j · depth], and its rows from `skip` on are written. The row `ahead` rows further on is
/// fetched meanwhile, unless that is 0.
inline void pack_b(std::int64_t k, std::int64_t N, const MatrixView& b, std::int64_t first, std::int64_t j0,
                   std::int64_t j1, std::int64_t depth, std::int64_t skip, float* out,
                   std::int64_t ahead = 0) {
  using namespace detail;
  if (b.column_stride == 1) {
    for (std::int64_t p = 0; p < k; ++p) {
      const float* const row = b.data + (first + p + ahead) * b.row_stride;
      for (std::int64_t j = j0; j < j1 && ahead > 0; j += 16) prefetch_to_read(row + j);  // 16 floats a line
      for_pieces(b, first + p, j0, j1 - j0, [&](const float* x, std::int64_t begin, std::int64_t n) {
        for (std::int64_t j = j0 + begin, end = j + n; j < end; j += kTileColumns, x += kTileColumns) {
          const std::int64_t width = panel_width(N, j);
          float* const to = out + j * depth + (skip + p) * width;
          for (std::int64_t c = 0; c < width; c += kLanes)
            store(to + c, load_some(x + c, std::clamp<std::int64_t>(end - j - c, 0, kLanes)));
        }
      });
    }
    return;
  }
  // B is stored transposed: squares of kLanes × kLanes are turned in registers.
  for (std::int64_t j = j0; j < j1; j += kLanes) {
    const std::int64_t panel = j / kTileColumns * kTileColumns, width = panel_width(N, panel);
    float* const to = out + panel * depth + skip * width + (j - panel);
    const std::int64_t columns = std::min<std::int64_t>(kLanes, N - j);
    std::int64_t p = 0;
    if (!b.row_map)
      for (; p + kLanes <= k; p += kLanes) {
        Vec square[kLanes];
        for (int i = 0; i < kLanes; ++i)
          square[i] = i < columns ? load(b.data + (j + i) * b.column_stride + first + p) : Vec{};
        transpose(square);
        for (int i = 0; i < kLanes; ++i) store(to + (p + i) * width, square[i]);
      }
    for (std::int64_t i = 0; i < kLanes; ++i) {
      if (i < columns)
        for_pieces(b, j + i, first + p, k - p, [&](const float* x, std::int64_t begin, std::int64_t n) {
          for (std::int64_t q = 0; q < n; ++q) to[(p + begin + q) * width + i] = x[q];
        });
      else
        for (std::int64_t q = p; q < k; ++q) to[q * width + i] = 0.0f;
    }
  }
}

}  // namespace minivit::inline MINIVIT_ABI::kernels
