// PNG to RGB, by libpng where the build found it, else by stb_image.
#pragma once

#include <string_view>

#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline bool is_png(EncodedImage bytes) { return has_at(bytes, 0, "\x89PNG\r\n\x1A\n"); }

/// The size of a PNG. Throws FileError as ImageFormat::size does.
ImageSize png_size(EncodedImage bytes, std::string_view name, std::int64_t limit);

/// The orientation that the EXIF data of a PNG (its chunk eXIf) state, else 1.
int png_orientation(EncodedImage bytes);

/// Decodes a PNG to RGB. Throws FileError.
Decoded decode_png(EncodedImage bytes, std::string_view name, const DecodeOptions& options);

}  // namespace detail

/// PNG: all color types and depths, interlaced or not.
inline constexpr ImageFormat kPng{.name = "PNG",
                                  .suffixes = {".png"},
                                  .matches = detail::is_png,
                                  .size = detail::png_size,
                                  .decode = detail::decode_png,
                                  .orientation = detail::png_orientation};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <cstddef>
#include <cstdint>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/data/tiff_tags.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline std::int64_t png_number(EncodedImage bytes, std::size_t at) {
  return std::int64_t{bytes[at]} << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
}

/// The samples of a pixel: what the color type (byte 25) says.
inline int png_samples(EncodedImage bytes) {
  const int color = bytes[25];
  return color == 2 ? 3 : color == 4 ? 2 : color == 6 ? 4 : 1;
}

MINIVIT_INLINE ImageSize png_size(EncodedImage bytes, std::string_view name, std::int64_t limit) {
  // Signature (8 bytes), then the chunk IHDR: length, type, width, height, depth, color type, ...
  check<FileError>(bytes.size() >= 33 && has_at(bytes, 8, {"\0\0\0\x0DIHDR", 8}), name,
                   ": damaged PNG: it does not start with its header (IHDR)");
  const ImageSize size{png_number(bytes, 16), png_number(bytes, 20)};
  check_decoded_size(name, size.width, size.height, limit);
  // A byte of deflated data holds at most 1032 (zlib's documentation: a match of 258 bytes takes two bits).
  const std::int64_t inflated = size.width * size.height * png_samples(bytes) * bytes[24] / 8;
  check<FileError>(inflated / 1032 <= static_cast<std::int64_t>(bytes.size()), name,
                   ": damaged PNG: ", bytes.size(), " bytes do not hold ", size.width, "x", size.height,
                   " pixels");
  return size;
}

/// Calls visit(type, data) for each chunk that is complete, until it answers false.
template <class Visit>
void for_each_png_chunk(EncodedImage bytes, const Visit& visit) {
  constexpr std::size_t kSignature = 8, kAround = 12;  // around the data of a chunk: length, type, checksum
  for (std::size_t at = kSignature; at + kAround <= bytes.size();) {
    const std::size_t length = static_cast<std::size_t>(png_number(bytes, at));
    if (length > bytes.size() - at - kAround) return;
    const std::string_view type(reinterpret_cast<const char*>(bytes.data()) + at + 4, 4);
    if (!visit(type, bytes.subspan(at + 8, length))) return;
    at += kAround + length;
  }
}

