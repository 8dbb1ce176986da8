// Resizing as Pillow does it, to the bit: pretrained weights were made with it, and their accuracy hangs on
// it.
//
// Two passes, first along the rows, then along the columns. Each output pixel is a weighted sum of the input
// pixels under a filter that is as wide as the step between output pixels (so that shrinking does not alias).
// Weights are integers of 22 fractional bits, sums 32 bits, and the picture between the passes is rounded to
// bytes. Method: Pillow, src/libImaging/Resample.c (8 bits per channel) and Geometry.c (nearest).
#pragma once

#include "minivit/core/fields.hpp"
#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// How `resize` weighs the pixels around a place: Pillow's NEAREST, BILINEAR (triangle) and BICUBIC (Keys, a
/// = -0.5).
enum class Filter { nearest, bilinear, bicubic };

/// `image` at width x height pixels, as Pillow's `Image.resize((width, height), filter)`, bit for bit.
/// Throws ShapeError for an invalid image or a size that `make_image` refuses.
[[nodiscard]] Image resize(const Image& image, int width, int height, Filter filter);

/// A part of an image, in pixels that need not be whole.
struct Region {
  double left = 0, top = 0, width = 0, height = 0;
};

/// `region` of `image` at width x height pixels. Of whole pixels the same as `crop` and `resize`, bit for
/// bit: nothing beyond the region (and the pixels that its edges cut) counts. Throws ShapeError as `resize`,
/// and unless the region lies within the image and is not empty.
[[nodiscard]] Image resize(const Image& image, const Region& region, int width, int height, Filter filter);

/// The part of `image` of `width` x `height` pixels whose upper left corner is at (left, top).
/// Throws ShapeError unless it lies within the image.
[[nodiscard]] Image crop(const Image& image, int left, int top, int width, int height);

/// `image` mirrored: left becomes right. Throws ShapeError for an invalid image.
[[nodiscard]] Image flip(const Image& image);

}  // namespace minivit::inline MINIVIT_ABI::image

namespace minivit::inline MINIVIT_ABI {
template <>
inline constexpr auto kEnumNames<image::Filter> =
    std::to_array<EnumName<image::Filter>>({{image::Filter::nearest, "nearest"},
                                            {image::Filter::bilinear, "bilinear"},
                                            {image::Filter::bicubic, "bicubic"}});
}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/data/resize_kernel.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// One direction of a resize: the `length` input pixels from `begin` on, which lie within `size`, become
/// `out` pixels, of which `count` from number `first` on are wanted.
struct Axis {
  double begin, length;
  int size, out, first, count;

  /// All of `size` pixels to all of `out`.
  static Axis whole(int size, int out) { return {0, static_cast<double>(size), size, out, 0, out}; }

  /// True if every output pixel is an input pixel, number `first` the first.
  bool copies() const { return begin == 0 && length == out; }
};

/// Rows of pixels that belong to an image.
struct View {
  const std::uint8_t* pixels;
  std::size_t stride;  // bytes from row to row
  int width, height, channels;

  static View of(const Image& image) {
    return {image.pixels.data(), image.stride(), image.width, image.height, image.channels};
  }
  const std::uint8_t* at(int x, int y) const {
    return pixels + static_cast<std::size_t>(y) * stride +
           static_cast<std::size_t>(x) * static_cast<std::size_t>(channels);
  }
  View part(int left, int top, int w, int h) const { return {at(left, top), stride, w, h, channels}; }
};

inline Image copy(const View& view) {
  Image out = make_image(view.width, view.height, view.channels);
  for (int y = 0; y < view.height; ++y) std::copy_n(view.at(0, y), out.stride(), out.row(y));
  return out;
}

/// For every output position: the first input position that counts, and the weights from there on.
struct ResizeWeights {
  int taps = 0;                       ///< weights kept for each output position
  std::vector<int> first, count;      ///< input positions [first, first + count)
  std::vector<std::int32_t> weights;  ///< (outputs, taps)

  const std::int32_t* of(int output) const {
    return weights.data() + static_cast<std::size_t>(output) * static_cast<std::size_t>(taps);
  }
};

inline double filter_value(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::bilinear) return x < 1 ? 1 - x : 0;
  constexpr double a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

