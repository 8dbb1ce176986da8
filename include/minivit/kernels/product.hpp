// A product whose right operand is packed: how it is divided into blocks and tiles, and these among threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "minivit/kernels/packed_matrix.hpp"
#include "minivit/kernels/product_tile.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

namespace detail {

// Rows of A in a block at most, in tiles: 8 × 14 rows × 768 floats are 336 KiB, a part of L2.
inline constexpr std::int64_t kBlockTiles = 8;

// Up to so many rows of A are few, as those of an image or two: 32 tiles of 14.
inline constexpr std::int64_t kFewRows = 448;

// Floats of B that are packed at once at most, 8 MiB: the weights of a layer fit, the activations of a batch
// would fill the last-level cache.
inline constexpr std::int64_t kPackedFloats = std::int64_t{2} << 20;

struct PackedA;

/// [0, n) cut into `parts` pieces that differ by at most one: where piece i begins.
[[nodiscard]] constexpr std::int64_t cut(std::int64_t n, std::int64_t parts, std::int64_t i) {
  return n / parts * i + std::min(i, n % parts);
}

/// How A is packed: by its rows, or as columns. Where it could be either (a single row), sums want columns.
[[nodiscard]] inline bool by_rows(const MatrixView& A, const Epilogue& epilogue) {
  return A.column_stride == 1 && !(epilogue.sums && A.row_stride == 1);
}

/// M rows over tiles of almost equal height: 197 are two of 14 and thirteen of 13 instead of fourteen of 14
/// and a rest of one. M is at least 1.
struct RowTiles {
  std::int64_t M, count = ceil_div(M, kTileRows), shorter = M / count, longer = M % count;

  std::int64_t begin(std::int64_t t) const { return t * shorter + std::min(t, longer); }
  std::int64_t height(std::int64_t t) const { return shorter + (t < longer); }
};

/// Threads that a product may use from where it is called.
[[nodiscard]] inline std::int64_t threads_here() {
  return minivit::detail::in_parallel_region() ? 1 : num_threads();
}

/// A product whose B is packed from row `first` of K on, `depth` · packed_columns(N) floats a pass.
struct Product {
  std::int64_t M, N;
  const MatrixView& A;
  const float* b;
  std::int64_t first_pass, last_pass;
  Passes passes;
  float* C;
  std::int64_t c_stride;
  const Epilogue& epilogue;

  bool row_major = by_rows(A, epilogue);

  // What a pass is added to has just been written: that stays in the caches.
  Write mode = passes.count() > 1 || epilogue.add ? Write::set : write_mode(false, (M * N), C, c_stride);

  RowTiles row_tiles{M};
  std::int64_t tiles = row_tiles.count;

  // Floats from one packed tile of A to the next. add_row_sums reads its last column in whole vectors.
  std::int64_t a_tile = kTileRows * round_up(passes.depth, kLanes) + kLanes;

  const float* element(std::int64_t i, std::int64_t p) const {
    return A.data + i * A.row_stride + p * A.column_stride;
  }

  /// Packs tiles [t0, t1), columns [first, first + k) of A.
  void pack_block(std::int64_t t0, std::int64_t t1, std::int64_t first, std::int64_t k, float* a) const {
    if (row_major) {
      for (std::int64_t t = t0; t < t1; ++t, a += a_tile) {
        const std::int64_t i = row_tiles.begin(t), rows = row_tiles.height(t);
        if (rows == kTileRows)
          pack_rows<kTileRows>(rows, k, A, i, first, a);
        else
          pack_rows<kTileRows - 1>(rows, k, A, i, first, a);
      }
      return;
    }
    // A column of the block at a time, so that its cache lines are used up while they are there. Copies are
    // of constant size: what they take of the next tile is not looked at. Behind the last tile there is
    // nothing to take.
    const std::int64_t i0 = row_tiles.begin(t0);
    const std::int64_t safe = std::min(t1, tiles - 1), last_rows = row_tiles.height(tiles - 1);
    for (std::int64_t p = 0; p < k; ++p) {
      const float* x = element(i0, first + p);
      float* to = a + p * kTileRows;
      for (std::int64_t t = t0; t < safe; x += row_tiles.height(t), ++t, to += a_tile)
        std::memcpy(to, x, kTileRows * sizeof(float));
      if (t1 == tiles) {
        std::copy_n(x, last_rows, to);
        std::fill_n(to + last_rows, kTileRows - last_rows, 0.0f);
      }
    }
  }

