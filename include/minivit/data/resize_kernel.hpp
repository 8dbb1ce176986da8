// Weighted sums of bytes, the inner loop of resizing.
//
// Four bytes lie in a word of 32 bits, and each has a sum in the place of that word: bytes come apart and
// together again by shifts, and nothing changes its place. Written in vectors of GCC and Clang, which left to
// themselves widen bytes in a roundabout way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// Fractional bits of the weights of a resize, as in Pillow.
inline constexpr int kWeightBits = 22;

inline constexpr int kWordLanes = MINIVIT_WORD_LANES;  ///< words in a vector
using Words = std::uint32_t __attribute__((vector_size(4 * kWordLanes)));
using Sums = std::int32_t __attribute__((vector_size(4 * kWordLanes)));

/// N vectors of words at `out`, byte c < C of each the weighted sum of byte c of the words at words +
/// k·stride, k < count, rounded and cut to a byte; further bytes are 0. `stride` is in bytes.
template <int N, int C>
void weighted_words(const void* words, std::size_t stride, const std::int32_t* weights, int count,
                    void* out) {
  const auto* in = static_cast<const std::uint8_t*>(words);
  // Unsigned, which wraps: thousands of tiny weights that are all rounded up would overflow.
  Words sums[static_cast<std::size_t>(N)][static_cast<std::size_t>(C)];
  for (auto& word : sums)
    for (Words& s : word) s = Words{} + (1u << (kWeightBits - 1));
  for (int k = 0; k < count; ++k, in += stride) {
    const Words weight = Words{} + static_cast<std::uint32_t>(weights[k]);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      Words v;
      std::memcpy(&v, in + static_cast<std::size_t>(j) * sizeof v, sizeof v);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) sums[j][c] += (c < 3 ? (v >> (8 * c)) & 255u : v >> 24) * weight;
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    Words v{};
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      Sums value = (Sums)sums[j][c] >> kWeightBits;
      value = value < 0 ? Sums{} : value;
      value = value > 255 ? Sums{} + 255 : value;
      v |= (Words)value << (8 * c);
    }
    std::memcpy(static_cast<std::uint8_t*>(out) + static_cast<std::size_t>(j) * sizeof v, &v, sizeof v);
  }
}

/// out[i] = the weighted sum of in[i + k·stride] over k < count, rounded and cut to a byte; i in [0, size).
inline void weighted_bytes(const std::uint8_t* in, std::size_t stride, const std::int32_t* weights, int count,
                           std::uint8_t* out, std::size_t size) {
  constexpr std::size_t kWide = 3 * sizeof(Words), kNarrow = sizeof(Words);
  std::size_t i = 0;
  for (; i + kWide <= size; i += kWide) weighted_words<3, 4>(in + i, stride, weights, count, out + i);
  for (; i + kNarrow <= size; i += kNarrow) weighted_words<1, 4>(in + i, stride, weights, count, out + i);
  if (i < size && size >= kNarrow) {  // the last vector overlaps the one before
    i = size - kNarrow;
    return weighted_words<1, 4>(in + i, stride, weights, count, out + i);
  }
  for (; i < size; ++i) {
    std::uint32_t sum = 1u << (kWeightBits - 1);
    for (int k = 0; k < count; ++k)
      sum += in[i + static_cast<std::size_t>(k) * stride] * static_cast<std::uint32_t>(weights[k]);
    out[i] = static_cast<std::uint8_t>(std::clamp(static_cast<std::int32_t>(sum) >> kWeightBits, 0, 255));
  }
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
