// Matrix multiplication: C (M,N) = scale · A (M,K) · B (K,N), plus what its epilogue adds.
//
// The way of every fast GEMM (K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008): A and B are packed into the order in which tiles read them, A a block at a time,
// which stays in the second-level cache, B as panels that every block passes over. docs/kernels.md tells how
// it came to be and what each step gained.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "minivit/core/parallel.hpp"
#include "minivit/core/pool.hpp"
#include "minivit/kernels/pack.hpp"
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

/// B of a product, packed once for many.
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// Packs B (K,N). Uses all threads.
  PackedMatrix(std::int64_t K, std::int64_t N, const MatrixView& B);

  std::int64_t K() const { return K_; }
  std::int64_t N() const { return N_; }
  const float* data() const { return static_cast<const float*>(buffer_.data()); }
  explicit operator bool() const { return static_cast<bool>(buffer_); }

 private:
  std::int64_t K_ = 0, N_ = 0;
  Buffer buffer_;
};

namespace gemm_detail {

// Depth of a pass over K at most, floats. A tile's row of A, its columns of B and itself stay in L1 and L2;
// deeper passes gain nothing (256: 1 % slower, 512: the same), shallower ones write C more often.

inline constexpr std::int64_t kDepth = 512;

// Rows of A in a block at most, in tiles: 8 × 14 rows × 384 floats are 168 KiB, a part of L2.
inline constexpr std::int64_t kBlockTiles = 8;

// Floats of B that are packed at once at most, 8 MiB: the weights of a layer fit, the activations of a batch
// would fill the last-level cache.
inline constexpr std::int64_t kPackedFloats = std::int64_t{2} << 20;

struct PackedA;
struct PackedB;

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return (n + d - 1) / d; }
constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return ceil_div(n, multiple) * multiple;
}

/// [0, n) cut into `parts` pieces that differ by at most one: where piece i begins.
constexpr std::int64_t cut(std::int64_t n, std::int64_t parts, std::int64_t i) {
  return n / parts * i + std::min(i, n % parts);
}

/// K cut into passes of equal depth, a multiple of the lanes.
struct Passes {
  std::int64_t K, depth;

  explicit Passes(std::int64_t K)
      : K(K),
        depth(std::max<std::int64_t>(
            kLanes, round_up(ceil_div(K, ceil_div(std::max<std::int64_t>(K, 1), kDepth)), kLanes))) {}

  std::int64_t count() const { return std::max<std::int64_t>(1, ceil_div(K, depth)); }
  std::int64_t begin(std::int64_t pass) const { return pass * depth; }
  std::int64_t size(std::int64_t pass) const { return std::min(depth, K - begin(pass)); }
};

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

/// sums[r] += the sums over p of a tile of A that is packed in columns.
inline void add_row_sums(std::int64_t rows, std::int64_t k, const float* a, float* sums) {
  Vec total{};
  for (std::int64_t p = 0; p < k; ++p) total += load(a + p * kTileRows);
  for (std::int64_t r = 0; r < rows; ++r) sums[r] += total[r];
}