  /// Packs tiles [t0, t1) of a pass to `a`, scaled; adds up their rows' sums if `summing`.
  void prepare(std::int64_t t0, std::int64_t t1, std::int64_t pass, bool summing, float* a) const {
    const std::int64_t k = passes.size(pass);
    pack_block(t0, t1, passes.begin(pass), k, a);
    for (std::int64_t t = t0; t < t1; ++t, a += a_tile) {
      if (epilogue.sums && summing) {
        const std::int64_t i = row_tiles.begin(t), rows = row_tiles.height(t);
        add_row_sums(rows, k, a, epilogue.sums + i);
      }
      if (epilogue.scale != 1.0f)
        for (std::int64_t p = 0, n = kTileRows * round_up(k, kLanes); p < n; ++p) a[p] *= epilogue.scale;
    }
  }

  /// True if columns of A are packed by the tiles that multiply them first: a block that is copied beforehand
  /// waits for memory.
  bool packs_on_the_way(std::int64_t columns) const {
    return !row_major && epilogue.scale == 1.0f && row_tiles.shorter >= kTileRows - 1 && columns > kLanes;
  }

  /// What a pass adds to tiles [t0, t1) × columns [j0, j1) of C, tile t0 being packed at `a`, or to be packed
  /// there on the way. Meanwhile it fetches what of A begins at `next`, if anything, whose rows are too far
  /// apart for the processor to fetch them by itself; and the next panel of B, which a large B has in L3.
  void multiply(std::int64_t t0, std::int64_t t1, std::int64_t j0, std::int64_t j1, std::int64_t pass,
                float* a, const float* next) const {
    const std::int64_t k = passes.size(pass), first_row = row_tiles.begin(t0), steps = ceil_div(k, kLanes);
    const bool from_c = epilogue.add || pass > 0, last = pass + 1 == passes.count(),
               packing = packs_on_the_way(j1 - j0);
    const std::int64_t pitch = row_major ? A.row_stride : A.column_stride;
    const float* const panels = b + (passes.begin(pass) - passes.begin(first_pass)) * packed_columns(N);
    const std::int64_t panel_count = ceil_div(j1 - j0, kTileColumns);
    for (std::int64_t j = j0; j < j1; j += kTileColumns) {
      // Each panel's tiles fetch their share of what comes next, so that memory is asked evenly.
      const std::int64_t panel = (j - j0) / kTileColumns, block = cut(next ? steps : 0, panel_count, panel),
                         row_blocks = cut(next ? steps : 0, panel_count, panel + 1) - block;
      const std::int64_t next_j = j + kTileColumns < j1 ? j + kTileColumns : j0,
                         lines = panel_width(N, next_j) / kLanes * k;
      const std::int64_t line_blocks = std::min(steps - row_blocks, ceil_div(lines, (t1 - t0) * kLanes));
      const int vectors = static_cast<int>(panel_width(N, j) / kLanes);
      const float* const start = from_c ? C : epilogue.plus;
      const Left left = row_major ? Left::rows : packing && j == j0 ? Left::memory : Left::columns;
      // Tiles [t, end), which have the same height.
      for (std::int64_t t = t0, end = t0; t < t1; t = end) {
        end = t < row_tiles.longer ? std::min(t1, row_tiles.longer) : t1;
        const std::int64_t i = row_tiles.begin(t), height = row_tiles.height(t);
        const std::int64_t following =
            end < t1 ? row_tiles.begin(end) * c_stride + j : first_row * c_stride + j + kTileColumns;
        const Target target{.c = C + i * c_stride + j,
                            .c_stride = c_stride,
                            .height = height,
                            .columns = std::min<std::int64_t>(kTileColumns, N - j),
                            .mode = mode,
                            .plus = start ? start + i * c_stride + j : nullptr,
                            .plus_next = start ? start + following : nullptr,
                            .bias = epilogue.bias && pass == 0 ? epilogue.bias + j : nullptr,
                            .finish = last && epilogue.finish ? &epilogue.finish : nullptr,
                            .i = i,
                            .j = j,
                            .rows = next ? next + (i - first_row) * pitch + block * kLanes : nullptr,
                            .row_stride = pitch,
                            .row_blocks = row_blocks,
                            .lines = panels + next_j * k + (t - t0) * line_blocks * kLanes * kLanes,
                            .line_blocks = line_blocks,
                            .columns_of_a = element(i, passes.begin(pass)),
                            .a_stride = pitch,
                            .sums = j0 == 0 ? epilogue.sums : nullptr};
        float* const tile = a + (t - t0) * a_tile;
        if (height == kTileRows)
          multiply_tiles<kTileRows>(left, vectors, end - t, k, tile, a_tile, panels + j * k, target);
        else
          multiply_tiles<kTileRows - 1>(left, vectors, end - t, k, tile, a_tile, panels + j * k, target);
      }
    }
  }

