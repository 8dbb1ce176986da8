// PNG to RGB, by libpng where the build found it, else by stb_image.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "minivit/data/image_type.hpp"

#if defined(MINIVIT_WITH_LIBPNG)

#include <csetjmp>
#include <cstring>

#include <png.h>

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// The state of libpng. Its errors jump back into the member function that called it; no function that is
/// jumped over or out of holds an object with a destructor.
class PngReader {
 public:
  explicit PngReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
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
    png_set_user_limits(png_, static_cast<png_uint_32>(kMaxPixels), static_cast<png_uint_32>(kMaxPixels));
    png_set_read_fn(png_, this, [](png_structp png, png_bytep out, std::size_t count) {
      PngReader& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
      if (count > reader.bytes_.size()) png_error(png, "it ends early");
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
    for (int pass = 0; pass < passes_; ++pass)
      for (std::size_t y = 0; y < rows; ++y) png_read_row(png_, out + y * stride, nullptr);
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

  std::span<const std::uint8_t> bytes_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
  std::jmp_buf jump_;
  char message_[128] = "libpng cannot be started";
};

/// Decodes a PNG image to RGB. Throws FileError.
inline Image decode_png(std::span<const std::uint8_t> bytes, std::string_view name) {
  PngReader reader(bytes);
  check<FileError>(reader.open(), name, ": damaged PNG: ", reader.message());
  check_decoded_size(name, reader.width(), reader.height());
  Image image = make_image(static_cast<int>(reader.width()), static_cast<int>(reader.height()));
  check<FileError>(reader.read(image.pixels.data()), name, ": damaged PNG: ", reader.message());
  return image;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI

#else

#include "minivit/data/stb.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Decodes a PNG image to RGB. Throws FileError.
inline Image decode_png(std::span<const std::uint8_t> bytes, std::string_view name) {
  return decode_with_stb(bytes, name, "PNG");
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI

#endif
