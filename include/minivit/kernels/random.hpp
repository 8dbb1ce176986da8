// Masks for dropout: computed again wherever they are needed, never stored.
#pragma once

#include <algorithm>
#include <cstdint>

#include "minivit/core/rng.hpp"
#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

/// y[i] (+)= x[i] / (1 - p) or 0, the latter with probability p in [0, 1). Whether element i is dropped is a
/// function of (stream, first + i) alone: the same call gives the same mask. `first` is a multiple of 4. y
/// may be x.
inline void dropout_apply(const Rng& stream, std::int64_t first, std::int64_t n, float p, const float* x,
                          float* y, bool add = false) {
  const auto limit =
      static_cast<std::uint32_t>(static_cast<double>(p) * 0x1p32);  // drop if the word is below; p < 1
  const float scale = 1.0f / (1.0f - p);
  const auto apply = [&](std::int64_t i, std::int64_t count, const std::uint32_t* words) {
    for (std::int64_t j = 0; j < count; ++j) {
      const float kept = x[i + j] * (words[j] >= limit ? scale : 0.0f);  // NaN stays
      y[i + j] = add ? y[i + j] + kept : kept;
    }
  };
  // Sixteen blocks of four words fill the widest registers; what is short takes no more than it needs.
  std::uint32_t words[64];
  std::int64_t i = 0;
  const auto position = [&] { return static_cast<std::uint64_t>(first + i) / 4; };
  for (; i + 64 <= n; i += 64) stream.fill<16>(position(), words), apply(i, 64, words);
  for (; i < n; i += 16)
    stream.fill<4>(position(), words), apply(i, std::min<std::int64_t>(16, n - i), words);
}

}  // namespace minivit::inline MINIVIT_ABI::kernels
