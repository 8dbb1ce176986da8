// stb_image and stb_image_write, for builds without libjpeg or libpng: the only file that includes them.
//
// Their code becomes part of every translation unit that includes this file, with internal linkage, inside a
// namespace of the library. The macros that steer them are put aside before and back afterwards, so that a
// program may include them itself, before or after, with or without the implementation.
#pragma once

// What the two include, before they are put into a namespace.
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <span>
#include <string_view>
#include <vector>

#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

// Memory for stb_image: cleared, since it may read tables that a damaged file leaves out; bounded, since it
// inflates whatever a file holds.
inline constexpr std::size_t kMaxStbBlock = 1ull << 30;
inline void* stb_allocate(std::size_t bytes) { return bytes > kMaxStbBlock ? nullptr : calloc(1, bytes); }
inline void* stb_reallocate(void* block, std::size_t bytes) {
  return bytes > kMaxStbBlock ? nullptr : realloc(block, bytes);
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI

#pragma push_macro("STBI_INCLUDE_STB_IMAGE_H")
#undef STBI_INCLUDE_STB_IMAGE_H
#pragma push_macro("STB_IMAGE_IMPLEMENTATION")
#undef STB_IMAGE_IMPLEMENTATION
#pragma push_macro("STB_IMAGE_STATIC")
#undef STB_IMAGE_STATIC
#pragma push_macro("STBIDEF")
#undef STBIDEF
#pragma push_macro("STBI_ASSERT")
#undef STBI_ASSERT
#pragma push_macro("STBI_MALLOC")
#undef STBI_MALLOC
#pragma push_macro("STBI_REALLOC")
#undef STBI_REALLOC
#pragma push_macro("STBI_REALLOC_SIZED")
#undef STBI_REALLOC_SIZED
#pragma push_macro("STBI_FREE")
#undef STBI_FREE
#pragma push_macro("STBI_ONLY_JPEG")
#undef STBI_ONLY_JPEG
#pragma push_macro("STBI_ONLY_PNG")
#undef STBI_ONLY_PNG
#pragma push_macro("STBI_ONLY_BMP")
#undef STBI_ONLY_BMP
#pragma push_macro("STBI_ONLY_PSD")
#undef STBI_ONLY_PSD
#pragma push_macro("STBI_ONLY_TGA")
#undef STBI_ONLY_TGA
#pragma push_macro("STBI_ONLY_GIF")
#undef STBI_ONLY_GIF
#pragma push_macro("STBI_ONLY_HDR")
#undef STBI_ONLY_HDR
#pragma push_macro("STBI_ONLY_PIC")
#undef STBI_ONLY_PIC
#pragma push_macro("STBI_ONLY_PNM")
#undef STBI_ONLY_PNM
#pragma push_macro("STBI_NO_JPEG")
#undef STBI_NO_JPEG
#pragma push_macro("STBI_NO_PNG")
#undef STBI_NO_PNG
#pragma push_macro("STBI_NO_BMP")
#undef STBI_NO_BMP
#pragma push_macro("STBI_NO_PSD")
#undef STBI_NO_PSD
#pragma push_macro("STBI_NO_TGA")
#undef STBI_NO_TGA
#pragma push_macro("STBI_NO_GIF")
#undef STBI_NO_GIF
#pragma push_macro("STBI_NO_HDR")
#undef STBI_NO_HDR
#pragma push_macro("STBI_NO_PIC")
#undef STBI_NO_PIC
#pragma push_macro("STBI_NO_PNM")
#undef STBI_NO_PNM
#pragma push_macro("STBI_NO_ZLIB")
#undef STBI_NO_ZLIB
#pragma push_macro("STBI_NO_LINEAR")
#undef STBI_NO_LINEAR
#pragma push_macro("STBI_NO_STDIO")
#undef STBI_NO_STDIO
#pragma push_macro("STBI_NO_SIMD")
#undef STBI_NO_SIMD
#pragma push_macro("STBI_NO_THREAD_LOCALS")
#undef STBI_NO_THREAD_LOCALS
#pragma push_macro("STBI_NO_FAILURE_STRINGS")
#undef STBI_NO_FAILURE_STRINGS
#pragma push_macro("STBI_FAILURE_USERMSG")
#undef STBI_FAILURE_USERMSG
#pragma push_macro("STBI_MAX_DIMENSIONS")
#undef STBI_MAX_DIMENSIONS
#pragma push_macro("STBI_SSE2")
#undef STBI_SSE2
#pragma push_macro("STBI_NEON")
#undef STBI_NEON
#pragma push_macro("STBI_SIMD_ALIGN")
#undef STBI_SIMD_ALIGN
#pragma push_macro("STBI_THREAD_LOCAL")
#undef STBI_THREAD_LOCAL
#pragma push_macro("stbi__err")
#undef stbi__err
#pragma push_macro("stbi__errpf")
#undef stbi__errpf
#pragma push_macro("stbi__errpuc")
#undef stbi__errpuc
#pragma push_macro("stbi__vertically_flip_on_load")
#undef stbi__vertically_flip_on_load
#pragma push_macro("stbi__unpremultiply_on_load")
#undef stbi__unpremultiply_on_load
#pragma push_macro("stbi__de_iphone_flag")
#undef stbi__de_iphone_flag
#pragma push_macro("INCLUDE_STB_IMAGE_WRITE_H")
#undef INCLUDE_STB_IMAGE_WRITE_H
#pragma push_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#pragma push_macro("STB_IMAGE_WRITE_STATIC")
#undef STB_IMAGE_WRITE_STATIC
#pragma push_macro("STBIWDEF")
#undef STBIWDEF
#pragma push_macro("STBIW_ASSERT")
#undef STBIW_ASSERT
#pragma push_macro("STBIW_MALLOC")
#undef STBIW_MALLOC
#pragma push_macro("STBIW_REALLOC")
#undef STBIW_REALLOC
#pragma push_macro("STBIW_REALLOC_SIZED")
#undef STBIW_REALLOC_SIZED
#pragma push_macro("STBIW_FREE")
#undef STBIW_FREE
#pragma push_macro("STBIW_MEMMOVE")
#undef STBIW_MEMMOVE
#pragma push_macro("STBIW_ZLIB_COMPRESS")
#undef STBIW_ZLIB_COMPRESS
#pragma push_macro("STBIW_CRC32")
#undef STBIW_CRC32
#pragma push_macro("STBI_WRITE_NO_STDIO")
#undef STBI_WRITE_NO_STDIO
#pragma push_macro("STBIW_WINDOWS_UTF8")
#undef STBIW_WINDOWS_UTF8

// extern "C++", so that these functions do not meet those of a program that uses stb_image itself.
#define STBIDEF extern "C++"
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_GIF
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 64000000
#define STBI_ASSERT(x) ((void)0)
#define STBI_MALLOC(size) ::minivit::detail::stb_allocate(size)
#define STBI_REALLOC(block, size) ::minivit::detail::stb_reallocate(block, size)
#define STBI_FREE(block) ::free(block)

#define STBIWDEF static
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#elif defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wuseless-cast"
#pragma GCC diagnostic ignored "-Wduplicated-branches"
#endif

namespace minivit::inline MINIVIT_ABI {

namespace detail {

namespace stb {

namespace {

#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#else
#include <stb_image.h>
#include <stb_image_write.h>
#endif

}  // namespace

}  // namespace stb

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI

#if defined(__clang__)
#pragma clang diagnostic pop
#elif defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#pragma pop_macro("STBIW_WINDOWS_UTF8")
#pragma pop_macro("STBI_WRITE_NO_STDIO")
#pragma pop_macro("STBIW_CRC32")
#pragma pop_macro("STBIW_ZLIB_COMPRESS")
#pragma pop_macro("STBIW_MEMMOVE")
#pragma pop_macro("STBIW_FREE")
#pragma pop_macro("STBIW_REALLOC_SIZED")
#pragma pop_macro("STBIW_REALLOC")
#pragma pop_macro("STBIW_MALLOC")
#pragma pop_macro("STBIW_ASSERT")
#pragma pop_macro("STBIWDEF")
#pragma pop_macro("STB_IMAGE_WRITE_STATIC")
#pragma pop_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma pop_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma pop_macro("stbi__de_iphone_flag")
#pragma pop_macro("stbi__unpremultiply_on_load")
#pragma pop_macro("stbi__vertically_flip_on_load")
#pragma pop_macro("stbi__errpuc")
#pragma pop_macro("stbi__errpf")
#pragma pop_macro("stbi__err")
#pragma pop_macro("STBI_THREAD_LOCAL")
#pragma pop_macro("STBI_SIMD_ALIGN")
#pragma pop_macro("STBI_NEON")
#pragma pop_macro("STBI_SSE2")
#pragma pop_macro("STBI_MAX_DIMENSIONS")
#pragma pop_macro("STBI_FAILURE_USERMSG")
#pragma pop_macro("STBI_NO_FAILURE_STRINGS")
#pragma pop_macro("STBI_NO_THREAD_LOCALS")
#pragma pop_macro("STBI_NO_SIMD")
#pragma pop_macro("STBI_NO_STDIO")
#pragma pop_macro("STBI_NO_LINEAR")
#pragma pop_macro("STBI_NO_ZLIB")
#pragma pop_macro("STBI_NO_PNM")
#pragma pop_macro("STBI_NO_PIC")
#pragma pop_macro("STBI_NO_HDR")
#pragma pop_macro("STBI_NO_GIF")
#pragma pop_macro("STBI_NO_TGA")
#pragma pop_macro("STBI_NO_PSD")
#pragma pop_macro("STBI_NO_BMP")
#pragma pop_macro("STBI_NO_PNG")
#pragma pop_macro("STBI_NO_JPEG")
#pragma pop_macro("STBI_ONLY_PNM")
#pragma pop_macro("STBI_ONLY_PIC")
#pragma pop_macro("STBI_ONLY_HDR")
#pragma pop_macro("STBI_ONLY_GIF")
#pragma pop_macro("STBI_ONLY_TGA")
#pragma pop_macro("STBI_ONLY_PSD")
#pragma pop_macro("STBI_ONLY_BMP")
#pragma pop_macro("STBI_ONLY_PNG")
#pragma pop_macro("STBI_ONLY_JPEG")
#pragma pop_macro("STBI_FREE")
#pragma pop_macro("STBI_REALLOC_SIZED")
#pragma pop_macro("STBI_REALLOC")
#pragma pop_macro("STBI_MALLOC")
#pragma pop_macro("STBI_ASSERT")
#pragma pop_macro("STBIDEF")
#pragma pop_macro("STB_IMAGE_STATIC")
#pragma pop_macro("STB_IMAGE_IMPLEMENTATION")
#pragma pop_macro("STBI_INCLUDE_STB_IMAGE_H")

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Copies pixels of 1 to 4 channels into an RGB image of as many pixels: gray is repeated, alpha dropped.
inline void copy_as_rgb(const std::uint8_t* from, int channels, Image& image) {
  if (channels == 3) return static_cast<void>(memcpy(image.pixels.data(), from, image.pixels.size()));
  const int green = channels > 2 ? 1 : 0, blue = 2 * green;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3, from += channels)
    image.pixels[i] = from[0], image.pixels[i + 1] = from[green], image.pixels[i + 2] = from[blue];
}

/// Decodes a JPEG or PNG image to RGB; `format` is for messages. Throws FileError.
inline Image decode_with_stb(std::span<const std::uint8_t> bytes, std::string_view name,
                             std::string_view format) {
  const int size = static_cast<int>(bytes.size());  // at most kMaxImageFile
  int width = 0, height = 0, channels = 0;
  check<FileError>(stb::stbi_info_from_memory(bytes.data(), size, &width, &height, &channels) != 0, name,
                   ": damaged ", format, ": ", stb::stbi_failure_reason());
  check_decoded_size(name, width, height);
  Image image = make_image(width, height);
  // The channels of the file, since stb_image's conversions between any two numbers of them are much code.
  stb::stbi_uc* const pixels = stb::stbi_load_from_memory(bytes.data(), size, &width, &height, &channels, 0);
  check<FileError>(pixels != nullptr, name, ": damaged ", format, ": ", stb::stbi_failure_reason());
  const bool same_size = width == image.width && height == image.height;
  if (same_size) copy_as_rgb(pixels, channels, image);
  stb::stbi_image_free(pixels);
  check<FileError>(same_size, name, ": damaged ", format, ": two sizes");
  return image;
}

/// The bytes of a PNG file of `image`. Throws FileError.
inline std::vector<std::uint8_t> encode_png_with_stb(const Image& image) {
  std::vector<std::uint8_t> bytes;
  int size = 0;
  unsigned char* const png = stb::stbi_write_png_to_mem(image.pixels.data(), static_cast<int>(image.stride()),
                                                        image.width, image.height, image.channels, &size);
  check<FileError>(png != nullptr, "encode_png: out of memory");
  try {
    bytes.assign(png, png + size);
  } catch (...) {
    free(png);
    throw;
  }
  free(png);
  return bytes;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
