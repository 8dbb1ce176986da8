// Images in files and in memory: the formats of image_formats.hpp are read, PNG is written.
//
// Files of strangers are hostile until checked: the format is recognized by the first bytes, the size is
// checked before memory is asked for, and whatever is wrong becomes a FileError that names the file. JPEG and
// PNG are read by libjpeg-turbo and libpng where the build found them, by stb_image otherwise; BMP always;
// further formats where their libraries were found.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "minivit/data/encode_png.hpp"
#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// Decodes an image held in memory to RGB, set upright; `name` is used in messages. The format is told by the
/// first bytes. Always three channels: gray is repeated, palettes are looked up, alpha is dropped, of 16 bits
/// the upper 8 are kept, CMYK is converted as Pillow does. Of several pictures in a file it is the first.
///
/// Throws FileError if the bytes are no such image, are damaged or incomplete, or exceed options.max_pixels
/// or kMaxImageFile; ConfigError for options out of range; whatever options.choose throws.
[[nodiscard]] Decoded decode_image(std::span<const std::uint8_t> bytes, std::string_view name,
                                   const DecodeOptions& options);

/// The same with the options that are usual: Decoded::image alone.
[[nodiscard]] Image decode_image(std::span<const std::uint8_t> bytes, std::string_view name);

/// The same with a reduction: DecodeOptions::choose.
[[nodiscard]] Decoded decode_image(std::span<const std::uint8_t> bytes, std::string_view name,
                                   const ChooseReduction& choose);

/// Decodes an image file, as above. Throws FileError, also if the file cannot be read.
[[nodiscard]] Decoded decode_image(const std::filesystem::path& path, const DecodeOptions& options);
[[nodiscard]] Image decode_image(const std::filesystem::path& path);
[[nodiscard]] Decoded decode_image(const std::filesystem::path& path, const ChooseReduction& choose);

/// What the header of an image says.
struct ImageInfo {
  std::string_view format;             ///< "JPEG", "PNG", …
  std::int64_t width = 0, height = 0;  ///< once it is upright, unless apply_orientation is off
  int orientation = 1;                 ///< as Decoded::orientation
};

/// Reads the header of an image in memory, without its pixels: fast, and it finds what is no image, is of a
/// kind that is not read, or is too large. Throws FileError as `decode_image`, ConfigError.
[[nodiscard]] ImageInfo image_info(std::span<const std::uint8_t> bytes, std::string_view name,
                                   const DecodeOptions& options = {});

/// Reads the header of an image file, as above. Throws FileError, also if the file cannot be read.
[[nodiscard]] ImageInfo image_info(const std::filesystem::path& path, const DecodeOptions& options = {});

/// Writes `image` (1 or 3 channels) as a PNG file. The file is complete or not there at all: it is written
/// beside its place and renamed. Throws ShapeError as above, FileError if it cannot be written.
void encode_png(const std::filesystem::path& path, const Image& image);

}  // namespace minivit::inline MINIVIT_ABI::image

namespace minivit::inline MINIVIT_ABI {
using image::decode_image;
using image::DecodeOptions;
using image::encode_png;
using image::image_info;
}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <string>
#include <utility>
#include <vector>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"
#include "minivit/data/image_formats.hpp"
#include "minivit/data/orientation.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// How much larger than max_pixels a file may be that is reduced: this, and not memory, bounds the time.
inline constexpr std::int64_t kMostReduced = 8;

/// The format of an image. Throws FileError if it has none, ConfigError for options out of range.
inline const ImageFormat& format_of(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  check<ConfigError>(options.max_pixels >= 1 && options.max_pixels <= kLargestImage,
                     "decode_image: max_pixels is ", options.max_pixels, ", expected 1 to ", kLargestImage);
  check<FileError>(!bytes.empty(), name, ": the file is empty, expected an image");
  check<FileError>(bytes.size() <= kMaxImageFile, name, ": ", bytes.size(), " bytes, at most ", kMaxImageFile,
                   " are accepted for an image");
  const ImageFormat* const format = find_image_format(bytes);
  if (!format) {
    const std::string_view found = describe_unread(bytes);
    throw FileError(str_cat(name, ": not a ", format_names(), " image", found.empty() ? "" : " but ", found,
                            "; convert it to one of these"));
  }
  return *format;
}

