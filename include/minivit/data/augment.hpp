// TrivialAugmentWide: one random operation with a random strength for each image.
//
// S. Müller, F. Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", 2021, arXiv
// 2103.10158; ranges and arithmetic as torchvision 0.14 has them on Pillow images (nearest neighbor, black
// where nothing is).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <optional>

#include "minivit/core/check.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The operations of TrivialAugmentWide, in torchvision's order.
enum class AugmentOp {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  color,
  contrast,
  sharpness,
  posterize,
  solarize,
  auto_contrast,
  equalize
};

inline constexpr int kAugmentOps = 14;   ///< number of operations
inline constexpr int kAugmentBins = 31;  ///< strengths to choose from

/// An operation and its strength.
struct Augmentation {
  AugmentOp op = AugmentOp::identity;
  float magnitude = 0;
};

namespace detail {

/// The product, rounded before it is used further: Pillow's results hang on that, and compilers like to fuse.
template <class T>
T rounded_product(T a, T b) {
  const volatile T product = a * b;
  return product;
}

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

/// Turns counter-clockwise about the center of the image.
inline Image rotate(const Image& in, double degrees) {
  const double angle = -degrees * (std::numbers::pi / 180.0);
  const auto digits15 = [](double v) { return std::nearbyint(v * 1e15) / 1e15; };
  const double cosine = digits15(std::cos(angle)), sine = digits15(std::sin(angle));
  const double x = in.width / 2.0, y = in.height / 2.0;
  return affine(in, {cosine, sine, -x * cosine - y * sine + x, -sine, cosine, x * sine - y * cosine + y});
}

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
    const std::uint8_t *above = in.row(y - 1) + channels, *at = above + stride, *below = at + stride;
    std::uint8_t* const to = out.row(y) + channels;
    const auto value = [=](std::size_t i) {
      const auto three = [=](const std::uint8_t* p) { return p[i - channels] + p[i] + p[i + channels]; };
      const int sum = 4 * at[i] + three(above) + three(at) + three(below);
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

/// What each value of each channel becomes.
using ChannelTables = std::array<std::array<std::uint8_t, 256>, 3>;

/// Every value of an RGB image looked up in the table of its channel.
inline Image look_up(Image image, const ChannelTables& tables) {
  for (auto it = image.pixels.begin(); it != image.pixels.end(); it += 3)
    for (std::size_t c = 0; c < 3; ++c)
      it[static_cast<std::ptrdiff_t>(c)] = tables[c][it[static_cast<std::ptrdiff_t>(c)]];
  return image;
}

/// The same function of every value of all channels.
template <class F>
ChannelTables same_tables(const F& f) {
  ChannelTables tables;
  for (int v = 0; v < 256; ++v) tables[0][static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(f(v));
  tables[1] = tables[2] = tables[0];
  return tables;
}

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

/// Stretches each channel to 0…255.
inline ChannelTables auto_contrast(const Image& in) {
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

/// Spreads the values of each channel so that all are about equally frequent.
inline ChannelTables equalize(const Image& in) {
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

/// The operation as tables, where all it does is to replace values by others; the image decides which.
inline std::optional<ChannelTables> value_tables(AugmentOp op, const Image& image, float magnitude) {
  const double m = magnitude;
  const float factor = static_cast<float>(1.0 + m);
  switch (op) {
    case AugmentOp::brightness:
      return same_tables([=](int v) { return blend_value(0, v, factor); });
    case AugmentOp::contrast: {
      const int mean = mean_gray(image);
      return same_tables([=](int v) { return blend_value(mean, v, factor); });
    }
    case AugmentOp::posterize: {
      check(m >= 0 && m <= 8, "augment: posterize keeps 0 to 8 bits, not ", magnitude);
      const int mask = 0xFF00 >> static_cast<int>(m);
      return same_tables([=](int v) { return v & mask; });
    }
    case AugmentOp::solarize:
      return same_tables([=](int v) { return v < m ? v : 255 - v; });
    case AugmentOp::auto_contrast:
      return auto_contrast(image);
    case AugmentOp::equalize:
      return equalize(image);
    default:
      return std::nullopt;
  }
}

/// Throws ShapeError unless `image` is valid and RGB, Error unless the magnitude is in range.
inline void check_augment(const Image& image, float magnitude) {
  check_image("augment", image);
  check<ShapeError>(image.channels == 3, "augment: image has ", image.channels,
                    " channels, expected 3 (RGB)");
  check(std::isfinite(magnitude) && std::abs(magnitude) <= 1e4f, "augment: magnitude ", magnitude,
        " is out of range, expected -10000 to 10000");
}

}  // namespace detail

/// `image` (RGB) after one operation. `magnitude` is the ratio of a shear, pixels of a translation (its whole
/// part counts), degrees of a rotation (counter-clockwise), the change of an enhancement (0 none, -1 all
/// gone, 1 twice as much), the bits that posterize keeps (0 to 8), the value from which solarize inverts; the
/// others ignore it. Throws ShapeError unless the image is valid and has three channels, Error if the
/// magnitude is out of range.
inline Image apply(AugmentOp op, const Image& image, float magnitude) {
  detail::check_augment(image, magnitude);
  if (const auto tables = detail::value_tables(op, image, magnitude)) return detail::look_up(image, *tables);
  const double m = magnitude;
  const float factor = static_cast<float>(1.0 + m);
  switch (op) {
    case AugmentOp::shear_x:
      return detail::affine(image, {1, detail::shear_tangent(m), 0, 0, 1, 0});
    case AugmentOp::shear_y:
      return detail::affine(image, {1, 0, 0, detail::shear_tangent(m), 1, 0});
    case AugmentOp::translate_x:
      return detail::affine(image, {1, 0, -std::trunc(m), 0, 1, 0});
    case AugmentOp::translate_y:
      return detail::affine(image, {1, 0, 0, 0, 1, -std::trunc(m)});
    case AugmentOp::rotate:
      return detail::rotate(image, m);
    case AugmentOp::color:
      return detail::blend(detail::gray(image), image, factor);
    case AugmentOp::sharpness:
      return detail::blend(detail::smooth(image), image, factor);
    default:
      return image;
  }
}

/// True if mirroring before `op` is not the same as after it.
constexpr bool is_geometric(AugmentOp op) { return op >= AugmentOp::shear_x && op <= AugmentOp::rotate; }

/// True if the strength of `op` is drawn with a sign.
constexpr bool is_signed(AugmentOp op) { return op >= AugmentOp::shear_x && op <= AugmentOp::sharpness; }

/// Strength number `bin` of 0…30 for `op`, without sign; 0 for operations that have none.
/// Throws Error if there is no such bin.
inline float augment_magnitude(AugmentOp op, int bin) {
  check(bin >= 0 && bin < kAugmentBins, "augment: bin ", bin, " is out of range, expected 0 to ",
        kAugmentBins - 1);
  // Counted from the nearer end, as torch.linspace; there the last bit depends on the machine, here it does
  // not.
  const auto linspace = [bin](float first, float last) {
    const float step = (last - first) / (kAugmentBins - 1);
    return bin < kAugmentBins / 2
               ? first + detail::rounded_product(step, static_cast<float>(bin))
               : last - detail::rounded_product(step, static_cast<float>(kAugmentBins - 1 - bin));
  };
  switch (op) {
    case AugmentOp::shear_x:
    case AugmentOp::shear_y:
    case AugmentOp::brightness:
    case AugmentOp::color:
    case AugmentOp::contrast:
    case AugmentOp::sharpness:
      return linspace(0.0f, 0.99f);
    case AugmentOp::translate_x:
    case AugmentOp::translate_y:
      return linspace(0.0f, 32.0f);
    case AugmentOp::rotate:
      return linspace(0.0f, 135.0f);
    case AugmentOp::posterize:
      return 8.0f - std::nearbyint(static_cast<float>(bin) / 5.0f);
    case AugmentOp::solarize:
      return linspace(255.0f, 0.0f);
    default:
      return 0.0f;
  }
}

/// Draws the operation, the bin of its strength and its sign, each uniformly.
inline Augmentation draw_trivial_augment(Rng& rng) {
  const auto op = static_cast<AugmentOp>(rng.below(kAugmentOps));
  const float magnitude = augment_magnitude(op, static_cast<int>(rng.below(kAugmentBins)));
  const bool negative = rng.below(2) == 1;
  return {op, is_signed(op) && negative ? -magnitude : magnitude};
}

/// TrivialAugmentWide on an RGB image. Throws as `apply`.
inline Image trivial_augment(const Image& image, Rng& rng) {
  const Augmentation augmentation = draw_trivial_augment(rng);
  return apply(augmentation.op, image, augmentation.magnitude);
}

}  // namespace minivit::inline MINIVIT_ABI
