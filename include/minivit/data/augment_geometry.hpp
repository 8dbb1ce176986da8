// Shearing, translating and rotating: nearest neighbor, black where nothing is, as torchvision on Pillow
// images.
#pragma once

#include "minivit/data/augment_op.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline float shear_strength(int bin) { return strength_between(bin, 0.0f, 0.99f); }
inline float translate_strength(int bin) { return strength_between(bin, 0.0f, 32.0f); }
inline float rotate_strength(int bin) { return strength_between(bin, 0.0f, 135.0f); }

Image shear_x(const Image& image, float ratio);
Image shear_y(const Image& image, float ratio);
Image translate_x(const Image& image, float pixels);
Image translate_y(const Image& image, float pixels);
Image rotate(const Image& image, float degrees);

}  // namespace detail

/// Shears along the rows; strength: the ratio of the shift to the distance from the upper edge.
inline constexpr AugmentOp kShearX{.name = "shear_x",
                                   .strength = detail::shear_strength,
                                   .has_sign = true,
                                   .is_geometric = true,
                                   .apply = detail::shear_x};

/// Shears along the columns; strength: the ratio of the shift to the distance from the left edge.
inline constexpr AugmentOp kShearY{.name = "shear_y",
                                   .strength = detail::shear_strength,
                                   .has_sign = true,
                                   .is_geometric = true,
                                   .apply = detail::shear_y};

/// Moves to the right; strength: pixels, of which the whole part counts.
inline constexpr AugmentOp kTranslateX{.name = "translate_x",
                                       .strength = detail::translate_strength,
                                       .has_sign = true,
                                       .is_geometric = true,
                                       .apply = detail::translate_x};

/// Moves down; strength: pixels, of which the whole part counts.
inline constexpr AugmentOp kTranslateY{.name = "translate_y",
                                       .strength = detail::translate_strength,
                                       .has_sign = true,
                                       .is_geometric = true,
                                       .apply = detail::translate_y};

/// Turns counterclockwise about the center of the image; strength: degrees.
inline constexpr AugmentOp kRotate{.name = "rotate",
                                   .strength = detail::rotate_strength,
                                   .has_sign = true,
                                   .is_geometric = true,
                                   .apply = detail::rotate};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The steps x in [first, last) at which start + x·step lies in [0, size), all in 16.16 fixed point but
/// `size`.
struct Span {
  std::int64_t first, last;
  Span(std::int64_t start, std::int64_t step, std::int64_t size, std::int64_t steps) : first(0), last(steps) {
    const std::int64_t end = size << 16;  // start + x·step must be at least 0 and less than this
    const auto ceil_of = [](std::int64_t a, std::int64_t b) { return a / b + (a % b > 0); };  // b > 0
    if (step == 0) {
      if (start < 0 || start >= end) last = 0;
    } else if (step > 0) {
      first = std::max(first, ceil_of(-start, step));
      last = std::min(last, ceil_of(end - start, step));
    } else {
      first = std::max(first, ceil_of(start - end + 1, -step));
      last = std::min(last, ceil_of(start + 1, -step));
    }
  }
};

/// Fills the output from the input (RGB) at (a x + b y + c, d x + e y + f), (x, y) being the center of an
/// output pixel; black outside. In 16.16 fixed point, as Pillow.
inline Image affine(const Image& in, const std::array<double, 6>& m) {
  const auto fixed = [](double v) { return static_cast<std::int64_t>(std::floor(v * 65536.0 + 0.5)); };
  const std::int64_t a = fixed(m[0]), b = fixed(m[1]), d = fixed(m[3]), e = fixed(m[4]);
  std::int64_t c = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), f = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  Image out = make_image(in.width, in.height);
  const std::int64_t stride = static_cast<std::int64_t>(in.stride());
  const std::uint8_t* const pixels = in.pixels.data();
  for (int y = 0; y < out.height; ++y, c += b, f += e) {
    // Where a line enters and leaves the input is found once, not asked at every pixel.
    const Span across(c, a, in.width, out.width), down(f, d, in.height, out.width);
    const std::int64_t first = std::max(across.first, down.first), last = std::min(across.last, down.last);
    if (first >= last) continue;  // `first` may be far outside of the row
    std::int64_t u = c + first * a, v = f + first * d;
    std::uint8_t* to = out.row(y) + 3 * first;
    for (std::int64_t x = first; x < last; ++x, u += a, v += d, to += 3) {
      const std::uint8_t* from = pixels + (v >> 16) * stride + 3 * (u >> 16);
      to[0] = from[0], to[1] = from[1], to[2] = from[2];
    }
  }
  return out;
}

/// The tangent of a shear given as a ratio, by way of degrees as torchvision.
inline double shear_tangent(double ratio) {
  const double degrees = std::atan(ratio) * (180.0 / std::numbers::pi);
  return std::tan(degrees * (std::numbers::pi / 180.0));
}

MINIVIT_INLINE Image rotate(const Image& in, float degrees) {
  const double angle = -degrees * (std::numbers::pi / 180.0);
  const auto digits15 = [](double v) { return std::nearbyint(v * 1e15) / 1e15; };
  const double cosine = digits15(std::cos(angle)), sine = digits15(std::sin(angle));
  const double x = in.width / 2.0, y = in.height / 2.0;
  return affine(in, {cosine, sine, -x * cosine - y * sine + x, -sine, cosine, x * sine - y * cosine + y});
}

MINIVIT_INLINE Image shear_x(const Image& in, float ratio) {
  return affine(in, {1, shear_tangent(ratio), 0, 0, 1, 0});
}
MINIVIT_INLINE Image shear_y(const Image& in, float ratio) {
  return affine(in, {1, 0, 0, shear_tangent(ratio), 1, 0});
}
MINIVIT_INLINE Image translate_x(const Image& in, float pixels) {
  return affine(in, {1, 0, -std::trunc(static_cast<double>(pixels)), 0, 1, 0});
}
MINIVIT_INLINE Image translate_y(const Image& in, float pixels) {
  return affine(in, {1, 0, 0, 0, 1, -std::trunc(static_cast<double>(pixels))});
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
