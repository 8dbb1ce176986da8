// WebP to RGB, by libwebp where the build found it; of an animation the first picture.
//
// Container: Google, "WebP Container Specification" (RIFF chunks).
#pragma once

#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

inline bool is_webp(EncodedImage bytes) { return has_at(bytes, 0, "RIFF") && has_at(bytes, 8, "WEBP"); }

#if defined(MINIVIT_WITH_LIBWEBP)
/// The size of a WebP image. Throws FileError as ImageFormat::size does.
ImageSize webp_size(EncodedImage bytes, std::string_view name, std::int64_t limit);

/// Decodes a WebP image to RGB. Throws FileError.
Decoded decode_webp(EncodedImage bytes, std::string_view name, const DecodeOptions& options);

/// The orientation that the EXIF data of a WebP image (its chunk EXIF) state, else 1.
int webp_orientation(EncodedImage bytes);
#endif

}  // namespace detail

#if defined(MINIVIT_WITH_LIBWEBP)
/// WebP, with and without loss.
inline constexpr ImageFormat kWebp{.name = "WebP",
                                   .suffixes = {".webp"},
                                   .matches = detail::is_webp,
                                   .size = detail::webp_size,
                                   .decode = detail::decode_webp,
                                   .orientation = detail::webp_orientation};
#endif

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS && defined(MINIVIT_WITH_LIBWEBP)
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <webp/decode.h>

#include "minivit/core/check.hpp"
#include "minivit/data/tiff_tags.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The data of the first chunk of this type among `chunks`; empty if there is none.
inline EncodedImage webp_chunk(EncodedImage chunks, std::string_view type) {
  constexpr std::size_t kHead = 8;  // type, size
  while (chunks.size() >= kHead) {
    const std::size_t size =
        chunks[4] | std::size_t{chunks[5]} << 8 | std::size_t{chunks[6]} << 16 | std::size_t{chunks[7]} << 24;
    if (size > chunks.size() - kHead) break;
    if (has_at(chunks, 0, type)) return chunks.subspan(kHead, size);
    const std::size_t padded = size + size % 2;
    if (padded > chunks.size() - kHead) break;
    chunks = chunks.subspan(kHead + padded);
  }
  return {};
}

constexpr std::size_t kWebpHead = 12;  // "RIFF", size, "WEBP"

/// Decodes what is no animation into rows of `stride` bytes.
inline void decode_webp_into(EncodedImage bytes, std::string_view name, int width, int height,
                             std::uint8_t* out, std::size_t stride) {
  WebPDecoderConfig config;
  bool ok = WebPInitDecoderConfig(&config) != 0 &&
            WebPGetFeatures(bytes.data(), bytes.size(), &config.input) == VP8_STATUS_OK &&
            config.input.width == width && config.input.height == height;
  if (ok) {
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out;
    config.output.u.RGBA.stride = static_cast<int>(stride);
    config.output.u.RGBA.size =
        stride * static_cast<std::size_t>(height - 1) + std::size_t{3} * static_cast<std::size_t>(width);
    const VP8StatusCode status = WebPDecode(bytes.data(), bytes.size(), &config);
    WebPFreeDecBuffer(&config.output);
    if (status == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc();
    ok = status == VP8_STATUS_OK;
  }
  check<FileError>(ok, name, ": damaged WebP: its pixels cannot be decoded");
}

MINIVIT_INLINE ImageSize webp_size(EncodedImage bytes, std::string_view name, std::int64_t limit) {
  int width = 0, height = 0;
  check<FileError>(WebPGetInfo(bytes.data(), bytes.size(), &width, &height) != 0, name,
                   ": damaged WebP: it has no valid header");
  check_decoded_size(name, width, height, limit);
  return {width, height};
}

MINIVIT_INLINE Decoded decode_webp(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  const ImageSize size = webp_size(bytes, name, options.max_pixels);
  WebPBitstreamFeatures features;
  check<FileError>(WebPGetFeatures(bytes.data(), bytes.size(), &features) == VP8_STATUS_OK, name,
                   ": damaged WebP: it has no valid header");
  Image image = make_image(static_cast<int>(size.width), static_cast<int>(size.height));
  if (!features.has_animation) {
    decode_webp_into(bytes, name, image.width, image.height, image.pixels.data(), image.stride());
    return not_reduced(std::move(image));
  }
  // A frame: place (in steps of two pixels) and size - 1, 3 bytes each, duration, flags; then its chunks.
  constexpr std::size_t kFrameHead = 16;
  const EncodedImage frame = webp_chunk(bytes.subspan(kWebpHead), "ANMF");
  check<FileError>(frame.size() > kFrameHead, name, ": damaged WebP: an animation without pictures");
  const auto u24 = [&](std::size_t at) { return frame[at] | frame[at + 1] << 8 | frame[at + 2] << 16; };
  const int left = 2 * u24(0), top = 2 * u24(3), width = u24(6) + 1, height = u24(9) + 1;
  check<FileError>(left <= image.width - width && top <= image.height - height, name,
                   ": damaged WebP: a picture beyond its edges");
  decode_webp_into(frame.subspan(kFrameHead), name, width, height,
                   image.row(top) + std::size_t{3} * static_cast<std::size_t>(left), image.stride());
  return not_reduced(std::move(image));
}

MINIVIT_INLINE int webp_orientation(EncodedImage bytes) {
  return exif_orientation(webp_chunk(bytes.subspan(kWebpHead), "EXIF"));
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
