// JPEG to RGB, by libjpeg-turbo where the build found it, else by stb_image.
#pragma once

#include <string_view>

#include "minivit/data/image_format.hpp"
#include "minivit/data/jpeg_markers.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline bool is_jpeg(EncodedImage bytes) { return has_at(bytes, 0, "\xFF\xD8\xFF"); }

/// Decodes a JPEG to RGB; with libjpeg at 1 / `choose(width, height)` of its size. Throws FileError, and as
/// `choose`.
Decoded decode_jpeg(EncodedImage bytes, std::string_view name, const ChooseReduction& choose);

}  // namespace detail

/// JPEG, except arithmetic coding where the library at hand cannot.
inline constexpr ImageFormat kJpeg{
    "JPEG", {".jpg", ".jpeg"}, detail::is_jpeg, detail::jpeg_size, detail::decode_jpeg};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#if defined(MINIVIT_WITH_LIBJPEG)

#include <csetjmp>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs it first
#include <cstring>
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
      if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxJpegScans)
        self(info).fail("too many scans");
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  /// Reads up to the first scan: width(), height() and channels() are known then. False: see message().
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
  /// False: see message().
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
  int channels() const { return info_.out_color_space == JCS_CMYK ? 4 : 3; }
  const char* message() const { return message_; }

 private:
  static JpegReader& self(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }

  // libjpeg only warns of these and paints the rest of the image gray.
  static bool pixels_are_lost(int code) {
    return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
           code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
  }

  [[noreturn]] void fail(const char* reason = nullptr) {
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
};

MINIVIT_INLINE Decoded decode_jpeg(EncodedImage bytes, std::string_view name, const ChooseReduction& choose) {
  JpegReader reader;
  check<FileError>(reader.open(bytes), name, ": damaged JPEG: ", reader.message());
  check_decoded_size(name, reader.width(), reader.height());  // should libjpeg find another one
  Decoded decoded{{}, static_cast<int>(reader.width()), static_cast<int>(reader.height()), 1, true};
  decoded.reduction = choose(decoded.width, decoded.height);
  check(decoded.reduction == 1 || decoded.reduction == 2 || decoded.reduction == 4 || decoded.reduction == 8,
        "decode_image: reduction is ", decoded.reduction, ", expected 1, 2, 4 or 8");
  reader.reduce(decoded.reduction);
  const auto reduced = [&](int size) { return (size - 1) / decoded.reduction + 1; };
  Image& image = decoded.image = make_image(reduced(decoded.width), reduced(decoded.height));
  if (reader.channels() == 3) {
    check<FileError>(reader.read(image.pixels.data(), image.width, image.height), name,
                     ": damaged JPEG: ", reader.message());
    return decoded;
  }
  // CMYK is stored inverted, as Adobe does; the ink that is left is scaled by what black lets through.
  std::vector<std::uint8_t> inks(image.pixels.size() / 3 * 4);
  check<FileError>(reader.read(inks.data(), image.width, image.height), name,
                   ": damaged JPEG: ", reader.message());
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

MINIVIT_INLINE Decoded decode_jpeg(EncodedImage bytes, std::string_view name, const ChooseReduction&) {
  check_jpeg_for_stb(bytes, name);
  return not_reduced(decode_with_stb(bytes, name, "JPEG", jpeg_size(bytes, name)));
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#endif
#endif  // MINIVIT_DEFINITIONS
