// Blurring, as Pillow's GaussianBlur.
#pragma once

#include "minivit/data/augment_op.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {
Image blur(const Image& image, float radius);
}

/// The Gaussian of standard deviation `strength` pixels (its absolute value), by three box blurs of
/// fractional radius along each axis (P. Gwosdek et al., "Theoretical Foundations of Gaussian Convolution by
/// Extended Box Filtering", 2011).
inline constexpr AugmentOp kBlur{.name = "blur", .apply = detail::blur};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// One box blur of `size` pixels `stride` bytes apart: the mean over `whole` pixels on either side and a part
/// of the next ones, in fixed-point numbers of 24 bits.
inline void box_blur(const std::uint8_t* in, std::uint8_t* out, std::int64_t size, std::int64_t stride,
                     std::int64_t whole, std::uint32_t weight, std::uint32_t far_weight) {
  const auto at = [&](std::int64_t i) {
    return std::uint32_t{in[std::clamp<std::int64_t>(i, 0, size - 1) * stride]};
  };
  std::uint32_t sum = 0;  // of the whole pixels
  for (std::int64_t k = -whole; k <= whole; ++k) sum += at(k);
  for (std::int64_t i = 0; i < size; ++i) {
    const std::uint32_t far = at(i - whole - 1) + at(i + whole + 1);
    out[i * stride] = static_cast<std::uint8_t>((sum * weight + far * far_weight + (1u << 23)) >> 24);
    sum += at(i + whole + 1) - at(i - whole);
  }
}

inline Image blur(const Image& image, float deviation) {
  constexpr int kPasses = 3;
  const double variance = static_cast<double>(deviation) * static_cast<double>(deviation) / kPasses;
  const double length = std::sqrt(12.0 * variance + 1.0), whole = std::floor((length - 1.0) / 2.0);
  const double part =
      (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) * (whole + 1)));
  const auto radius = static_cast<float>(whole + part);
  if (!(radius > 0)) return image;
  // As many pixels on either side as the longest edge has: all of them, whatever the radius.
  const auto longest = static_cast<float>(std::max(image.width, image.height));
  const auto inside = static_cast<std::int64_t>(std::min(radius, longest));
  const auto weight = static_cast<std::uint32_t>(16777216.0f / (radius * 2 + 1));
  const auto far_weight =
      static_cast<std::uint32_t>((16777216u - static_cast<std::uint32_t>(inside * 2 + 1) * weight) / 2);
  Image a = image, b = image;
  const auto channels = std::int64_t{image.channels}, stride = static_cast<std::int64_t>(image.stride());
  for (int pass = 0; pass < kPasses; ++pass, std::swap(a, b))
    for (std::int64_t y = 0; y < image.height; ++y)
      for (std::int64_t c = 0; c < channels; ++c)
        box_blur(a.pixels.data() + y * stride + c, b.pixels.data() + y * stride + c, image.width, channels,
                 inside, weight, far_weight);
  for (int pass = 0; pass < kPasses; ++pass, std::swap(a, b))
    for (std::int64_t x = 0; x < stride; ++x)
      box_blur(a.pixels.data() + x, b.pixels.data() + x, image.height, stride, inside, weight, far_weight);
  return a;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
