// stb_image and stb_image_write, which decode and encode where libjpeg or libpng are missing.
//
// Their functions have internal linkage: a program may use stb itself in its other source files. A source
// file that needs both stb's implementation and minivit's definitions is better split, or minivit compiled
// separately.
#pragma once

#include "minivit/core/config.hpp"

#if MINIVIT_DEFINITIONS

#if defined(MINIVIT_WITHOUT_STB)
#define MINIVIT_HAS_STB 0
#elif __has_include(<stb/stb_image.h>) && __has_include(<stb/stb_image_write.h>)
#define MINIVIT_HAS_STB 1
#define MINIVIT_STB_HEADER(name) <stb/name>
#elif __has_include(<stb_image.h>) && __has_include(<stb_image_write.h>)
#define MINIVIT_HAS_STB 1
#define MINIVIT_STB_HEADER(name) <name>
#else
#define MINIVIT_HAS_STB 0
#endif

#if !MINIVIT_HAS_STB && !defined(MINIVIT_WITH_LIBJPEG) && !defined(MINIVIT_WITH_LIBPNG)
#error \
    "minivit has nothing to decode images with: install libjpeg-turbo or libpng (define MINIVIT_WITH_LIBJPEG, MINIVIT_WITH_LIBPNG; CMake does) or stb (libstb-dev)"
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/data/image_format.hpp"

#if MINIVIT_HAS_STB

#if defined(STBI_INCLUDE_STB_IMAGE_H) || defined(INCLUDE_STB_IMAGE_WRITE_H)
#error \
    "this source file includes stb_image already: include minivit before it or in another file, or compile minivit separately (MINIVIT_SEPARATE_COMPILATION)"
#endif

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The memory that stb_image may use on this thread: it inflates whatever a file holds.
struct StbMemory {
  std::size_t left = 0;    ///< bytes
  bool exhausted = false;  ///< the machine's memory, not what was allowed
};
inline thread_local StbMemory stb_memory;

/// In front of each block stands its size.
inline constexpr std::size_t kStbHead = alignof(std::max_align_t);

inline std::size_t stb_block_size(const void* block) {
  std::size_t bytes = 0;
  std::memcpy(&bytes, static_cast<const char*>(block) - kStbHead, sizeof bytes);
  return bytes;
}

/// Cleared memory, since stb_image may read tables that a damaged file leaves out.
inline void* stb_allocate(std::size_t bytes) {
  if (bytes > stb_memory.left) return nullptr;
  char* const start = static_cast<char*>(std::calloc(1, bytes + kStbHead));
  if (!start) {
    stb_memory.exhausted = true;
    return nullptr;
  }
  stb_memory.left -= bytes;
  std::memcpy(start, &bytes, sizeof bytes);
  return start + kStbHead;
}

inline void stb_free(void* block) {
  if (!block) return;
  stb_memory.left += stb_block_size(block);
  std::free(static_cast<char*>(block) - kStbHead);
}

inline void* stb_reallocate(void* block, std::size_t bytes) {
  void* const other = stb_allocate(bytes);
  if (!other) return nullptr;
  if (block) std::memcpy(other, block, std::min(bytes, stb_block_size(block)));
  stb_free(block);
  return other;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#if !defined(MINIVIT_WITH_LIBJPEG)
#define STBI_ONLY_JPEG
#endif
#if !defined(MINIVIT_WITH_LIBPNG)
#define STBI_ONLY_PNG
#endif
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 1000000000
#define STBI_ASSERT(x) ((void)0)  // the files are not ours: errors are reported, whatever NDEBUG says
#define STBI_MALLOC(size) minivit::image::detail::stb_allocate(size)
#define STBI_REALLOC(block, size) minivit::image::detail::stb_reallocate(block, size)
#define STBI_FREE(block) minivit::image::detail::stb_free(block)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include MINIVIT_STB_HEADER(stb_image.h)
#undef STB_IMAGE_IMPLEMENTATION

#if !defined(MINIVIT_WITH_LIBPNG)
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include MINIVIT_STB_HEADER(stb_image_write.h)
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#endif

#pragma GCC diagnostic pop

#undef STBI_ONLY_JPEG
#undef STBI_ONLY_PNG
#undef STBI_NO_STDIO
#undef STBI_MAX_DIMENSIONS
#undef STBI_ASSERT
#undef STBI_MALLOC
#undef STBI_REALLOC
#undef STBI_FREE
#undef STB_IMAGE_STATIC
#undef STBI_WRITE_NO_STDIO
#undef STB_IMAGE_WRITE_STATIC

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// Copies pixels of 1 to 4 channels into an RGB image of as many pixels: gray is repeated, alpha dropped.
inline void copy_as_rgb(const std::uint8_t* from, int channels, Image& image) {
  const int green = channels > 2 ? 1 : 0, blue = 2 * green;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3, from += channels)
    image.pixels[i] = from[0], image.pixels[i + 1] = from[green], image.pixels[i + 2] = from[blue];
}

/// Decodes an image of this size to RGB, with so many bytes of memory for each pixel (and the file's size
/// three times over, as its pieces are put together); `format` is for messages. Throws FileError.
inline Image decode_with_stb(EncodedImage bytes, std::string_view name, std::string_view format,
                             const ImageSize& size, std::size_t bytes_per_pixel) {
  // Whole blocks of up to 32x32 pixels.
  const std::size_t w = static_cast<std::size_t>(size.width), h = static_cast<std::size_t>(size.height);
  stb_memory = {bytes_per_pixel * (w + 32) * (h + 32) + 3 * bytes.size() + (std::size_t{128} << 10), false};
  check<FileError>(bytes.size() <= std::size_t{1} << 30, name, ": ", bytes.size(), " bytes are too many");
  int width = 0, height = 0, channels = 0;
  // The channels of the file: where gray and alpha go is decided in one place, for all formats.
  stbi_uc* const pixels =
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels, 0);
  if (!pixels && stb_memory.exhausted) throw std::bad_alloc();
  check<FileError>(pixels != nullptr, name, ": damaged ", format, ": ", stbi_failure_reason());
  const std::unique_ptr<stbi_uc, void (*)(void*)> owner(pixels, stbi_image_free);
  check<FileError>(width == size.width && height == size.height, name, ": damaged ", format, ": two sizes");
  Image image = make_image(width, height);
  copy_as_rgb(pixels, channels, image);
  return image;
}

#if !defined(MINIVIT_WITH_LIBPNG)
/// The bytes of a PNG file of `image`. Throws FileError.
inline std::vector<std::uint8_t> encode_png_with_stb(const Image& image) {
  int size = 0;
  const std::unique_ptr<unsigned char, void (*)(void*)> png(
      stbi_write_png_to_mem(image.pixels.data(), static_cast<int>(image.stride()), image.width, image.height,
                            image.channels, &size),
      std::free);
  check<FileError>(png != nullptr, "encode_png: out of memory");
  return {png.get(), png.get() + size};
}
#endif

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#else  // one of libjpeg and libpng is there, for the other format nothing

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline Image decode_with_stb(EncodedImage, std::string_view name, std::string_view format, const ImageSize&,
                             std::size_t) {
  throw FileError(str_cat(name, ": ", format, " images cannot be decoded: the program was built without ",
                          format == "PNG" ? "libpng" : "libjpeg",
                          " and stb_image; install one of them and build it again"));
}

inline std::vector<std::uint8_t> encode_png_with_stb(const Image&) {
  throw FileError(
      "encode_png: the program was built without libpng and stb_image_write; install one of them and build "
      "it again");
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#endif  // MINIVIT_HAS_STB
#endif  // MINIVIT_DEFINITIONS