MINIVIT_INLINE int png_orientation(EncodedImage bytes) {
  int orientation = 1;
  for_each_png_chunk(bytes, [&](std::string_view type, EncodedImage data) {
    if (type != "eXIf") return true;
    orientation = exif_orientation(data);
    return false;
  });
  return orientation;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#if defined(MINIVIT_WITH_LIBPNG)

#include <csetjmp>
#include <cstring>

#include <png.h>

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The state of libpng. Its errors jump back into the member function that called it; no function that is
/// jumped over or out of holds an object with a destructor.
class PngReader {
 public:
  PngReader(EncodedImage bytes, std::int64_t limit) : bytes_(bytes), limit_(static_cast<png_uint_32>(limit)) {
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this, [](png_structp png, png_const_charp text) { self(png).fail(text); },
        [](png_structp, png_const_charp) {});
    if (png_) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Reads up to the pixels: width() and height() are known then. False: see message().
  bool open() {
    if (!png_ || !info_) return false;
    if (setjmp(jump_) != 0) return false;
    png_set_user_limits(png_, limit_, limit_);
    // Texts and profiles are passed over, not decompressed: -1 means all chunks that do not make the pixels.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_read_fn(png_, this, [](png_structp png, png_bytep out, std::size_t count) {
      PngReader& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
      if (count > reader.bytes_.size()) png_error(png, "it ends early");
      if (count > reader.allowance_) png_error(png, "more data than pixels");
      reader.allowance_ -= count;
      std::memcpy(out, reader.bytes_.data(), count);
      reader.bytes_ = reader.bytes_.subspan(count);
    });
    png_read_info(png_, info_);
    png_set_expand(png_);  // palettes and fewer than 8 bits
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    png_set_gray_to_rgb(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != std::size_t{3} * png_get_image_width(png_, info_))
      png_error(png_, "cannot be converted to RGB");
    return true;
  }

  /// Writes all rows, 3 · width() bytes each. False: see message().
  bool read(std::uint8_t* out) {
    if (setjmp(jump_) != 0) return false;
    const std::size_t stride = png_get_rowbytes(png_, info_);
    const std::size_t rows = png_get_image_height(png_, info_);
    const std::size_t bytes_of_row = std::size_t{8} * png_get_image_width(png_, info_);  // or fewer
    for (int pass = 0; pass < passes_; ++pass)
      for (std::size_t y = 0; y < rows; ++y) {
        // Behind the last row libpng inflates whatever there still is. No row takes so many bytes, even if
        // each of them is a chunk of its own.
        allowance_ = 16 * bytes_of_row + (std::size_t{64} << 10);
        png_read_row(png_, out + y * stride, nullptr);
      }
    return true;
  }

  std::int64_t width() const { return png_get_image_width(png_, info_); }
  std::int64_t height() const { return png_get_image_height(png_, info_); }
  const char* message() const { return message_; }

 private:
  static PngReader& self(png_structp png) { return *static_cast<PngReader*>(png_get_error_ptr(png)); }

  [[noreturn]] void fail(const char* text) {
    std::strncpy(message_, text, sizeof message_ - 1);
    std::longjmp(jump_, 1);
  }

  EncodedImage bytes_;
  png_uint_32 limit_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::size_t allowance_ = kMaxImageFile;  // bytes that may be read before it is set anew
  int passes_ = 1;
  std::jmp_buf jump_;
  char message_[128] = "libpng cannot be started";
};

MINIVIT_INLINE Decoded decode_png(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  PngReader reader(bytes, options.max_pixels);
  check<FileError>(reader.open(), name, ": damaged PNG: ", reader.message());
  check_decoded_size(name, reader.width(), reader.height(),
                     options.max_pixels);  // should libpng find another one
  Image image = make_image(static_cast<int>(reader.width()), static_cast<int>(reader.height()));
  check<FileError>(reader.read(image.pixels.data()), name, ": damaged PNG: ", reader.message());
  return not_reduced(std::move(image));
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#else

#include "minivit/data/stb.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// Throws FileError for a PNG whose first piece of pixels is empty, which stb_image would copy to nowhere,
/// also if the file ends before its checksum.
inline void check_png_for_stb(EncodedImage bytes, std::string_view name) {
  bool found = false, empty = false;
  for_each_png_chunk(bytes, [&](std::string_view type, EncodedImage data) {
    if (type == "IDAT") found = true, empty = data.empty();
    return !found;
  });
  check<FileError>(found, name, ": damaged PNG: it ends within its first pixels");
  check<FileError>(!empty, name, ": damaged PNG: a chunk IDAT without data");
}

MINIVIT_INLINE Decoded decode_png(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  const ImageSize size = png_size(bytes, name, options.max_pixels);
  check_png_for_stb(bytes, name);
  // What is inflated, what the filters make of it, of that the interlaced image, and 8 bits of 16.
  const std::size_t pixel = static_cast<std::size_t>(png_samples(bytes)) * (bytes[24] == 16 ? 2 : 1);
  return not_reduced(decode_with_stb(bytes, name, "PNG", size, 4 * (pixel + 1)));
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#endif
#endif  // MINIVIT_DEFINITIONS