/// How A is packed: by its rows, or as columns. Where it could be either (a single row), sums want columns.
inline bool by_rows(const MatrixView& A, const Epilogue& epilogue) {
  return A.column_stride == 1 && !(epilogue.sums && A.row_stride == 1);
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

  // Rows are balanced over tiles: 197 are two of 14 and thirteen of 13 instead of fourteen of 14 and a rest
  // of one.
  std::int64_t tiles = ceil_div(M, kTileRows);

  // Floats from one packed tile of A to the next. Five cache lines apart, since tiles that are written
  // together must not lie at the same place of a page: they would compete for one set of the first-level
  // cache.
  std::int64_t a_tile = kTileRows * round_up(passes.depth, kLanes) + 80;

  const float* element(std::int64_t i, std::int64_t p) const {
    return A.data + i * A.row_stride + p * A.column_stride;
  }

  /// Packs tiles [t0, t1), columns [first, first + k) of A.
  void pack_block(std::int64_t t0, std::int64_t t1, std::int64_t first, std::int64_t k, float* a) const {
    if (row_major) {
      for (std::int64_t t = t0; t < t1; ++t, a += a_tile) {
        const std::int64_t i = cut(M, tiles, t), rows = cut(M, tiles, t + 1) - i;
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
    const std::int64_t i0 = cut(M, tiles, t0), shorter = M / tiles, longer = M % tiles;
    const std::int64_t safe = std::min(t1, tiles - 1), last_rows = M - cut(M, tiles, tiles - 1);
    for (std::int64_t p = 0; p < k; ++p) {
      const float* x = element(i0, first + p);
      float* to = a + p * kTileRows;
      for (std::int64_t t = t0; t < safe; x += shorter + (t < longer), ++t, to += a_tile)
        std::memcpy(to, x, kTileRows * sizeof(float));
      if (t1 == tiles) {
        std::copy_n(x, last_rows, to);
        std::fill_n(to + last_rows, kTileRows - last_rows, 0.0f);
      }
    }
  }

  /// Tiles [t0, t1) × columns [j0, j1) of C. The calling thread will probably go on with tiles from
  /// `next_tile` on.
  void block(std::int64_t t0, std::int64_t t1, std::int64_t j0, std::int64_t j1,
             std::int64_t next_tile) const {
    float* const a = scratch<PackedA>(kBlockTiles * a_tile + kLanes);
    const std::int64_t width = packed_columns(N), first_row = cut(M, tiles, t0);
    const std::int64_t pitch = row_major ? A.row_stride : A.column_stride;
    for (std::int64_t pass = first_pass; pass < last_pass; ++pass) {
      const std::int64_t k = passes.size(pass);
      const bool from_c = epilogue.add || pass > 0, last = pass + 1 == passes.count();
      pack_block(t0, t1, passes.begin(pass), k, a);
      for (std::int64_t t = t0; t < t1; ++t) {
        const std::int64_t i = cut(M, tiles, t), rows = cut(M, tiles, t + 1) - i;
        float* const tile = a + (t - t0) * a_tile;
        if (epilogue.sums && j0 == 0) add_row_sums(rows, k, tile, epilogue.sums + i);
        if (epilogue.scale != 1.0f)
          for (std::int64_t p = 0, n = kTileRows * round_up(k, kLanes); p < n; ++p) tile[p] *= epilogue.scale;
      }
      // What of A will be packed next is fetched while this is computed. Waiting for it would cost 5 to 10 %,
      // since its rows are far apart.
      const bool deeper = pass + 1 < last_pass;
      const float* const next =
          element(cut(M, tiles, deeper ? t0 : next_tile), passes.begin(deeper ? pass + 1 : first_pass));
      const float* const panels = b + (passes.begin(pass) - passes.begin(first_pass)) * width;
      for (std::int64_t j = j0; j < j1; j += kTileColumns) {
        const float* const bias = epilogue.bias && pass == 0 ? epilogue.bias + j : nullptr;
        const std::int64_t columns = std::min<std::int64_t>(kTileColumns, N - j);
        const int vectors = static_cast<int>(panel_width(N, j) / kLanes);
        for (std::int64_t t = t0; t < t1; ++t) {
          const std::int64_t i = cut(M, tiles, t), rows = cut(M, tiles, t + 1) - i;
          float* const c = C + i * c_stride + j;
          const float* const plus = from_c ? c : epilogue.plus ? epilogue.plus + i * c_stride + j : nullptr;
          const float* const tile = a + (t - t0) * a_tile;
          float* const following =
              t + 1 < t1 ? c + rows * c_stride : C + first_row * c_stride + j + kTileColumns;
          const bool last_panel = j + kTileColumns >= j1;
          const Target target{.c = c,
                              .c_stride = c_stride,
                              .rows = rows,
                              .columns = columns,
                              .plus = plus,
                              .bias = bias,
                              .fetch = {following, c_stride,
                                        last_panel ? next + (i - first_row) * (row_major ? pitch : 1) : tile,
                                        last_panel ? pitch : 0},
                              .finish = last && epilogue.finish ? &epilogue.finish : nullptr,
                              .i = i,
                              .j = j};
          if (rows == kTileRows)
            multiply_tile<kTileRows>(row_major, vectors, k, tile, panels + j * k, target);
          else
            multiply_tile<kTileRows - 1>(row_major, vectors, k, tile, panels + j * k, target);
        }
      }
    }
  }

  /// All of it, on all threads. Blocks of rows, and of columns where there are few rows, so that the threads
  /// finish together; every element is computed the same way in any block.
  void run() const {
    const std::int64_t panels = ceil_div(N, kTileColumns);
    const std::int64_t row_blocks = ceil_div(tiles, kBlockTiles);
    const std::int64_t threads = num_threads();
    std::int64_t column_blocks = 1;
    while (threads > 1 &&
           (row_blocks * column_blocks < 4 * threads ||
            (row_blocks < 16 && row_blocks * column_blocks % threads != 0)) &&
           column_blocks < panels)
      ++column_blocks;
    parallel_for(row_blocks * column_blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        const std::int64_t row = n / column_blocks, column = n % column_blocks;
        // The block that this thread will probably do next.
        const std::int64_t next = std::min(row_blocks, (n + threads) / column_blocks);
        block(cut(tiles, row_blocks, row), cut(tiles, row_blocks, row + 1),
              cut(panels, column_blocks, column) * kTileColumns,
              std::min(N, cut(panels, column_blocks, column + 1) * kTileColumns),
              cut(tiles, row_blocks, next));
      }
    });
  }
};

