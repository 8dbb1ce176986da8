// Images of bytes: reading JPEG, PNG and BMP files, writing PNG.
//
// Files of strangers are hostile until checked: the format is told by the first bytes, the size is looked at
// before memory is asked for, and whatever is wrong becomes a FileError that names the file. libjpeg-turbo
// and libpng are used where the build found them (MINIVIT_WITH_LIBJPEG, MINIVIT_WITH_LIBPNG), stb_image
// otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"
#include "minivit/data/decode_bmp.hpp"
#include "minivit/data/decode_jpeg.hpp"
#include "minivit/data/decode_png.hpp"
#include "minivit/data/encode_png.hpp"
#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Decodes a JPEG, PNG or BMP image held in memory to RGB; `name` is used in messages. Always three channels:
/// gray is repeated, palettes are looked up, alpha is dropped, of 16 bits the upper 8 are kept, CMYK is
/// converted as Pillow does. The EXIF orientation is not applied, as torchvision's ImageFolder does not.
///
/// `choose` is asked once for the reduction (1, 2, 4 or 8) where the format can do it. A reduced image is not
/// quite the image resized: see TrainTransform.
///
/// Throws FileError if the bytes are no such image, are damaged or incomplete, or exceed kMaxPixels (of the
/// file, not of what is made of it) or kMaxImageFile; whatever `choose` throws.
inline Decoded decode_image(std::span<const std::uint8_t> bytes, std::string_view name,
                            const ChooseReduction& choose) {
  check<FileError>(!bytes.empty(), name, ": the file is empty, expected an image");
  check<FileError>(bytes.size() <= kMaxImageFile, name, ": ", bytes.size(), " bytes, at most ", kMaxImageFile,
                   " are accepted for an image");
  const auto starts_with = [bytes](std::string_view magic) {
    return bytes.size() >= magic.size() &&
           std::equal(magic.begin(), magic.end(), bytes.begin(),
                      [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
  };
  if (starts_with("\xFF\xD8\xFF")) return detail::decode_jpeg(bytes, name, choose);
  if (starts_with("\x89PNG\r\n\x1A\n")) return detail::not_reduced(detail::decode_png(bytes, name));
  if (starts_with("BM")) return detail::not_reduced(detail::decode_bmp(bytes, name));
  throw FileError(str_cat(name, ": not a JPEG, PNG or BMP image; convert it to one of these"));
}

/// Decodes an image held in memory at its full size, as above.
inline Image decode_image(std::span<const std::uint8_t> bytes, std::string_view name) {
  return decode_image(bytes, name, [](int, int) { return 1; }).image;
}

/// Decodes an image file, as above. Throws FileError, also if the file cannot be read.
inline Decoded decode_image(const std::filesystem::path& path, const ChooseReduction& choose) {
  const std::string bytes = read_file(path, kMaxImageFile);
  return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, path.native(),
                      choose);
}

/// Decodes an image file at its full size, as above.
inline Image decode_image(const std::filesystem::path& path) {
  return decode_image(path, [](int, int) { return 1; }).image;
}

/// Writes `image` (1 or 3 channels) as a PNG file. The file is complete or not there at all: it is written
/// beside its place and renamed. Throws ShapeError as above, FileError if it cannot be written.
inline void encode_png(const std::filesystem::path& path, const Image& image) {
  const std::vector<std::uint8_t> bytes = encode_png(image);
  write_file_atomically(path, std::as_bytes(std::span(bytes)));
}

}  // namespace minivit::inline MINIVIT_ABI