  /// All of it, on all threads; every element is computed the same way however the work is divided.
  void run() const {
    const std::int64_t threads = threads_here(), panels = ceil_div(N, kTileColumns);
    const auto block = [&](std::int64_t t0, std::int64_t t1, std::int64_t parts, std::int64_t part) {
      return Block{t0, t1, cut(panels, parts, part) * kTileColumns,
                   std::min(N, cut(panels, parts, part + 1) * kTileColumns)};
    };
    const std::int64_t each = tiles / threads, rest = tiles % threads;
    if (threads > 1 && each > 0 && M <= kFewRows && rest <= kBlockTiles) {
      // The same number of tiles for each thread; those that are left over, fewer than threads, are divided
      // by columns. So threads hardly ever read what another has written.
      const std::int64_t rows = ceil_div(each, kBlockTiles),
                         parts = rest > 0 ? ceil_div(std::min(panels, 2 * threads), threads) : 0;
      return run_blocks(threads * (rows + parts), [&](std::int64_t n) {
        const std::int64_t thread = n / (rows + parts), i = n % (rows + parts);
        return i < rows
                   ? block(thread * each + cut(each, rows, i), thread * each + cut(each, rows, i + 1), 1, 0)
                   : block(tiles - rest, tiles, threads * parts, thread * parts + i - rows);
      });
    }
    const std::int64_t rows = std::min(tiles, round_up(ceil_div(tiles, kBlockTiles), threads));
    // Few blocks cannot be shared out evenly; then columns are divided, too, though A is packed more often
    // for it.
    const std::int64_t parts =
        threads > 1 && rows < 4 * threads ? std::min(panels, ceil_div(4 * threads, rows)) : 1;
    run_blocks(rows * parts, [&](std::int64_t n) {
      return block(cut(tiles, rows, n / parts), cut(tiles, rows, n / parts + 1), parts, n % parts);
    });
  }

 private:
  /// Tiles [t0, t1) of A, at most kBlockTiles, × columns [j0, j1) of B.
  struct Block {
    std::int64_t t0, t1, j0, j1;
  };

  /// Blocks block_of(0), …, block_of(count - 1); each thread packs those that it multiplies.
  template <class F>
  void run_blocks(std::int64_t count, const F& block_of) const {
    parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
      float* const a = scratch<PackedA>(std::min(kBlockTiles, tiles) * a_tile);
      for (std::int64_t n = begin; n < end; ++n) {
        const Block block = block_of(n),
                    next = block_of(std::min(n + 1, count - 1));  // probably this thread's next one
        if (block.j0 >= block.j1) continue;                       // fewer panels than parts
        for (std::int64_t pass = first_pass; pass < last_pass; ++pass) {
          if (!packs_on_the_way(block.j1 - block.j0)) prepare(block.t0, block.t1, pass, block.j0 == 0, a);
          const float* const then = pass + 1 < last_pass
                                        ? element(row_tiles.begin(block.t0), passes.begin(pass + 1))
                                        : element(row_tiles.begin(next.t0), passes.begin(first_pass));
          multiply(block.t0, block.t1, block.j0, block.j1, pass, a, row_major ? then : nullptr);
        }
      }
    });
  }
};

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::kernels