inline ResizeWeights resize_weights(const Axis& axis, Filter filter) {
  const double scale = axis.length / axis.out, widening = std::max(scale, 1.0);
  const double support = (filter == Filter::bilinear ? 1.0 : 2.0) * widening;
  const std::size_t outputs = static_cast<std::size_t>(axis.count);
  ResizeWeights w;
  w.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  w.weights.resize(outputs * static_cast<std::size_t>(w.taps));
  w.first.resize(outputs), w.count.resize(outputs);
  std::vector<double> values(static_cast<std::size_t>(w.taps));
  for (std::size_t o = 0; o < outputs; ++o) {
    const double center = axis.begin + (axis.first + static_cast<int>(o) + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int count = std::min(axis.size, static_cast<int>(center + support + 0.5)) - first;
    double sum = 0;
    for (int i = 0; i < count; ++i)
      sum += values[static_cast<std::size_t>(i)] =
          filter_value(filter, (i + first - center + 0.5) * (1.0 / widening));
    for (int i = 0; i < count; ++i) {
      const double weight =
          values[static_cast<std::size_t>(i)] * (sum != 0 ? 1.0 / sum : 1.0) * (1 << kWeightBits);
      w.weights[o * static_cast<std::size_t>(w.taps) + static_cast<std::size_t>(i)] =
          static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    w.first[o] = first;
    w.count[o] = count;
  }
  return w;
}

/// The pass along the rows, for C channels: writes rows of w.first.size() pixels, one behind the other.
template <int C>
void resize_rows(const View& in, const ResizeWeights& w, std::uint8_t* out) {
  const int width = static_cast<int>(w.first.size());
  const std::size_t in_bytes = static_cast<std::size_t>(in.width) * C,
                    out_bytes = static_cast<std::size_t>(width) * C;
  // A block of rows is turned on its side, a pixel in a word: (x, row). So the sums run over whole vectors.
  constexpr int kRows = 2 * kWordLanes;
  constexpr std::size_t kLine = kRows * sizeof(std::uint32_t);
  const auto turned =
      std::make_unique_for_overwrite<std::uint32_t[]>(static_cast<std::size_t>(in.width) * kRows);
  for (int y0 = 0; y0 < in.height; y0 += kRows) {
    const std::uint8_t* from[kRows];
    std::uint8_t* to[kRows];
    for (int r = 0; r < kRows; ++r) {
      const int y = std::min(y0 + r, in.height - 1);  // the last row again where there is none
      from[r] = in.at(0, y);
      to[r] = out + static_cast<std::size_t>(y) * out_bytes;
    }
    // Four bytes are moved for a pixel, whatever is behind it, but not at the end of a row: there may be
    // nothing.
    std::uint32_t* word = turned.get();
    std::size_t i = 0;
    for (; i + sizeof *word <= in_bytes; i += C, word += kRows)
      for (int r = 0; r < kRows; ++r) std::memcpy(word + r, from[r] + i, sizeof *word);
    for (; i < in_bytes; i += C, word += kRows)
      for (int r = 0; r < kRows; ++r) std::memcpy(word + r, from[r] + i, C);
    std::uint32_t line[kRows];
    for (int x = 0; x < width; ++x) {
      const std::size_t o = static_cast<std::size_t>(x);
      weighted_words<2, C>(turned.get() + static_cast<std::size_t>(w.first[o]) * kRows, kLine, w.of(x),
                           w.count[o], line);
      // Here, too, four bytes: the next pixel overwrites what is too much.
      if ((o + 1) * C + (sizeof *line - C) <= out_bytes)
        for (int r = 0; r < kRows; ++r) std::memcpy(to[r] + o * C, &line[r], sizeof *line);
      else
        for (int r = 0; r < kRows; ++r) std::memcpy(to[r] + o * C, &line[r], C);
    }
  }
}

inline void resize_rows(const View& in, const ResizeWeights& w, std::uint8_t* out) {
  switch (in.channels) {
    case 1:
      return resize_rows<1>(in, w, out);
    case 2:
      return resize_rows<2>(in, w, out);
    case 3:
      return resize_rows<3>(in, w, out);
    default:
      return resize_rows<4>(in, w, out);
  }
}

/// The pass along the columns; row 0 of `in` is input position `top`.
inline Image resize_columns(const View& in, int top, const ResizeWeights& w) {
  Image out = make_image(in.width, static_cast<int>(w.first.size()), in.channels);
  for (int y = 0; y < out.height; ++y) {
    const std::size_t o = static_cast<std::size_t>(y);
    weighted_bytes(in.at(0, w.first[o] - top), in.stride, w.of(y), w.count[o], out.row(y), out.stride());
  }
  return out;
}

/// For every wanted output position the input position under its center. Added up step by step, as Pillow
/// does.
inline std::vector<int> nearest_positions(const Axis& axis) {
  const double scale = axis.length / axis.out;
  std::vector<int> positions;
  double position = axis.begin + 0.5 * scale;
  for (int o = 0; o < axis.first + axis.count; ++o, position += scale)
    if (o >= axis.first) positions.push_back(std::min(static_cast<int>(position), axis.size - 1));
  return positions;
}

inline Image resize_nearest(const View& in, const Axis& across, const Axis& down) {
  const std::vector<int> xs = nearest_positions(across), ys = nearest_positions(down);
  Image out = make_image(across.count, down.count, in.channels);
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.row(y);
    for (const int x : xs) to = std::copy_n(in.at(x, ys[static_cast<std::size_t>(y)]), in.channels, to);
  }
  return out;
}

/// What `across` and `down` want of `in`: pixels that are not wanted are not made.
inline Image resize_view(const View& in, const Axis& across, const Axis& down, Filter filter) {
  if (across.copies() && down.copies())
    return copy(in.part(across.first, down.first, across.count, down.count));
  if (filter == Filter::nearest) return resize_nearest(in, across, down);
  if (across.copies())
    return resize_columns(in.part(across.first, 0, across.count, in.height), 0, resize_weights(down, filter));
  // First along the rows, those that the columns need.
  ResizeWeights columns;
  int top = down.first, bottom = down.first + down.count;
  if (!down.copies()) {
    columns = resize_weights(down, filter);
    top = columns.first.front(), bottom = columns.first.back() + columns.count.back();
  }
  const ResizeWeights rows = resize_weights(across, filter);
  const View needed = in.part(0, top, in.width, bottom - top);
  if (down.copies()) {
    Image out = make_image(across.count, down.count, in.channels);
    resize_rows(needed, rows, out.pixels.data());
    return out;
  }
  const std::size_t stride = static_cast<std::size_t>(across.count) * static_cast<std::size_t>(in.channels);
  const auto narrow =
      std::make_unique_for_overwrite<std::uint8_t[]>(stride * static_cast<std::size_t>(needed.height));
  resize_rows(needed, rows, narrow.get());
  return resize_columns({narrow.get(), stride, across.count, needed.height, in.channels}, top, columns);
}

inline void check_resized_size(int width, int height) {
  check<ShapeError>(width >= 1 && height >= 1 && std::int64_t{width} * height <= kMaxPixels,
                    "resize: size is ", width, "x", height, ", expected at least 1x1 and at most ",
                    kMaxPixels, " pixels");
}

}  // namespace detail

