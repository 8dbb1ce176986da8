// The type of an image, and its limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// Largest image that is decoded unless DecodeOptions say otherwise, in pixels: Pillow's limit.
inline constexpr std::int64_t kDefaultMaxPixels = 178'956'970;

/// Largest image that there can be, in pixels: no setting allows more.
inline constexpr std::int64_t kLargestImage = 1'000'000'000;

/// Largest image that resizing makes, in pixels.
inline constexpr std::int64_t kMaxPixels = 64'000'000;

/// Largest image file that is read, in bytes.
inline constexpr std::size_t kMaxImageFile = 512ull << 20;

/// Bytes, row by row from the top, pixels from the left, channels together (HWC).
struct Image {
  int width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  ///< height · width · channels

  /// Bytes of one row.
  [[nodiscard]] std::size_t stride() const noexcept {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
  }

  /// The first byte of row y. Not checked.
  [[nodiscard]] std::uint8_t* row(int y) noexcept {
    return pixels.data() + static_cast<std::size_t>(y) * stride();
  }
  [[nodiscard]] const std::uint8_t* row(int y) const noexcept {
    return pixels.data() + static_cast<std::size_t>(y) * stride();
  }

  friend bool operator==(const Image&, const Image&) = default;
};

/// A black image. Throws ShapeError unless both sides are at least 1, they make at most kLargestImage and
/// there are 1 to 4 channels.
[[nodiscard]] Image make_image(int width, int height, int channels = 3);

/// An image as it came out of its file, perhaps at a part of its size: JPEG can be decoded at a half, a
/// quarter or an eighth for a fraction of the time.
struct Decoded {
  Image image;                ///< width / reduction x height / reduction pixels, rounded up
  int width = 0, height = 0;  ///< of the file, once it is upright
  int reduction = 1;          ///< 1, 2, 4 or 8
  bool reducible = false;     ///< whether another reduction was possible: JPEG decoded by libjpeg
  /// The EXIF orientation that the file states, 1 to 8; 1 if it states none. Other than 1: the image was
  /// turned, unless DecodeOptions::apply_orientation is off.
  int orientation = 1;
};

/// Asked for the reduction (1, 2, 4 or 8), given width and height of the upright image.
using ChooseReduction = std::function<int(int width, int height)>;

/// Settings of `decode_image`.
struct DecodeOptions {
  /// Asked once where the format can be reduced (JPEG by libjpeg). Null: nothing is reduced.
  ChooseReduction choose{};
  /// Asked instead for an image of more than max_pixels, which is then decoded at a part of its size rather
  /// than refused; up to 8 times as large, and JPEG only. Null: it is refused. As with `choose`, the result
  /// is not to the bit what the whole image gives: for predictions that must not change, leave `choose` null
  /// and set this alone.
  ChooseReduction choose_if_too_large{};
  /// Largest image that is decoded, in pixels, 1 to kLargestImage. Memory grows with it: up to 16 bytes a
  /// pixel while an image is decoded.
  std::int64_t max_pixels = kDefaultMaxPixels;
  /// Images are set upright as their EXIF orientation says. Off: as they are stored, for comparison with
  /// programs that do not do it (torchvision's ImageFolder, timm, OpenCV with IMREAD_IGNORE_ORIENTATION).
  bool apply_orientation = true;
};

namespace detail {

/// Throws ShapeError unless the sizes of `image` are in range and fit its pixels.
void check_image(std::string_view op, const Image& image);

/// Throws FileError unless an image of this size has at least one pixel and at most `limit`.
void check_decoded_size(std::string_view name, std::int64_t width, std::int64_t height, std::int64_t limit);

/// An image that was decoded at its full size.
[[nodiscard]] Decoded not_reduced(Image image);

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

namespace minivit::inline MINIVIT_ABI {
using image::Image;
}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <utility>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::image {

MINIVIT_INLINE Image make_image(int width, int height, int channels) {
  check<ShapeError>(width >= 1 && height >= 1 && std::int64_t{width} * height <= kLargestImage,
                    "image: size is ", width, "x", height, ", expected at least 1x1 and at most ",
                    kLargestImage, " pixels");
  check<ShapeError>(channels >= 1 && channels <= 4, "image: ", channels, " channels, expected 1 to 4");
  Image image{width, height, channels, {}};
  image.pixels.resize(image.stride() * static_cast<std::size_t>(height));
  return image;
}

namespace detail {

MINIVIT_INLINE void check_image(std::string_view op, const Image& image) {
  check<ShapeError>(image.width >= 1 && image.height >= 1 && image.channels >= 1 && image.channels <= 4 &&
                        image.pixels.size() == image.stride() * static_cast<std::size_t>(image.height),
                    op, ": image of ", image.width, "x", image.height, " with ", image.channels,
                    " channels has ", image.pixels.size(),
                    " bytes, expected width x height x channels (1 to 4)");
}

MINIVIT_INLINE void check_decoded_size(std::string_view name, std::int64_t width, std::int64_t height,
                                       std::int64_t limit) {
  check<FileError>(width >= 1 && height >= 1 && width <= limit && height <= limit && width * height <= limit,
                   name, ": the image is ", width, "x", height, ", expected at least 1x1 and at most ", limit,
                   " pixels");
}

MINIVIT_INLINE Decoded not_reduced(Image image) {
  const int width = image.width, height = image.height;
  return {std::move(image), width, height, 1, false, 1};
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
