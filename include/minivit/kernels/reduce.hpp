// Sums whose order, and so whose rounding, does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "minivit/core/parallel.hpp"
#include "minivit/core/pool.hpp"
#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

namespace detail {
struct PartialSums;
inline constexpr std::int64_t kSumChunk = 16384;  // elements; fixed, since it decides how sums are rounded

}  // namespace detail

/// Sum over [0, n) of chunk(begin, end) → double, taken chunk by chunk.
template <class Chunk>
[[nodiscard]] double sum_of_chunks(std::int64_t n, const Chunk& chunk) {
  const std::int64_t chunks = (n + detail::kSumChunk - 1) / detail::kSumChunk;
  double* const partial = scratch<detail::PartialSums, double>(chunks);
  parallel_for(n, detail::kSumChunk, [&](std::int64_t begin, std::int64_t end) {
    partial[begin / detail::kSumChunk] = chunk(begin, end);
  });
  double total = 0;
  for (std::int64_t i = 0; i < chunks; ++i) total += partial[i];
  return total;
}

/// Sum of x[0, n).
[[nodiscard]] inline double sum(std::int64_t n, const float* x) {
  return sum_of_chunks(n, [&](std::int64_t begin, std::int64_t end) {
    double lanes[8] = {};  // eight sums at a time: the compiler makes a vector of them
    std::int64_t i = begin;
    for (; i + 8 <= end; i += 8)
      for (int l = 0; l < 8; ++l) lanes[l] += x[i + l];
    for (; i < end; ++i) lanes[0] += x[i];
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  });
}

/// Sum of the squares of x[0, n).
[[nodiscard]] inline double sum_of_squares(std::int64_t n, const float* x) {
  return sum_of_chunks(n, [&](std::int64_t begin, std::int64_t end) {
    double lanes[8] = {};
    std::int64_t i = begin;
    for (; i + 8 <= end; i += 8)
      for (int l = 0; l < 8; ++l) lanes[l] += static_cast<double>(x[i + l]) * x[i + l];
    for (; i < end; ++i) lanes[0] += static_cast<double>(x[i]) * x[i];
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  });
}

/// out[j] (+)= the sum over rows i of f(i, j) for j in [0, columns): `f(i, j, n)` gives the n ≤ kLanes values
/// from column j on as a Vec. Each thread takes whole strips of columns, so no partial sums have to be
/// merged.
template <class F>
void column_sums(std::int64_t rows, std::int64_t columns, float* out, bool add, const F& f) {
  // Rows are summed up in groups first: an error that grows with the square root of the rows, not with the
  // rows.
  constexpr std::int64_t kGroup = 64;
  parallel_for(columns, 4 * kLanes, [&](std::int64_t c0, std::int64_t c1) {
    Vec total[4]{}, group[4]{};
    const int vectors = static_cast<int>((c1 - c0 + kLanes - 1) / kLanes);
    for (std::int64_t i0 = 0; i0 < rows; i0 += kGroup) {
      for (Vec& v : group) v = Vec{};
      for (std::int64_t i = i0; i < std::min(rows, i0 + kGroup); ++i)
        for (int v = 0; v < vectors; ++v) {
          const std::int64_t j = c0 + v * kLanes;
          group[v] += f(i, j, std::min<std::int64_t>(kLanes, c1 - j));
        }
      for (int v = 0; v < 4; ++v) total[v] += group[v];
    }
    for (int v = 0; v < vectors; ++v) {
      const std::int64_t j = c0 + v * kLanes, n = std::min<std::int64_t>(kLanes, c1 - j);
      store_partial(out + j, add ? total[v] + load_partial(out + j, n) : total[v], n);
    }
  });
}

/// out (N) (+)= the sums over the rows of x (M,N).
inline void column_sums(std::int64_t rows, std::int64_t columns, const float* x, float* out, bool add) {
  column_sums(rows, columns, out, add, [=](std::int64_t i, std::int64_t j, std::int64_t n) {
    return load_some(x + i * columns + j, n);
  });
}

/// out (outer, inner) (+)= the sums over the middle axis of x (outer, n, inner).
inline void sum_middle(std::int64_t outer, std::int64_t n, std::int64_t inner, const float* x, float* out,
                       bool add) {
  if (outer == 1 && inner > 1) return column_sums(n, inner, x, out, add);
  const auto one = [&](std::int64_t o) {
    if (inner > 1)
      column_sums(n, inner, x + o * n * inner, out + o * inner, add);
    else
      out[o] = static_cast<float>(sum(n, x + o * n)) + (add ? out[o] : 0.0f);
  };
  if (outer == 1) return one(0);
  parallel_for(outer, grain_for(n * inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) one(o);
  });
}

}  // namespace minivit::inline MINIVIT_ABI::kernels