MINIVIT_INLINE Image resize(const Image& image, int width, int height, Filter filter) {
  detail::check_image("resize", image);
  detail::check_resized_size(width, height);
  return detail::resize_view(detail::View::of(image), detail::Axis::whole(image.width, width),
                             detail::Axis::whole(image.height, height), filter);
}

MINIVIT_INLINE Image resize(const Image& image, const Region& region, int width, int height, Filter filter) {
  detail::check_image("resize", image);
  detail::check_resized_size(width, height);
  const double right = region.left + region.width, bottom = region.top + region.height;
  check<ShapeError>(region.left >= 0 && region.top >= 0 && region.width > 0 && region.height > 0 &&
                        right <= image.width && bottom <= image.height,
                    "resize: ", region.width, "x", region.height, " at (", region.left, ", ", region.top,
                    ") is not within an image of ", image.width, "x", image.height);
  // A region may be so narrow that its sides are the same number: it still has the pixel in which it lies.
  const int x = std::min(static_cast<int>(region.left), image.width - 1),
            y = std::min(static_cast<int>(region.top), image.height - 1);
  const int w = std::max(static_cast<int>(std::ceil(right)) - x, 1),
            h = std::max(static_cast<int>(std::ceil(bottom)) - y, 1);
  return detail::resize_view(detail::View::of(image).part(x, y, w, h),
                             {region.left - x, region.width, w, width, 0, width},
                             {region.top - y, region.height, h, height, 0, height}, filter);
}

MINIVIT_INLINE Image crop(const Image& image, int left, int top, int width, int height) {
  detail::check_image("crop", image);
  check<ShapeError>(width >= 1 && height >= 1 && left >= 0 && top >= 0 && left <= image.width - width &&
                        top <= image.height - height,
                    "crop: ", width, "x", height, " at (", left, ", ", top, ") is not within an image of ",
                    image.width, "x", image.height);
  return detail::copy(detail::View::of(image).part(left, top, width, height));
}

MINIVIT_INLINE Image flip(const Image& image) {
  detail::check_image("flip", image);
  Image out = make_image(image.width, image.height, image.channels);
  const int channels = image.channels;
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* from = image.row(y) + image.stride();
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < image.width; ++x, to += channels) {
      from -= channels;
      for (int c = 0; c < channels; ++c) to[c] = from[c];
    }
  }
  return out;
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
