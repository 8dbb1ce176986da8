// JPEG to RGB, by libjpeg-turbo where the build found it, else by stb_image.
#pragma once

#include <string_view>

#include "minivit/data/image_format.hpp"
#include "minivit/data/jpeg_markers.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline bool is_jpeg(EncodedImage bytes) { return has_at(bytes, 0, "\xFF\xD8\xFF"); }

/// True if `decode_jpeg` can reduce.
#if defined(MINIVIT_WITH_LIBJPEG)
inline constexpr bool kReducesJpeg = true;
#else
inline constexpr bool kReducesJpeg = false;
#endif

/// Decodes a JPEG to RGB; with libjpeg at 1 / `options.choose(width, height)` of its size. Throws FileError,
/// and as `choose`.
Decoded decode_jpeg(EncodedImage bytes, std::string_view name, const DecodeOptions& options);

}  // namespace detail

/// JPEG, except arithmetic coding where the library at hand cannot.
inline constexpr ImageFormat kJpeg{.name = "JPEG",
                                   .suffixes = {".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp"},
                                   .matches = detail::is_jpeg,
                                   .size = detail::jpeg_size,
                                   .decode = detail::decode_jpeg,
                                   .orientation = detail::jpeg_orientation,
                                   .reduces = detail::kReducesJpeg};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include "minivit/core/check.hpp"

#if defined(MINIVIT_WITH_LIBJPEG)

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs it first
#include <cstring>
#include <new>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The state of libjpeg. Its errors jump back into the member function that called it; no function that is
/// jumped over or out of holds an object with a destructor.
class JpegReader {
 public:
  JpegReader() {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { self(info).fail(); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level == -1 && pixels_are_lost(info->err->msg_code)) self(info).fail();
    };
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = [](j_common_ptr info) {
      // Asked between the scans, should libjpeg find others than `jpeg_size` did.
      JpegReader& reader = self(info);
      if (reader.info_.input_scan_number > most_jpeg_scans(reader.width() * reader.height()))
        reader.fail("too many scans");
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  /// Reads up to the first scan: width(), height() and channels() are known then. False: see report().
  bool open(EncodedImage bytes) {
    if (setjmp(jump_) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&info_, TRUE);
    const bool cmyk = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    return true;
  }

  /// Writes all rows, width · channels() bytes each; width x height must be what was opened and reduced.
  /// False: see report().
  bool read(std::uint8_t* out, int width, int height) {
    if (setjmp(jump_) != 0) return false;
    jpeg_start_decompress(&info_);
    if (info_.output_width != static_cast<unsigned>(width) ||
        info_.output_height != static_cast<unsigned>(height))
      fail("another size than its header says");
    const std::size_t stride =
        std::size_t{info_.output_width} * static_cast<std::size_t>(info_.output_components);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = out + info_.output_scanline * stride;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    return true;
  }

  /// Lets `read` write an image of 1/by of the size, rounded up; by: 1, 2, 4 or 8. After `open`.
  void reduce(int by) { info_.scale_num = 1, info_.scale_denom = static_cast<unsigned>(by); }

  std::int64_t width() const { return info_.image_width; }
  std::int64_t height() const { return info_.image_height; }
  /// True if libjpeg keeps the whole image in memory, whatever part of its size is asked for.
  bool keeps_all() { return jpeg_has_multiple_scans(&info_) != FALSE; }
  int channels() const { return info_.out_color_space == JCS_CMYK ? 4 : 3; }

  /// Throws FileError for what `open` or `read` failed at; bad_alloc if that was not the file's fault.
  [[noreturn]] void report(std::string_view name) const {
    if (out_of_memory_) throw std::bad_alloc();
    throw FileError(str_cat(name, ": damaged JPEG: ", static_cast<const char*>(message_)));
  }

 private:
  static JpegReader& self(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }

  // libjpeg only warns of these and paints the rest of the image gray.
  static bool pixels_are_lost(int code) {
    return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
           code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
  }

  [[noreturn]] void fail(const char* reason = nullptr) {
    out_of_memory_ = !reason && errors_.msg_code == JERR_OUT_OF_MEMORY;
    if (reason)
      std::strncpy(message_, reason, sizeof message_ - 1);
    else
      errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), message_);
    std::longjmp(jump_, 1);
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_;
  char message_[JMSG_LENGTH_MAX] = {};
  bool out_of_memory_ = false;
};

MINIVIT_INLINE Decoded decode_jpeg(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  JpegReader reader;
  if (!reader.open(bytes)) reader.report(name);
  Decoded decoded = not_reduced({});
  decoded.width = static_cast<int>(reader.width()), decoded.height = static_cast<int>(reader.height());
  decoded.reducible = true;
  const int by = decoded.reduction = options.choose ? options.choose(decoded.width, decoded.height) : 1;
  check(by == 1 || by == 2 || by == 4 || by == 8, "decode_image: reduction is ", by,
        ", expected 1, 2, 4 or 8");
  const auto reduced = [&](int side) { return (side - 1) / by + 1; };
  // What is kept must not be too large: the image that is made, or all of the file.
  const int kept = reader.keeps_all() ? 1 : by;
  if (std::int64_t{(decoded.width - 1) / kept + 1} * ((decoded.height - 1) / kept + 1) > options.max_pixels)
    check_decoded_size(name, reader.width(), reader.height(), options.max_pixels);
  reader.reduce(by);
  Image& image = decoded.image = make_image(reduced(decoded.width), reduced(decoded.height));
  if (reader.channels() == 3) {
    if (!reader.read(image.pixels.data(), image.width, image.height)) reader.report(name);
    return decoded;
  }
  // CMYK is stored inverted, as Adobe does; the ink that is left is scaled by what black lets through.
  std::vector<std::uint8_t> inks(image.pixels.size() / 3 * 4);
  if (!reader.read(inks.data(), image.width, image.height)) reader.report(name);
  const auto multiply = [](int a, int b) {  // a·b / 255, rounded
    const int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
  };
  const std::uint8_t* in = inks.data();
  for (std::uint8_t *out = image.pixels.data(), *end = out + image.pixels.size(); out != end;
       out += 3, in += 4)
    for (int c = 0; c < 3; ++c) {
      const int value = in[3] - multiply(255 - in[c], in[3]);
      out[c] = static_cast<std::uint8_t>(value < 0 ? 0 : value);
    }
  return decoded;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#else

#include "minivit/data/stb.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

MINIVIT_INLINE Decoded decode_jpeg(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  check_jpeg_for_stb(bytes, name);
  // Up to four components: coefficients of 16 bits, samples and the result.
  constexpr std::size_t kBytesPerPixel = 16;
  return not_reduced(
      decode_with_stb(bytes, name, "JPEG", jpeg_size(bytes, name, options.max_pixels), kBytesPerPixel));
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#endif
#endif  // MINIVIT_DEFINITIONS
