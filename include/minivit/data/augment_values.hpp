// Posterize, solarize, invert, auto-contrast and equalize: values replaced by others, as Pillow's ImageOps.
#pragma once

#include <cmath>

#include "minivit/data/augment_op.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline float posterize_strength(int bin) { return 8.0f - std::nearbyint(static_cast<float>(bin) / 5.0f); }
inline float solarize_strength(int bin) { return strength_between(bin, 255.0f, 0.0f); }

ChannelTables posterize(const Image& image, float bits);
ChannelTables solarize(const Image& image, float threshold);
ChannelTables invert(const Image& image, float);
ChannelTables auto_contrast(const Image& image, float);
ChannelTables equalize(const Image& image, float);

}  // namespace detail

/// Keeps the upper bits of each value; strength: how many, 0 to 8, else Error.
inline constexpr AugmentOp kPosterize{
    .name = "posterize", .strength = detail::posterize_strength, .tables = detail::posterize};

/// Inverts bright values; strength: from which value on.
inline constexpr AugmentOp kSolarize{
    .name = "solarize", .strength = detail::solarize_strength, .tables = detail::solarize};

/// The negative.
inline constexpr AugmentOp kInvert{.name = "invert", .tables = detail::invert};

/// Stretches each channel to 0…255.
inline constexpr AugmentOp kAutoContrast{.name = "auto_contrast", .tables = detail::auto_contrast};

/// Spreads the values of each channel so that all are about equally frequent.
inline constexpr AugmentOp kEqualize{.name = "equalize", .tables = detail::equalize};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// A table for each channel, made from how often it has each value.
template <class Make>
ChannelTables tables_from_histograms(const Image& in, const Make& make) {
  std::array<std::array<std::int64_t, 256>, 3> histograms{};
  for (std::size_t i = 0; i < in.pixels.size(); i += 3)
    for (std::size_t c = 0; c < 3; ++c) ++histograms[c][in.pixels[i + c]];
  ChannelTables tables;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t v = 0; v < 256; ++v) tables[c][v] = static_cast<std::uint8_t>(v);
    make(histograms[c], tables[c]);
  }
  return tables;
}

MINIVIT_INLINE ChannelTables auto_contrast(const Image& in, float) {
  return tables_from_histograms(in, [](const auto& histogram, auto& table) {
    int low = 0, high = 255;
    while (histogram[static_cast<std::size_t>(low)] == 0) ++low;
    while (histogram[static_cast<std::size_t>(high)] == 0) --high;
    if (high <= low) return;
    const double scale = 255.0 / (high - low), offset = -low * scale;
    for (int v = 0; v < 256; ++v)
      table[static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(
          std::clamp(static_cast<int>(rounded_product(static_cast<double>(v), scale) + offset), 0, 255));
  });
}

MINIVIT_INLINE ChannelTables equalize(const Image& in, float) {
  return tables_from_histograms(in, [](const auto& histogram, auto& table) {
    const std::int64_t total = std::accumulate(histogram.begin(), histogram.end(), std::int64_t{0});
    const auto last =
        std::find_if(histogram.rbegin(), histogram.rend(), [](std::int64_t n) { return n != 0; });
    const std::int64_t step = (total - *last) / 255;
    if (step == 0) return;
    std::int64_t below = step / 2;
    for (std::size_t v = 0; v < 256; ++v) {
      table[v] = static_cast<std::uint8_t>(std::min<std::int64_t>(below / step, 255));
      below += histogram[v];
    }
  });
}

MINIVIT_INLINE ChannelTables posterize(const Image&, float bits) {
  check(bits >= 0 && bits <= 8, "augment: posterize keeps 0 to 8 bits, not ", bits);
  const int mask = 0xFF00 >> static_cast<int>(bits);
  return same_tables([=](int v) { return v & mask; });
}
MINIVIT_INLINE ChannelTables solarize(const Image&, float threshold) {
  return same_tables([=](int v) { return static_cast<float>(v) < threshold ? v : 255 - v; });
}
MINIVIT_INLINE ChannelTables invert(const Image&, float) {
  return same_tables([](int v) { return 255 - v; });
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
