// Brightness, color, contrast and sharpness: the image blended with one that has none of it, as Pillow's
// ImageEnhance.
#pragma once

#include "minivit/data/augment_op.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline float enhancement(int bin) { return strength_between(bin, 0.0f, 0.99f); }

ChannelTables brightness(const Image& image, float change);
ChannelTables contrast(const Image& image, float change);
Image color(const Image& image, float change);
Image sharpness(const Image& image, float change);

}  // namespace detail

// Their strength is the change: 0 none, -1 all gone, 1 twice as much.

/// Blends with black.
inline constexpr AugmentOp kBrightness{
    .name = "brightness", .strength = detail::enhancement, .has_sign = true, .tables = detail::brightness};

/// Blends with the gray image.
inline constexpr AugmentOp kColor{
    .name = "color", .strength = detail::enhancement, .has_sign = true, .apply = detail::color};

/// Blends with the mean gray.
inline constexpr AugmentOp kContrast{
    .name = "contrast", .strength = detail::enhancement, .has_sign = true, .tables = detail::contrast};

/// Blends with the smoothed image.
inline constexpr AugmentOp kSharpness{
    .name = "sharpness", .strength = detail::enhancement, .has_sign = true, .apply = detail::sharpness};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// Values that are worked on together: loops of a fixed length become vector instructions at -O2 too.
inline constexpr std::size_t kBlock = 64;

/// Calls f(first) for blocks of kBlock that cover `size` values; the last may overlap the one before, which
/// is fine as long as nothing is worked on in place. False, and no calls, if there is less than a block.
template <class F>
bool for_each_block(std::size_t size, const F& f) {
  if (size < kBlock) return false;
  for (std::size_t i = 0; i + kBlock < size; i += kBlock) f(i);
  f(size - kBlock);
  return true;
}

/// `plain` + factor · (value - plain), cut to a byte. The product is rounded to float before it is added, as
/// in Pillow: it is exact as double, so that no compiler can fuse the two.
inline std::uint8_t blend_value(int plain, int value, double factor) {
  const float sum = static_cast<float>(plain) + static_cast<float>(factor * (value - plain));
  return static_cast<std::uint8_t>(static_cast<int>(std::clamp(sum, 0.0f, 255.0f)));
}

/// Every value of `in` blended with the one of `plain` in its place; factor above 1 exaggerates.
inline Image blend(const Image& plain, const Image& in, float factor) {
  Image out = make_image(in.width, in.height, in.channels);
  const std::uint8_t *const a = plain.pixels.data(), *const b = in.pixels.data();
  std::uint8_t* const to = out.pixels.data();
  const bool done = for_each_block(in.pixels.size(), [&](std::size_t first) {
    std::uint8_t values[kBlock];
    for (std::size_t i = 0; i < kBlock; ++i) values[i] = blend_value(a[first + i], b[first + i], factor);
    std::copy_n(values, kBlock, to + first);
  });
  if (!done)
    for (std::size_t i = 0; i < in.pixels.size(); ++i) to[i] = blend_value(a[i], b[i], factor);
  return out;
}

/// Brightness of an RGB pixel, ITU-R 601-2, as Pillow's mode "L".
inline std::uint8_t luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

inline Image gray(const Image& in) {
  Image out = in;
  for (std::size_t i = 0; i < in.pixels.size(); i += 3) {
    const std::uint8_t value = luma(&in.pixels[i]);
    out.pixels[i] = out.pixels[i + 1] = out.pixels[i + 2] = value;
  }
  return out;
}

/// The mean brightness, rounded.
inline int mean_gray(const Image& in) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < in.pixels.size(); i += 3) sum += luma(&in.pixels[i]);
  const double mean = static_cast<double>(sum) / (static_cast<double>(in.width) * in.height);
  return static_cast<std::uint8_t>(mean + 0.5);
}

/// The mean of each pixel (weight 5) and its eight neighbors (weight 1); the rim stays.
inline Image smooth(const Image& in) {
  Image out = in;
  const std::size_t stride = in.stride(), channels = static_cast<std::size_t>(in.channels);
  if (in.width < 3) return out;
  for (int y = 1; y + 1 < in.height; ++y) {
    const std::uint8_t *above = in.row(y - 1), *at = above + stride, *below = at + stride;
    std::uint8_t* const to = out.row(y) + channels;
    const auto value = [=](std::size_t i) {  // byte i behind the first pixel of the row
      const auto three = [=](const std::uint8_t* p) { return p[i] + p[i + channels] + p[i + 2 * channels]; };
      const int sum = 4 * at[i + channels] + three(above) + three(at) + three(below);
      return static_cast<std::uint8_t>(static_cast<std::uint16_t>(2 * sum + 13) / 26);
    };
    const std::size_t size = stride - 2 * channels;
    const bool done = for_each_block(size, [&](std::size_t first) {
      std::uint8_t values[kBlock];
      for (std::size_t i = 0; i < kBlock; ++i) values[i] = value(first + i);
      std::copy_n(values, kBlock, to + first);
    });
    if (!done)
      for (std::size_t i = 0; i < size; ++i) to[i] = value(i);
  }
  return out;
}

/// The weight of the image in the blend.
inline float blend_factor(float change) { return static_cast<float>(1.0 + change); }

MINIVIT_INLINE ChannelTables brightness(const Image&, float change) {
  const float factor = blend_factor(change);
  return same_tables([=](int v) { return blend_value(0, v, factor); });
}
MINIVIT_INLINE ChannelTables contrast(const Image& image, float change) {
  const float factor = blend_factor(change);
  const int mean = mean_gray(image);
  return same_tables([=](int v) { return blend_value(mean, v, factor); });
}
MINIVIT_INLINE Image color(const Image& image, float change) {
  return blend(gray(image), image, blend_factor(change));
}
MINIVIT_INLINE Image sharpness(const Image& image, float change) {
  return blend(smooth(image), image, blend_factor(change));
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