/// Packs passes [first, last) of B (K,N) to `out`.
inline void pack_passes(const Passes& passes, std::int64_t first, std::int64_t last, std::int64_t N,
                        const MatrixView& B, float* out) {
  const std::int64_t width = packed_columns(N);
  constexpr std::int64_t kRows = 64;  // of a pass that one thread packs, a multiple of the lanes
  const std::int64_t pieces = ceil_div(passes.depth, kRows);
  parallel_for((last - first) * pieces, grain_for(2 * kRows * N), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const std::int64_t pass = first + n / pieces, skip = n % pieces * kRows, k = passes.size(pass);
      if (skip < k)
        pack_b(std::min(kRows, k - skip), N, B, passes.begin(pass) + skip, 0, N, k, skip,
               out + (passes.begin(pass) - passes.begin(first)) * width);
    }
  });
}

}  // namespace gemm_detail

inline PackedMatrix::PackedMatrix(std::int64_t K, std::int64_t N, const MatrixView& B) : K_(K), N_(N) {
  const gemm_detail::Passes passes(K);
  buffer_ = Buffer(static_cast<std::size_t>(K * packed_columns(N)) * sizeof(float));
  gemm_detail::pack_passes(passes, 0, passes.count(), N, B, static_cast<float*>(buffer_.data()));
}

/// C (M,N) = scale · A (M,K) · B (K,N), then the epilogue. C is row-major with `c_stride` floats from row to
/// row and must not overlap A or B. Uses all threads, or only the calling one from within a `parallel_for`.
/// The sum over K is taken in the same order for every number of threads.
inline void gemm(std::int64_t M, std::int64_t N, std::int64_t K, const MatrixView& A, const MatrixView& B,
                 float* C, std::int64_t c_stride, const Epilogue& epilogue = {}) {
  using namespace gemm_detail;
  if (M == 0 || N == 0) return;
  const Passes passes(K);
  const std::int64_t width = packed_columns(N);
  const std::int64_t at_once =
      std::clamp<std::int64_t>(kPackedFloats / (passes.depth * width), 1, passes.count());
  float* const b = scratch<PackedB>(at_once * passes.depth * width);
  for (std::int64_t first = 0; first < passes.count(); first += at_once) {
    const std::int64_t last = std::min(passes.count(), first + at_once);
    pack_passes(passes, first, last, N, B, b);
    Product{M, N, A, b, first, last, passes, C, c_stride, epilogue}.run();
  }
}

/// The same with B packed before.
inline void gemm(std::int64_t M, const MatrixView& A, const PackedMatrix& B, float* C, std::int64_t c_stride,
                 const Epilogue& epilogue = {}) {
  using namespace gemm_detail;
  if (M == 0 || B.N() == 0) return;
  const Passes passes(B.K());
  Product{M, B.N(), A, B.data(), 0, passes.count(), passes, C, c_stride, epilogue}.run();
}

/// sums (M) += the sums of the rows of A (M,K), stored transposed, to the bit as `Epilogue::sums` has them:
/// for when there is no product to do it on the way.
inline void add_sums(std::int64_t M, std::int64_t K, const MatrixView& A, float* sums) {
  const gemm_detail::Passes passes(K);
  parallel_for(M, grain_for(K), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pass = 0; pass < passes.count(); ++pass)
      for (std::int64_t i = begin; i < end; i += kLanes) {
        const std::int64_t n = std::min<std::int64_t>(kLanes, end - i);
        Vec total{};
        for (std::int64_t p = passes.begin(pass), last = p + passes.size(pass); p < last; ++p) {
          const float* const x = A.data + i + p * A.column_stride;
          total += n == kLanes ? load(x) : load_partial(x, n);
        }
        for (std::int64_t l = 0; l < n; ++l) sums[i + l] += total[l];
      }
  });
}

}  // namespace minivit::inline MINIVIT_ABI
