// AVIF to RGB, by libavif where the build found it; of an animation the first picture.
#pragma once

#include "minivit/data/heif_brand.hpp"
#include "minivit/data/image_format.hpp"

#if defined(MINIVIT_WITH_LIBAVIF)

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The size of an AVIF image. Throws FileError as ImageFormat::size does.
ImageSize avif_size(EncodedImage bytes, std::string_view name, std::int64_t limit);

/// Decodes an AVIF image to RGB. Throws FileError.
Decoded decode_avif(EncodedImage bytes, std::string_view name, const DecodeOptions& options);

/// The orientation that the properties irot and imir of an AVIF image amount to: these count, not EXIF data
/// (ISO/IEC 23000-22, 7.3.6.7).
int avif_orientation(EncodedImage bytes);

}  // namespace detail

/// AVIF.
inline constexpr ImageFormat kAvif{.name = "AVIF",
                                   .suffixes = {".avif"},
                                   .matches = detail::is_avif,
                                   .size = detail::avif_size,
                                   .decode = detail::decode_avif,
                                   .orientation = detail::avif_orientation};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include <avif/avif.h>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// An AVIF image, opened by libavif: its header is read.
class AvifReader {
 public:
  AvifReader(EncodedImage bytes, std::int64_t limit) : decoder_(avifDecoderCreate(), avifDecoderDestroy) {
    if (!decoder_) throw std::bad_alloc();
    decoder_->maxThreads = 1;  // images are decoded side by side
    decoder_->ignoreExif = decoder_->ignoreXMP = AVIF_TRUE;
    decoder_->strictFlags = AVIF_STRICT_DISABLED;  // as browsers do
    // libavif refuses a limit above its own.
    decoder_->imageSizeLimit =
        static_cast<std::uint32_t>(std::min<std::int64_t>(limit, AVIF_DEFAULT_IMAGE_SIZE_LIMIT));
    result_ = avifDecoderSetIOMemory(decoder_.get(), bytes.data(), bytes.size());
    if (result_ == AVIF_RESULT_OK) result_ = avifDecoderParse(decoder_.get());
  }

  bool ok() const { return result_ == AVIF_RESULT_OK; }
  const avifImage& image() const { return *decoder_->image; }

  /// Throws FileError unless everything went well so far; bad_alloc if that was not the file's fault.
  void require_ok(std::string_view name) const {
    if (result_ == AVIF_RESULT_OUT_OF_MEMORY) throw std::bad_alloc();
    const char* const detail = decoder_->diag.error;
    check<FileError>(ok(), name, ": damaged AVIF: ", avifResultToString(result_), detail[0] ? ": " : "",
                     static_cast<const char*>(detail));
  }

  /// Decodes into the rows of `out`, which has the size of image().
  void read(Image& out) {
    result_ = avifDecoderNextImage(decoder_.get());
    if (!ok()) return;
    avifRGBImage rgb;
    avifRGBImageSetDefaults(&rgb, decoder_->image);
    if (rgb.width != static_cast<std::uint32_t>(out.width) ||
        rgb.height != static_cast<std::uint32_t>(out.height)) {
      result_ = AVIF_RESULT_ISPE_SIZE_MISMATCH;
      return;
    }
    rgb.format = AVIF_RGB_FORMAT_RGB;
    rgb.depth = 8;
    rgb.pixels = out.pixels.data();
    rgb.rowBytes = static_cast<std::uint32_t>(out.stride());
    result_ = avifImageYUVToRGB(decoder_->image, &rgb);
  }

 private:
  std::unique_ptr<avifDecoder, void (*)(avifDecoder*)> decoder_;
  avifResult result_ = AVIF_RESULT_OK;
};

MINIVIT_INLINE ImageSize avif_size(EncodedImage bytes, std::string_view name, std::int64_t limit) {
  const AvifReader reader(bytes, kLargestImage);  // the limit is checked below, with words of our own
  reader.require_ok(name);
  const ImageSize size{reader.image().width, reader.image().height};
  check_decoded_size(name, size.width, size.height, limit);
  return size;
}

MINIVIT_INLINE Decoded decode_avif(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  AvifReader reader(bytes, options.max_pixels);
  reader.require_ok(name);
  const std::int64_t width = reader.image().width, height = reader.image().height;
  check_decoded_size(name, width, height, options.max_pixels);
  Image image = make_image(static_cast<int>(width), static_cast<int>(height));
  reader.read(image);
  reader.require_ok(name);
  return not_reduced(std::move(image));
}

MINIVIT_INLINE int avif_orientation(EncodedImage bytes) {
  const AvifReader reader(bytes, kLargestImage);
  if (!reader.ok()) return 1;
  const avifImage& image = reader.image();
#if AVIF_VERSION >= 1000000
  const int mode = image.imir.axis;
#else
  const int mode = image.imir.mode;
#endif
  const bool mirrored = (image.transformFlags & AVIF_TRANSFORM_IMIR) != 0;
  const int quarters = (image.transformFlags & AVIF_TRANSFORM_IROT) != 0 ? image.irot.angle & 3 : 0;
  // By quarter turns counterclockwise: alone, then top and bottom exchanged, then left and right exchanged.
  constexpr int kOrientations[4][3] = {{1, 4, 2}, {8, 5, 7}, {3, 2, 4}, {6, 7, 5}};
  return kOrientations[quarters][!mirrored ? 0 : mode == 0 ? 1 : 2];
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
#endif  // MINIVIT_WITH_LIBAVIF
