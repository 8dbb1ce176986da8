// TIFF to RGB, by libtiff where the build found it: the first picture of a file.
#pragma once

#include "minivit/data/image_format.hpp"
#include "minivit/data/tiff_tags.hpp"

#if defined(MINIVIT_WITH_LIBTIFF)

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The size of a TIFF's first picture. Throws FileError as ImageFormat::size does.
ImageSize tiff_size(EncodedImage bytes, std::string_view name, std::int64_t limit);

/// Decodes the first picture of a TIFF to RGB. Throws FileError.
Decoded decode_tiff(EncodedImage bytes, std::string_view name, const DecodeOptions& options);

}  // namespace detail

/// TIFF: what libtiff makes RGB of, up to 16 bits a sample.
inline constexpr ImageFormat kTiff{.name = "TIFF",
                                   .suffixes = {".tif", ".tiff"},
                                   .matches = detail::is_tiff,
                                   .size = detail::tiff_size,
                                   .decode = detail::decode_tiff,
                                   .orientation = detail::exif_orientation};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include <tiffio.h>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

MINIVIT_INLINE ImageSize tiff_size(EncodedImage bytes, std::string_view name, std::int64_t limit) {
  const TiffTags tags(bytes);
  const auto width = tags[TIFFTAG_IMAGEWIDTH], height = tags[TIFFTAG_IMAGELENGTH];
  check<FileError>(width && height, name, ": damaged TIFF: it does not say how large the image is");
  const ImageSize size{*width, *height};
  check_decoded_size(name, size.width, size.height, limit);
  // Fax coding has no bound; otherwise no byte holds more than 4095 bytes (LZW), of one bit a pixel.
  const std::uint32_t coding = tags[TIFFTAG_COMPRESSION].value_or(COMPRESSION_NONE);
  const bool fax = (coding >= COMPRESSION_CCITTRLE && coding <= COMPRESSION_CCITTFAX4) ||
                   coding == COMPRESSION_JBIG || coding == COMPRESSION_CCITTRLEW;
  const std::int64_t most = coding == COMPRESSION_NONE ? 8 : std::int64_t{8} * 4095;
  check<FileError>(fax || size.width * size.height / most <= static_cast<std::int64_t>(bytes.size()), name,
                   ": damaged TIFF: ", bytes.size(), " bytes do not hold ", size.width, "x", size.height,
                   " pixels");
  return size;
}

/// A TIFF in memory, opened by libtiff.
class TiffReader {
 public:
  /// libtiff never gets more than `largest_block` bytes in one piece.
  TiffReader(EncodedImage bytes, std::size_t largest_block) : bytes_(bytes) {
    const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                               TIFFOpenOptionsFree);
    if (!options) throw std::bad_alloc();
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(largest_block));
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, this);
    TIFFOpenOptionsSetWarningHandlerExtR(
        options.get(), [](TIFF*, void*, const char*, const char*, va_list) { return 1; }, nullptr);
    tiff_ = TIFFClientOpenExt(  // r: read, m: not mapped
        "image", "rm", this,
        [](thandle_t self, void* out, tmsize_t count) { return as_reader(self).read(out, count); },
        [](thandle_t, void*, tmsize_t) { return tmsize_t{0}; },
        [](thandle_t self, toff_t to, int from) { return as_reader(self).seek(to, from); },
        [](thandle_t) { return 0; },
        [](thandle_t self) { return static_cast<toff_t>(as_reader(self).bytes_.size()); }, nullptr, nullptr,
        options.get());
  }
  ~TiffReader() {
    if (tiff_) TIFFClose(tiff_);
  }
  TiffReader(const TiffReader&) = delete;
  TiffReader& operator=(const TiffReader&) = delete;

  TIFF* get() const { return tiff_; }
  const char* message() const { return message_[0] ? message_ : "it cannot be decoded"; }

 private:
  static TiffReader& as_reader(thandle_t self) { return *static_cast<TiffReader*>(self); }

  static int on_error(TIFF*, void* self, const char*, const char* format, va_list arguments) {
    char(&message)[256] = static_cast<TiffReader*>(self)->message_;
    if (!message[0]) std::vsnprintf(message, sizeof message, format, arguments);  // the first is the cause
    return 1;
  }

  tmsize_t read(void* out, tmsize_t count) {
    if (count <= 0 || at_ >= bytes_.size()) return 0;
    const std::size_t n = std::min(static_cast<std::size_t>(count), bytes_.size() - at_);
    std::memcpy(out, bytes_.data() + at_, n);
    at_ += n;
    return static_cast<tmsize_t>(n);
  }

  toff_t seek(toff_t to, int from) {
    at_ = static_cast<std::size_t>(to) + (from == SEEK_CUR ? at_ : from == SEEK_END ? bytes_.size() : 0);
    return at_;
  }

  EncodedImage bytes_;
  std::size_t at_ = 0;
  TIFF* tiff_ = nullptr;
  char message_[256] = {};
};

