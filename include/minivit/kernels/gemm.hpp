// Matrix multiplication: C (M,N) = scale · A (M,K) · B (K,N), plus what its epilogue adds.
//
// The way of every fast GEMM (K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008): A and B are packed into the order in which tiles read them, A a block at a time,
// which stays in the second-level cache, B as panels that every block passes over. docs/kernels.md tells how
// it came to be and what each step gained.
#pragma once

#include <algorithm>
#include <cstdint>

#include "minivit/kernels/product.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

namespace detail {

// A long K is cut into at most so many groups. Each group but the first writes and reads a whole C more.
inline constexpr std::int64_t kGroups = 4;

// Floats of the groups' sums at most, 4 MiB.
inline constexpr std::int64_t kPartialFloats = std::int64_t{1} << 20;

struct PackedB;
struct Partials;

/// C = A · B with its epilogue, `count` passes of B being packed at once.
inline void multiply(std::int64_t M, std::int64_t N, const Passes& passes, std::int64_t count,
                     const MatrixView& A, const MatrixView& B, float* C, std::int64_t c_stride,
                     const Epilogue& epilogue) {
  float* const b = scratch<PackedB>(count * passes.depth * packed_columns(N));
  for (std::int64_t first = 0; first < passes.count(); first += count) {
    const std::int64_t last = std::min(passes.count(), first + count);
    pack_passes(passes, first, last, N, B, b);
    Product{M, N, A, b, first, last, passes, C, c_stride, epilogue}.run();
  }
}

/// Into how many groups K is cut that are summed up each for itself, where C is small and K long, as in dW =
/// dYᵀ X. The sizes alone decide, so that sums are the same for any number of threads.
[[nodiscard]] constexpr std::int64_t groups_of(std::int64_t M, std::int64_t N, std::int64_t K) {
  std::int64_t groups = 1;
  while (groups < kGroups && K >= 2 * groups * kDepth && (2 * groups - 1) * M * N <= kPartialFloats)
    groups *= 2;
  return groups;
}

/// Group g of K.
inline Passes group_passes(std::int64_t K, std::int64_t groups, std::int64_t g) {
  return Passes(cut(K, groups, g + 1) - cut(K, groups, g));
}

/// Whether C is computed in pieces: where K is long, as in dW = dYᵀ X.
[[nodiscard]] constexpr bool in_pieces(std::int64_t K) { return K >= 2 * kDepth; }

/// C = A · B in pieces that are computed at the same time, groups of K × parts of C, cut along its longer
/// side: each thread packs what it multiplies, and threads do not wait for each other, nor read what another
/// has packed. The price is that each of many threads packs all of B.
inline void multiply_in_pieces(std::int64_t M, std::int64_t N, std::int64_t K, const MatrixView& A,
                               const MatrixView& B, float* C, std::int64_t c_stride,
                               const Epilogue& epilogue) {
  const RowTiles tiles{M};
  const std::int64_t groups = groups_of(M, N, K), size = M * N, panels = ceil_div(N, kTileColumns);
  const bool cut_rows = M >= N;
  const std::int64_t parts = std::min(cut_rows ? tiles.count : panels, ceil_div(threads_here(), groups));
  float* const partials = scratch<Partials>((groups - 1) * size + groups * M);
  float* const sums = partials + (groups - 1) * size;
  parallel_for(groups * parts, 1, [&](std::int64_t n, std::int64_t) {
    const std::int64_t g = n / parts, part = n % parts, first = cut(K, groups, g);
    // Whole tiles: what starts from C is rounded otherwise at a rest of one.
    const std::int64_t i = cut_rows ? tiles.begin(cut(tiles.count, parts, part)) : 0,
                       i1 = cut_rows ? tiles.begin(cut(tiles.count, parts, part + 1)) : M,
                       j = cut_rows ? 0 : cut(panels, parts, part) * kTileColumns,
                       j1 = cut_rows ? N : std::min(N, cut(panels, parts, part + 1) * kTileColumns);
    Epilogue mine{.scale = epilogue.scale, .add = g == 0 && epilogue.add};
    if (epilogue.sums && j == 0) {
      mine.sums = (groups == 1 ? epilogue.sums : sums + g * M) + i;
      if (groups > 1) std::fill_n(mine.sums, i1 - i, 0.0f);
    }
    float* const to = g == 0 ? C : partials + (g - 1) * size;
    const std::int64_t stride = g == 0 ? c_stride : N;
    multiply(i1 - i, j1 - j, group_passes(K, groups, g), 1, A.from(first, i), B.from(first, j),
             to + i * stride + j, stride, mine);
  });
  if (groups == 1) return;
  parallel_for(M, grain_for(groups * N), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float* const c = C + i * c_stride;
      for (std::int64_t g = 1; g < groups; ++g)
        map(
            N, c, [](Vec total, Vec part) { return total + part; }, c, partials + (g - 1) * size + i * N);
      for (std::int64_t g = 0; g < groups && epilogue.sums; ++g) epilogue.sums[i] += sums[g * M + i];
    }
  });
}

}  // namespace detail

