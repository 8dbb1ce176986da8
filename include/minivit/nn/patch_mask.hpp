// Patches of images that stay visible while the others are hidden, drawn at random.
#pragma once

#include <cstdint>
#include <vector>

#include "minivit/core/rng.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Of each of B images with N patches, which are visible: K of each, in ascending order.
struct PatchMask {
  std::int64_t images = 0, patches = 0;  ///< B, N
  std::vector<int> visible;              ///< (B, K): numbers of patches, 0 to N - 1
  std::vector<int> hidden;               ///< (B, N - K): the others

  std::int64_t visible_patches() const { return images == 0 ? 0 : std::ssize(visible) / images; }
  std::int64_t hidden_patches() const { return images == 0 ? 0 : std::ssize(hidden) / images; }
};

/// Draws `visible` of N = `patches` patches for each image, every choice being as probable as any other: of N
/// random words the patches of the lowest stay, as in K. He et al., arXiv:2111.06377. Image b has words of
/// its own, so that it does not matter how many images there are. Throws ConfigError unless 1 ≤ visible < N.
[[nodiscard]] PatchMask draw_patch_mask(std::int64_t images, std::int64_t patches, std::int64_t visible,
                                        const Rng& rng);

/// How many of N patches are visible if this part of them is hidden: one at least, and one at least is not.
[[nodiscard]] std::int64_t visible_patches(std::int64_t patches, double hidden_part);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE PatchMask draw_patch_mask(std::int64_t images, std::int64_t patches, std::int64_t visible,
                                         const Rng& rng) {
  check<ConfigError>(visible >= 1 && visible < patches, "patch mask: ", visible, " of ", patches,
                     " patches are visible, expected one at least, and not all");
  PatchMask mask{.images = images, .patches = patches, .visible = {}, .hidden = {}};
  const auto N = static_cast<std::size_t>(patches);
  const std::uint64_t blocks = (N + 3) / 4;  // of four words, for one image
  std::vector<std::pair<std::uint32_t, int>> words(N);
  std::vector<char> is_visible(N);
  for (std::int64_t b = 0; b < images; ++b) {
    for (std::uint64_t k = 0; k < blocks; ++k) {
      const auto drawn = rng.at(static_cast<std::uint64_t>(b) * blocks + k);
      for (std::size_t j = 0, n = 4 * k; j < 4 && n < N; ++j, ++n) words[n] = {drawn[j], static_cast<int>(n)};
    }
    std::nth_element(words.begin(), words.begin() + visible, words.end());  // no two are equal
    std::fill(is_visible.begin(), is_visible.end(), 0);
    for (std::int64_t k = 0; k < visible; ++k)
      is_visible[static_cast<std::size_t>(words[static_cast<std::size_t>(k)].second)] = 1;
    for (std::size_t n = 0; n < N; ++n)
      (is_visible[n] ? mask.visible : mask.hidden).push_back(static_cast<int>(n));
  }
  return mask;
}

MINIVIT_INLINE std::int64_t visible_patches(std::int64_t patches, double hidden_part) {
  const auto visible =
      static_cast<std::int64_t>(std::round(static_cast<double>(patches) * (1 - hidden_part)));
  return std::clamp<std::int64_t>(visible, 1, std::max<std::int64_t>(patches - 1, 1));
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