/// libtiff multiplies colors by their alpha. Here alpha is dropped: it is said to have been multiplied in.
inline void drop_tiff_alpha(TIFF* tiff) {
  std::uint16_t count = 0, *kinds = nullptr;
  if (TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) != 1 || count == 0 || count > 8)
    return;
  std::array<std::uint16_t, 8> changed{};
  std::copy_n(kinds, count, changed.begin());
  std::replace(changed.begin(), changed.end(), std::uint16_t{EXTRASAMPLE_UNASSALPHA},
               std::uint16_t{EXTRASAMPLE_ASSOCALPHA});
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, static_cast<int>(count), changed.data());
}

MINIVIT_INLINE Decoded decode_tiff(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  const ImageSize size = tiff_size(bytes, name, options.max_pixels);
  const std::size_t w = static_cast<std::size_t>(size.width), h = static_cast<std::size_t>(size.height);
  // A strip or tile: up to four samples of 16 bits for each pixel; tiles have a size of their own.
  const TiffReader file(bytes, 16 * (w + 1024) * (h + 1024));
  check<FileError>(file.get() != nullptr, name, ": damaged TIFF: ", file.message());
  drop_tiff_alpha(file.get());
  char reason[1024] = {};
  check<FileError>(TIFFRGBAImageOK(file.get(), reason) != 0, name,
                   ": this kind of TIFF is not read: ", static_cast<const char*>(reason));
  TIFFRGBAImage rgba;
  constexpr int kStopAtErrors = 1;
  check<FileError>(TIFFRGBAImageBegin(&rgba, file.get(), kStopAtErrors, reason) != 0, name,
                   ": this kind of TIFF is not read: ", static_cast<const char*>(reason));
  const std::unique_ptr<TIFFRGBAImage, void (*)(TIFFRGBAImage*)> owner(&rgba, TIFFRGBAImageEnd);
  check<FileError>(rgba.width == size.width && rgba.height == size.height, name, ": damaged TIFF: two sizes");
  rgba.req_orientation = rgba.orientation;  // as it is stored
  Image image{static_cast<int>(w), static_cast<int>(h), 3, {}};
  image.pixels.resize(4 * w * h);  // red, green, blue, alpha; then without alpha, in the same place
  check<FileError>(TIFFRGBAImageGet(&rgba, reinterpret_cast<std::uint32_t*>(image.pixels.data()),
                                    static_cast<std::uint32_t>(w), static_cast<std::uint32_t>(h)) != 0,
                   name, ": damaged TIFF: ", file.message());
  for (std::size_t i = 0; i < w * h; ++i) std::memmove(&image.pixels[3 * i], &image.pixels[4 * i], 3);
  image.pixels.resize(3 * w * h);
  return not_reduced(std::move(image));
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
#endif  // MINIVIT_WITH_LIBTIFF
