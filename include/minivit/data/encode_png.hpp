// Gray or RGB to PNG, by libpng where the build found it, else by stb_image_write.
#pragma once

#include <cstdint>
#include <vector>

#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// The bytes of a PNG file of `image` (1 or 3 channels). Throws ShapeError for any other image, FileError if
/// it cannot be encoded.
[[nodiscard]] std::vector<std::uint8_t> encode_png(const Image& image);

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#if defined(MINIVIT_WITH_LIBPNG)
#include <png.h>
#else
#include "minivit/data/stb.hpp"
#endif

namespace minivit::inline MINIVIT_ABI::image {

MINIVIT_INLINE std::vector<std::uint8_t> encode_png(const Image& image) {
  detail::check_image("encode_png", image);
  check<ShapeError>(image.channels == 1 || image.channels == 3, "encode_png: image has ", image.channels,
                    " channels, expected 1 (gray) or 3 (RGB)");
#if defined(MINIVIT_WITH_LIBPNG)
  png_image png{};  // libpng's simplified interface: it reports errors without jumping
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<std::uint8_t> bytes(size);
  check<FileError>(
      png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr) != 0,
      "encode_png: ", static_cast<const char*>(png.message));
  bytes.resize(size);
  return bytes;
#else
  return detail::encode_png_with_stb(image);
#endif
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