/// C (M,N) = scale · A (M,K) · B (K,N), then the epilogue. C is row-major with `c_stride` floats from row to
/// row and must not overlap A or B. Uses all threads, or only the calling one from within a `parallel_for`.
/// The sum over K is taken in the same order for every number of threads.
inline void gemm(std::int64_t M, std::int64_t N, std::int64_t K, const MatrixView& A, const MatrixView& B,
                 float* C, std::int64_t c_stride, const Epilogue& epilogue = {}) {
  using namespace detail;
  if (M == 0 || N == 0) return;
  const bool along_rows = A.row_stride == 1 && !A.row_map && B.column_stride == 1,
             sums_only = !epilogue.bias && !epilogue.plus && !epilogue.finish;
  if (in_pieces(K) && along_rows && sums_only)
    return multiply_in_pieces(M, N, K, A, B, C, c_stride, epilogue);
  const Passes passes(K);
  const std::int64_t count =
      std::clamp<std::int64_t>(kPackedFloats / (passes.depth * packed_columns(N)), 1, passes.count());
  multiply(M, N, passes, count, A, B, C, c_stride, epilogue);
}

/// The same with B packed before.
inline void gemm(std::int64_t M, const MatrixView& A, const PackedMatrix& B, float* C, std::int64_t c_stride,
                 const Epilogue& epilogue = {}) {
  using namespace detail;
  if (M == 0 || B.N() == 0) return;
  const Passes passes(B.K());
  Product{M, B.N(), A, B.data(), 0, passes.count(), passes, C, c_stride, epilogue}.run();
}

/// sums (M) += the sums of the rows of A (M,K), stored transposed, to the bit as `Epilogue::sums` has them in
/// a product with N columns: for when there is no product to do it on the way.
inline void add_sums(std::int64_t M, std::int64_t N, std::int64_t K, const MatrixView& A, float* sums) {
  using namespace detail;
  const std::int64_t groups = groups_of(M, N, K);
  parallel_for(M, grain_for(K), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += kLanes) {
      const std::int64_t n = std::min<std::int64_t>(kLanes, end - i);
      Vec all = load_some(sums + i, n);
      for (std::int64_t g = 0; g < groups; ++g) {
        const std::int64_t start = cut(K, groups, g);
        const Passes passes = group_passes(K, groups, g);
        Vec group = groups == 1 ? all : Vec{};
        for (std::int64_t pass = 0; pass < passes.count(); ++pass) {
          Vec total{};
          for (std::int64_t p = passes.begin(pass), last = p + passes.size(pass); p < last; ++p)
            total += load_some(A.data + i + (start + p) * A.column_stride, n);
          group += total;
        }
        all = groups == 1 ? group : all + group;
      }
      store_some(sums + i, all, n);
    }
  });
}

}  // namespace minivit::inline MINIVIT_ABI::kernels
