// Resizing as Pillow does it, to the bit: pretrained weights were made with it, and their accuracy hangs on
// it.
//
// Two passes, first along the rows, then along the columns. Each output pixel is a weighted sum of the input
// pixels under a filter that is as wide as the step between output pixels (so that shrinking does not alias).
// Weights are integers of 22 fractional bits, sums 32 bits, and the picture between the passes is rounded to
// bytes. Method: Pillow, src/libImaging/Resample.c (8 bits per channel) and Geometry.c (nearest).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI {

/// How `resize` weighs the pixels around a place: Pillow's NEAREST, BILINEAR (triangle) and BICUBIC (Keys, a
/// = -0.5).
enum class Filter { nearest, bilinear, bicubic };

namespace detail {

inline constexpr int kWeightBits = 22;

/// For every output position: the first input position that counts, and the weights from there on.
struct ResizeWeights {
  int taps = 0;                       ///< weights kept for each output position
  std::vector<int> first, count;      ///< input positions [first, first + count)
  std::vector<std::int32_t> weights;  ///< (outputs, taps)
};

inline double filter_value(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::bilinear) return x < 1 ? 1 - x : 0;
  constexpr double a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

inline ResizeWeights resize_weights(int in, int out, Filter filter) {
  const double scale = static_cast<double>(in) / out, widening = std::max(scale, 1.0);
  const double support = (filter == Filter::bilinear ? 1.0 : 2.0) * widening;
  ResizeWeights w;
  w.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  w.weights.resize(static_cast<std::size_t>(out) * static_cast<std::size_t>(w.taps));
  std::vector<double> values(static_cast<std::size_t>(w.taps));
  for (int o = 0; o < out; ++o) {
    const double centre = (o + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int count = std::min(in, static_cast<int>(centre + support + 0.5)) - first;
    double sum = 0;
    for (int i = 0; i < count; ++i)
      sum += values[static_cast<std::size_t>(i)] =
          filter_value(filter, (i + first - centre + 0.5) * (1.0 / widening));
    for (int i = 0; i < count; ++i) {
      const double weight =
          values[static_cast<std::size_t>(i)] * (sum != 0 ? 1.0 / sum : 1.0) * (1 << kWeightBits);
      w.weights[static_cast<std::size_t>(o) * static_cast<std::size_t>(w.taps) +
                static_cast<std::size_t>(i)] =
          static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    w.first.push_back(first);
    w.count.push_back(count);
  }
  return w;
}

/// out[i] = the weighted sum of in[i], in[i + stride], …: `count` terms; i in [0, N).
template <int N>
void weighted_rows(const std::uint8_t* in, std::size_t stride, const std::int32_t* weights, int count,
                   std::uint8_t* out) {
  std::int32_t sums[N];
  for (int i = 0; i < N; ++i) sums[i] = 1 << (kWeightBits - 1);
  for (int k = 0; k < count; ++k, in += stride)
    for (int i = 0; i < N; ++i) sums[i] += in[i] * weights[k];
  for (int i = 0; i < N; ++i) out[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> kWeightBits, 0, 255));
}

/// The pass along the rows, for images of C channels.
template <int C>
Image resize_rows(const Image& in, int width, Filter filter) {
  const ResizeWeights w = resize_weights(in.width, width, filter);
  Image out = make_image(width, in.height, C);
  // A block of rows is turned on its side, so that the sums run over whole vectors: (x, row, channel).
  constexpr int kRows = 16, kLine = kRows * C;
  std::vector<std::uint8_t> turned(static_cast<std::size_t>(in.width) * kLine);
  std::uint8_t result[kLine];
  for (int y0 = 0; y0 < in.height; y0 += kRows) {
    const int rows = std::min(kRows, in.height - y0);
    for (int r = 0; r < rows; ++r) {
      const std::uint8_t* from = in.row(y0 + r);
      std::uint8_t* to = turned.data() + r * C;
      for (int x = 0; x < in.width; ++x, to += kLine, from += C)
        for (int c = 0; c < C; ++c) to[c] = from[c];
    }
    for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x) {
      weighted_rows<kLine>(turned.data() + static_cast<std::size_t>(w.first[x]) * kLine, kLine,
                           w.weights.data() + x * static_cast<std::size_t>(w.taps), w.count[x], result);
      std::uint8_t* to = out.row(y0) + x * C;
      for (int r = 0; r < rows; ++r, to += out.stride())
        for (int c = 0; c < C; ++c) to[c] = result[r * C + c];
    }
  }
  return out;
}

inline Image resize_rows(const Image& in, int width, Filter filter) {
  switch (in.channels) {
    case 1:
      return resize_rows<1>(in, width, filter);
    case 2:
      return resize_rows<2>(in, width, filter);
    case 3:
      return resize_rows<3>(in, width, filter);
    default:
      return resize_rows<4>(in, width, filter);
  }
}

inline Image resize_columns(const Image& in, int height, Filter filter) {
  const ResizeWeights w = resize_weights(in.height, height, filter);
  Image out = make_image(in.width, height, in.channels);
  constexpr std::size_t kBlock = 64;
  for (int y = 0; y < height; ++y) {
    const std::size_t o = static_cast<std::size_t>(y);
    const std::uint8_t* from = in.row(w.first[o]);
    const std::int32_t* weights = w.weights.data() + o * static_cast<std::size_t>(w.taps);
    std::size_t i = 0;
    for (; i + kBlock <= in.stride(); i += kBlock)
      weighted_rows<kBlock>(from + i, in.stride(), weights, w.count[o], out.row(y) + i);
    for (; i < in.stride(); ++i) weighted_rows<1>(from + i, in.stride(), weights, w.count[o], out.row(y) + i);
  }
  return out;
}

/// For every output position the input position under its centre. Added up step by step, as Pillow does.
inline std::vector<int> nearest_positions(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  std::vector<int> positions;
  double position = 0.5 * scale;
  for (int o = 0; o < out; ++o, position += scale)
    positions.push_back(std::min(static_cast<int>(position), in - 1));
  return positions;
}

inline Image resize_nearest(const Image& in, int width, int height) {
  const std::vector<int> xs = nearest_positions(in.width, width), ys = nearest_positions(in.height, height);
  Image out = make_image(width, height, in.channels);
  const std::size_t channels = static_cast<std::size_t>(in.channels);
  for (int y = 0; y < height; ++y) {
    std::uint8_t* to = out.row(y);
    for (const int x : xs)
      for (std::size_t c = 0; c < channels; ++c)
        *to++ = in.row(ys[static_cast<std::size_t>(y)])[static_cast<std::size_t>(x) * channels + c];
  }
  return out;
}

}  // namespace detail

