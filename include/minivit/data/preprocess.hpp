// Preprocessing for evaluation and prediction: geometry and normalization, nothing random.
#pragma once

#include <array>
#include <span>

#include "minivit/core/fields.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/data/image_type.hpp"
#include "minivit/data/resize.hpp"
#include "minivit/tensor/shape.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// Where a center crop begins if half the rest is no whole number: rounded, halves to even, as torchvision
/// and timm do, or rounded down as transformers' image processors do.
enum class CropRounding { even, down };

/// Settings of the preprocessing for evaluation, prediction and serving. Images are RGB, what the model sees
/// may be gray. A transform in the sense of transform.hpp.
struct Preprocess {
  /// squash: resized to floor(size / crop_pct), whatever its shape, center cut out (Hugging Face's ViT and
  /// DeiT, timm's "squash" crop mode).
  /// crop: shortest edge resized to floor(size / crop_pct), center cut out (timm's "center" crop mode).
  enum class Fit { squash, crop };

  int height = 224, width = 224;
  int channels = 3;  ///< what the model sees: 3, or 1 for the luma (ITU-R BT.601) of the normalized channels
  Fit fit = Fit::squash;
  double crop_pct = 1.0;  ///< share of the resized edge that is kept, in (0, 1]
  CropRounding crop_rounding = CropRounding::even;
  Filter filter = Filter::bicubic;
  /// Subtracted from values in [0, 1], from -1000 to 1000; default: ImageNet's.
  std::array<float, 3> mean{0.485f, 0.456f, 0.406f};
  /// Then divided by, from 0.00001 to 1000.
  std::array<float, 3> std{0.229f, 0.224f, 0.225f};

  /// f(name, member, help, range) for every setting.
  static void fields(auto& self, auto&& f) {
    f("height", self.height, "pixels", Range{1, static_cast<double>(kMaxPixels)});
    f("width", self.width, "pixels", Range{1, static_cast<double>(kMaxPixels)});
    f("channels", self.channels, "what the model sees: 3, or 1 for gray", Range{});
    f("fit", self.fit, "center crop, or squash to the model's size", Range{});
    f("crop_pct", self.crop_pct, "part of the edge that a center crop keeps", Range{0, 1, true});
    f("crop_rounding", self.crop_rounding, "of the first pixel of a center crop", Range{});
    f("interpolation", self.filter, "of resizing", Range{});
    f("mean", self.mean, "of each channel, subtracted", Range{-1000, 1000});
    f("std", self.std, "of each channel, divided by", Range{1e-5, 1000});
  }

  /// Throws ConfigError for a value out of range, also for a crop_pct that cuts out of more than kMaxPixels.
  void validate() const;

  /// (channels, height, width).
  [[nodiscard]] Shape sample_shape() const { return {channels, height, width}; }

  /// As a transform (see transform.hpp): the function `preprocess`; nothing is drawn from `rng`. Every image
  /// is cut in the same way: `to_size`, then `finish`.
  void operator()(const Decoded& decoded, Rng& rng, float* out) const;
  void operator()(const Image& image, Rng& rng, float* out) const;
  [[nodiscard]] bool fixed_geometry() const noexcept { return true; }
  [[nodiscard]] Image to_size(const Decoded& decoded) const;
  void finish(const Image& image, Rng& rng, float* out) const;
  [[nodiscard]] int decode_reduction(int image_width, int image_height, const Rng& rng) const;

  friend bool operator==(const Preprocess&, const Preprocess&) = default;
};

/// The image at exactly p.width x p.height pixels, by p.fit. Throws ShapeError for an image that is not RGB
/// or so thin that resizing would make it larger than kMaxPixels, ConfigError for invalid settings.
[[nodiscard]] Image fit_image(const Decoded& decoded, const Preprocess& p);
[[nodiscard]] Image fit_image(const Image& image, const Preprocess& p);

/// The reduction with which an image of width x height pixels may be decoded for `fit_image`: the largest
/// that leaves pixels enough, 1 for Filter::nearest. Throws as that.
[[nodiscard]] int decode_reduction(int width, int height, const Preprocess& p);

/// Writes an image of the size of `p` as planes (channels, height, width), each value (v / 255 - mean) / std.
/// Throws ShapeError if the image has another size or is not RGB.
void to_tensor(const Image& image, const Preprocess& p, float* out);

/// The same into a place of known size. Throws ShapeError, with nothing written, unless it is that of a
/// sample.
void to_tensor(const Image& image, const Preprocess& p, std::span<float> out);

/// The evaluation transform: geometry, then normalization; writes (channels, p.height, p.width). Throws as
/// `fit_image`.
void preprocess(const Image& image, const Preprocess& p, float* out);

