// Masks for dropout: computed again wherever they are needed, never stored.
#pragma once

#include <cstdint>

#include "minivit/core/rng.hpp"
#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y[i] (+)= x[i] / (1 - p) or 0, the latter with probability p in [0, 1). Whether element i is dropped is a
/// function of (stream, first + i) alone: the same call gives the same mask. `first` is a multiple of 4. y
/// may be x.
inline void dropout_apply(const Rng& stream, std::int64_t first, std::int64_t n, float p, const float* x,
                          float* y, bool add = false) {
  const auto limit =
      static_cast<std::uint64_t>(static_cast<double>(p) * 0x1p32);  // drop if the 32-bit word is below
  const float scale = 1.0f / (1.0f - p);
  for (std::int64_t i = 0; i < n; i += 4) {
    const auto words = stream.at(static_cast<std::uint64_t>(first + i) / 4);
    for (std::int64_t j = 0; j < 4 && i + j < n; ++j) {
      const float kept =
          x[i + j] * (words[static_cast<std::size_t>(j)] >= limit ? scale : 0.0f);  // NaN stays
      y[i + j] = add ? y[i + j] + kept : kept;
    }
  }
}

}  // namespace minivit::inline MINIVIT_ABI