/// The most pixels that the file may have.
inline std::int64_t file_limit(const ImageFormat& format, const DecodeOptions& options) {
  const bool may_be_reduced = format.reduces && options.choose_if_too_large;
  return may_be_reduced ? kMostReduced * options.max_pixels : options.max_pixels;
}

inline EncodedImage as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace detail

MINIVIT_INLINE ImageInfo image_info(std::span<const std::uint8_t> bytes, std::string_view name,
                                    const DecodeOptions& options) {
  const ImageFormat& format = detail::format_of(bytes, name, options);
  const ImageSize size = format.size(bytes, name, detail::file_limit(format, options));
  const int orientation = format.orientation ? format.orientation(bytes) : 1;
  if (options.apply_orientation && detail::swaps_sides(orientation))
    return {format.name, size.height, size.width, orientation};
  return {format.name, size.width, size.height, orientation};
}

MINIVIT_INLINE ImageInfo image_info(const std::filesystem::path& path, const DecodeOptions& options) {
  return image_info(detail::as_bytes(io::read_file(path, kMaxImageFile)), path.native(), options);
}

MINIVIT_INLINE Decoded decode_image(std::span<const std::uint8_t> bytes, std::string_view name,
                                    const DecodeOptions& options) {
  const ImageFormat& format = detail::format_of(bytes, name, options);
  const ImageSize size = format.size(bytes, name, detail::file_limit(format, options));
  const int orientation = format.orientation ? format.orientation(bytes) : 1;
  const bool turns = options.apply_orientation && orientation != 1;

  DecodeOptions stored = options;  // of the image as it is stored
  if (size.width * size.height > options.max_pixels) stored.choose = options.choose_if_too_large;
  if (turns && stored.choose)
    stored.choose = [choose = stored.choose, orientation](int width, int height) {
      int reduction = detail::swaps_sides(orientation) ? choose(height, width) : choose(width, height);
      // Where the end becomes the beginning no pixel there may stand for a part of one.
      while (reduction > 1 && (width % reduction != 0 || height % reduction != 0)) reduction /= 2;
      return reduction;
    };
  Decoded decoded = format.decode(bytes, name, stored);
  decoded.orientation = orientation;
  if (!turns) return decoded;
  decoded.image = upright(std::move(decoded.image), orientation);
  if (detail::swaps_sides(orientation)) std::swap(decoded.width, decoded.height);
  return decoded;
}

MINIVIT_INLINE Image decode_image(std::span<const std::uint8_t> bytes, std::string_view name) {
  return decode_image(bytes, name, DecodeOptions{}).image;
}

MINIVIT_INLINE Decoded decode_image(std::span<const std::uint8_t> bytes, std::string_view name,
                                    const ChooseReduction& choose) {
  return decode_image(bytes, name, DecodeOptions{.choose = choose});
}

MINIVIT_INLINE Decoded decode_image(const std::filesystem::path& path, const DecodeOptions& options) {
  return decode_image(detail::as_bytes(io::read_file(path, kMaxImageFile)), path.native(), options);
}

MINIVIT_INLINE Image decode_image(const std::filesystem::path& path) {
  return decode_image(path, DecodeOptions{}).image;
}

MINIVIT_INLINE Decoded decode_image(const std::filesystem::path& path, const ChooseReduction& choose) {
  return decode_image(path, DecodeOptions{.choose = choose});
}

MINIVIT_INLINE void encode_png(const std::filesystem::path& path, const Image& image) {
  const std::vector<std::uint8_t> bytes = encode_png(image);
  io::write_file_atomically(path, std::as_bytes(std::span(bytes)));
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