/// `image` at width x height pixels, as Pillow's `Image.resize((width, height), filter)`, bit for bit.
/// Throws ShapeError for an invalid image or a size that `make_image` refuses.
inline Image resize(const Image& image, int width, int height, Filter filter) {
  detail::check_image("resize", image);
  check<ShapeError>(width >= 1 && height >= 1 && std::int64_t{width} * height <= kMaxPixels,
                    "resize: size is ", width, "x", height, ", expected at least 1x1 and at most ",
                    kMaxPixels, " pixels");
  if (width == image.width && height == image.height) return image;
  if (filter == Filter::nearest) return detail::resize_nearest(image, width, height);
  if (width == image.width) return detail::resize_columns(image, height, filter);
  const Image narrow = detail::resize_rows(image, width, filter);
  return height == image.height ? narrow : detail::resize_columns(narrow, height, filter);
}

/// The part of `image` of `width` x `height` pixels whose upper left corner is at (left, top).
/// Throws ShapeError unless it lies within the image.
inline Image crop(const Image& image, int left, int top, int width, int height) {
  detail::check_image("crop", image);
  check<ShapeError>(width >= 1 && height >= 1 && left >= 0 && top >= 0 && left <= image.width - width &&
                        top <= image.height - height,
                    "crop: ", width, "x", height, " at (", left, ", ", top, ") is not within an image of ",
                    image.width, "x", image.height);
  Image out = make_image(width, height, image.channels);
  const std::size_t offset = static_cast<std::size_t>(left) * static_cast<std::size_t>(image.channels);
  for (int y = 0; y < height; ++y) std::copy_n(image.row(top + y) + offset, out.stride(), out.row(y));
  return out;
}

/// `image` mirrored: left becomes right. Throws ShapeError for an invalid image.
inline Image flip(const Image& image) {
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

}  // namespace minivit::inline MINIVIT_ABI
