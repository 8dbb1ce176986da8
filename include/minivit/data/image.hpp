// Images in files and in memory: JPEG, PNG and BMP are read, PNG is written.
//
// Files of strangers are hostile until checked: the format is recognized by the first bytes, the size is
// checked before memory is asked for, and whatever is wrong becomes a FileError that names the file.
// libjpeg-turbo and libpng are used where the build found them (MINIVIT_WITH_LIBJPEG, MINIVIT_WITH_LIBPNG),
// stb_image otherwise. The formats are listed in image_formats.hpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "minivit/data/encode_png.hpp"
#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// Decodes a JPEG, PNG or BMP image held in memory to RGB; `name` is used in messages. Always three channels:
/// gray is repeated, palettes are looked up, alpha is dropped, of 16 bits the upper 8 are kept, CMYK is
/// converted as Pillow does. The EXIF orientation is not applied, as torchvision's ImageFolder does not.
///
/// `choose` is asked once for the reduction (1, 2, 4 or 8) where the format can do it. A reduced image is not
/// quite the image resized: see TrainTransform.
///
/// Throws FileError if the bytes are no such image, are damaged or incomplete, or exceed kMaxPixels (of the
/// file, not of what is made of it) or kMaxImageFile; whatever `choose` throws.
[[nodiscard]] Decoded decode_image(std::span<const std::uint8_t> bytes, std::string_view name,
                                   const ChooseReduction& choose);

/// Decodes an image held in memory at its full size, as above.
[[nodiscard]] Image decode_image(std::span<const std::uint8_t> bytes, std::string_view name);

/// Decodes an image file, as above. Throws FileError, also if the file cannot be read.
[[nodiscard]] Decoded decode_image(const std::filesystem::path& path, const ChooseReduction& choose);

/// Decodes an image file at its full size, as above.
[[nodiscard]] Image decode_image(const std::filesystem::path& path);

/// Writes `image` (1 or 3 channels) as a PNG file. The file is complete or not there at all: it is written
/// beside its place and renamed. Throws ShapeError as above, FileError if it cannot be written.
void encode_png(const std::filesystem::path& path, const Image& image);

}  // namespace minivit::inline MINIVIT_ABI::image

namespace minivit::inline MINIVIT_ABI {
using image::decode_image;
using image::encode_png;
}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <string>
#include <vector>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"
#include "minivit/data/image_formats.hpp"

namespace minivit::inline MINIVIT_ABI::image {

MINIVIT_INLINE Decoded decode_image(std::span<const std::uint8_t> bytes, std::string_view name,
                                    const ChooseReduction& choose) {
  check<FileError>(!bytes.empty(), name, ": the file is empty, expected an image");
  check<FileError>(bytes.size() <= kMaxImageFile, name, ": ", bytes.size(), " bytes, at most ", kMaxImageFile,
                   " are accepted for an image");
  const ImageFormat* const format = find_image_format(bytes);
  check<FileError>(format != nullptr, name, ": not a ", detail::format_names(),
                   " image; convert it to one of these");
  const ImageSize size = format->size(bytes, name);
  detail::check_decoded_size(name, size.width, size.height);
  return format->decode(bytes, name, choose);
}

MINIVIT_INLINE Image decode_image(std::span<const std::uint8_t> bytes, std::string_view name) {
  return decode_image(bytes, name, [](int, int) { return 1; }).image;
}

MINIVIT_INLINE Decoded decode_image(const std::filesystem::path& path, const ChooseReduction& choose) {
  const std::string bytes = io::read_file(path, kMaxImageFile);
  return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, path.native(),
                      choose);
}

MINIVIT_INLINE Image decode_image(const std::filesystem::path& path) {
  return decode_image(path, [](int, int) { return 1; }).image;
}

MINIVIT_INLINE void encode_png(const std::filesystem::path& path, const Image& image) {
  const std::vector<std::uint8_t> bytes = encode_png(image);
  io::write_file_atomically(path, std::as_bytes(std::span(bytes)));
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