namespace detail {

/// The size to which an image of this size is resized before the center crop. Throws ShapeError if it is too
/// large.
[[nodiscard]] std::array<int, 2> size_before_crop(int image_width, int image_height, const Preprocess& p);
[[nodiscard]] inline std::array<int, 2> size_before_crop(const Image& image, const Preprocess& p) {
  return size_before_crop(image.width, image.height, p);
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

namespace minivit::inline MINIVIT_ABI {
using image::CropRounding;
using image::Preprocess;
using image::preprocess;
template <>
inline constexpr auto kEnumNames<Preprocess::Fit> = std::to_array<EnumName<Preprocess::Fit>>(
    {{Preprocess::Fit::crop, "crop"}, {Preprocess::Fit::squash, "squash"}});
template <>
inline constexpr auto kEnumNames<image::CropRounding> = std::to_array<EnumName<image::CropRounding>>(
    {{image::CropRounding::even, "even"}, {image::CropRounding::down, "down"}});
}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "minivit/core/check.hpp"
#include "minivit/data/augment_op.hpp"

namespace minivit::inline MINIVIT_ABI::image {

MINIVIT_INLINE void Preprocess::validate() const {
  check_ranges(*this, "preprocess: ");
  check<ConfigError>(std::int64_t{height} * width <= kMaxPixels, "preprocess: size is ", width, "x", height,
                     ", expected at most ", kMaxPixels, " pixels");
  check<ConfigError>(channels == 1 || channels == 3, "preprocess: channels is ", channels,
                     ", expected 3, or 1 for gray");
  // The sizes before the crop are computed in several places, as whole numbers.
  check<ConfigError>(height / crop_pct * (width / crop_pct) <= static_cast<double>(kMaxPixels),
                     "preprocess: crop_pct is ", crop_pct, ", which cuts ", width, "x", height,
                     " out of more than ", kMaxPixels, " pixels");
}

MINIVIT_INLINE void Preprocess::operator()(const Decoded& decoded, Rng& rng, float* out) const {
  finish(to_size(decoded), rng, out);
}
MINIVIT_INLINE void Preprocess::operator()(const Image& image, Rng&, float* out) const {
  preprocess(image, *this, out);
}
MINIVIT_INLINE Image Preprocess::to_size(const Decoded& decoded) const { return fit_image(decoded, *this); }
MINIVIT_INLINE void Preprocess::finish(const Image& image, Rng&, float* out) const {
  to_tensor(image, *this, out);
}
MINIVIT_INLINE int Preprocess::decode_reduction(int image_width, int image_height, const Rng&) const {
  return image::decode_reduction(image_width, image_height, *this);
}

namespace detail {

/// The start of the middle `part` of `whole`: half the rest, a half rounded to even as Python's round, or
/// down.
inline int center_start(int whole, int part, CropRounding rounding = CropRounding::even) {
  return rounding == CropRounding::down ? (whole - part) / 2
                                        : static_cast<int>(std::nearbyint((whole - part) / 2.0));
}

MINIVIT_INLINE std::array<int, 2> size_before_crop(int image_width, int image_height, const Preprocess& p) {
  const double target_w = std::floor(p.width / p.crop_pct), target_h = std::floor(p.height / p.crop_pct);
  const double w = image_width, h = image_height;
  std::array<double, 2> size;
  if (p.fit == Preprocess::Fit::squash)
    size = {target_w, target_h};
  else if (target_w == target_h)  // torchvision's Resize: the longer edge is cut to a whole number
    size = w <= h ? std::array{target_w, std::floor(target_w * h / w)}
                  : std::array{std::floor(target_h * w / h), target_h};
  else {  // timm's ResizeKeepRatio: rounded
    const double ratio = std::min(h / target_h, w / target_w);
    size = {std::nearbyint(w / ratio), std::nearbyint(h / ratio)};
  }
  check<ShapeError>(size[0] * size[1] <= static_cast<double>(kMaxPixels), "preprocess: an image of ",
                    image_width, "x", image_height, " would become ", size[0], "x", size[1], ", more than ",
                    kMaxPixels, " pixels");
  return {std::max(p.width, static_cast<int>(size[0])), std::max(p.height, static_cast<int>(size[1]))};
}

/// The largest reduction (1, 2, 4 or 8) that leaves at least to_width x to_height of width x height pixels:
/// then what follows still shrinks, and every one of its pixels has pixels of its own to be made of.
inline int reduction_for(int width, int height, int to_width, int to_height) {
  int reduction = 8;
  while (reduction > 1 &&
         (width < reduction * std::int64_t{to_width} || height < reduction * std::int64_t{to_height}))
    reduction /= 2;
  return reduction;
}

inline void check_rgb(const char* op, const Image& image) {
  check_image(op, image);
  check<ShapeError>(image.channels == 3, op, ": image has ", image.channels, " channels, expected 3 (RGB)");
}

/// What each value of each channel becomes: (v / 255 - mean) / std, and for a gray picture its part of that.
using NormalTables = std::array<std::array<float, 256>, 3>;

inline NormalTables normal_tables(const Preprocess& p) {
  constexpr std::array<float, 3> kLuma{0.299f, 0.587f, 0.114f};
  NormalTables tables;
  for (std::size_t c = 0; c < 3; ++c)
    for (int v = 0; v < 256; ++v)
      tables[c][static_cast<std::size_t>(v)] =
          (static_cast<float>(v) / 255.0f - p.mean[c]) / p.std[c] * (p.channels == 1 ? kLuma[c] : 1.0f);
  return tables;
}

/// The same, each value replaced by another one first.
inline NormalTables normal_tables(const Preprocess& p, const ChannelTables& replaced) {
  const NormalTables plain = normal_tables(p);
  NormalTables tables;
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t v = 0; v < 256; ++v) tables[c][v] = plain[c][replaced[c][v]];
  return tables;
}

/// Writes the image (H, W, 3) as planes (3, H, W) of what the tables say, or as their sum (1, H, W); mirrored
/// if asked.
inline void look_up_planes(const Image& image, const NormalTables& tables, bool mirrored, int channels,
                           float* out) {
  const std::size_t width = static_cast<std::size_t>(image.width),
                    plane = width * static_cast<std::size_t>(image.height);
  const std::ptrdiff_t step = mirrored ? -3 : 3;
  for (int y = 0; y < image.height; ++y, out += width)
    for (std::size_t c = 0; c < 3; ++c) {  // a row of one channel at a time: one table, one place to write to
      const float* const table = tables[c].data();
      const std::uint8_t* const in = image.row(y) + c;
      std::ptrdiff_t at = mirrored ? 3 * (image.width - 1) : 0;
      float* const to = channels == 1 ? out : out + c * plane;
      if (channels == 1 && c > 0) {
        for (std::size_t x = 0; x < width; ++x, at += step) to[x] += table[in[at]];
        continue;
      }
#pragma GCC unroll 8
      for (std::size_t x = 0; x < width; ++x, at += step) to[x] = table[in[at]];
    }
}

inline void check_size(const char* op, const Image& image, const Preprocess& p, const char* hint) {
  check_rgb(op, image);
  check<ShapeError>(image.width == p.width && image.height == p.height, op, ": image is ", image.width, "x",
                    image.height, ", expected ", p.width, "x", p.height, hint);
}

/// `fit_image` for an image that was width x height pixels large before it was reduced.
inline Image fit_image(const Image& image, int width, int height, int reduction, const Preprocess& p) {
  p.validate();
  check_rgb("preprocess", image);
  check<ShapeError>(reduction >= 1 && (width - 1) / reduction + 1 == image.width &&
                        (height - 1) / reduction + 1 == image.height,
                    "preprocess: image is ", image.width, "x", image.height, ", expected 1/", reduction,
                    " of ", width, "x", height);
  const auto [w, h] = size_before_crop(width, height, p);
  const double by = reduction;
  return resize_view(
      View::of(image), {0, width / by, image.width, w, center_start(w, p.width, p.crop_rounding), p.width},
      {0, height / by, image.height, h, center_start(h, p.height, p.crop_rounding), p.height}, p.filter);
}

}  // namespace detail

MINIVIT_INLINE Image fit_image(const Decoded& decoded, const Preprocess& p) {
  return detail::fit_image(decoded.image, decoded.width, decoded.height, decoded.reduction, p);
}
MINIVIT_INLINE Image fit_image(const Image& image, const Preprocess& p) {
  return detail::fit_image(image, image.width, image.height, 1, p);
}

MINIVIT_INLINE int decode_reduction(int width, int height, const Preprocess& p) {
  p.validate();
  check<ShapeError>(width >= 1 && height >= 1, "preprocess: an image of ", width, "x", height,
                    ", expected at least 1x1");
  if (p.filter == Filter::nearest) return 1;  // takes pixels as they are
  const auto [w, h] = detail::size_before_crop(width, height, p);
  return detail::reduction_for(width, height, w, h);
}

MINIVIT_INLINE void to_tensor(const Image& image, const Preprocess& p, float* out) {
  detail::check_size("to_tensor", image, p, "; see fit_image");
  detail::look_up_planes(image, detail::normal_tables(p), false, p.channels, out);
}

MINIVIT_INLINE void to_tensor(const Image& image, const Preprocess& p, std::span<float> out) {
  check<ShapeError>(static_cast<std::int64_t>(out.size()) == p.sample_shape().numel(),
                    "to_tensor: there is room for ", out.size(), " numbers, a sample is ", p.sample_shape());
  to_tensor(image, p, out.data());
}

MINIVIT_INLINE void preprocess(const Image& image, const Preprocess& p, float* out) {
  to_tensor(fit_image(image, p), p, out);
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
