// HEIC (HEIF with HEVC, as phones write it) to RGB, by libheif where the build found it.
#pragma once

#include "minivit/data/heif_brand.hpp"
#include "minivit/data/image_format.hpp"

#if defined(MINIVIT_WITH_LIBHEIF)

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The size of a HEIF file's main image, upright. Throws FileError as ImageFormat::size does.
ImageSize heif_size(EncodedImage bytes, std::string_view name, std::int64_t limit);

/// Decodes the main image of a HEIF file to RGB. Throws FileError.
Decoded decode_heif(EncodedImage bytes, std::string_view name, const DecodeOptions& options);

}  // namespace detail

/// HEIC. It has no EXIF orientation that counts: libheif turns the image as the file's properties say,
/// whatever DecodeOptions say, for it does not tell turning from the cutting that belongs to the coding.
inline constexpr ImageFormat kHeif{.name = "HEIC",
                                   .suffixes = {".heic", ".heif", ".hif"},
                                   .matches = detail::is_heif,
                                   .size = detail::heif_size,
                                   .decode = detail::decode_heif};

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include <libheif/heif.h>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// A HEIF file, opened by libheif: its header is read. Throws FileError if it is damaged.
class HeifReader {
 public:
  HeifReader(EncodedImage bytes, std::string_view name)
      : name_(name),
        context_(heif_context_alloc(), heif_context_free),
        handle_(nullptr, heif_image_handle_release) {
    if (!context_) throw std::bad_alloc();
    require_thread();
    heif_context_set_max_decoding_threads(context_.get(), 0);  // images are decoded side by side
    require(heif_context_read_from_memory_without_copy(context_.get(), bytes.data(), bytes.size(), nullptr));
    heif_image_handle* handle = nullptr;
    require(heif_context_get_primary_image_handle(context_.get(), &handle));
    handle_.reset(handle);
  }

  std::int64_t width() const { return heif_image_handle_get_width(handle_.get()); }
  std::int64_t height() const { return heif_image_handle_get_height(handle_.get()); }

  /// The pixels, cut and turned as the file's properties say.
  Image read() const {
    const std::unique_ptr<heif_decoding_options, void (*)(heif_decoding_options*)> options(
        heif_decoding_options_alloc(), heif_decoding_options_free);
    if (!options) throw std::bad_alloc();
    options->convert_hdr_to_8bit = 1;
    heif_image* decoded = nullptr;
    require(heif_decode_image(handle_.get(), &decoded, heif_colorspace_RGB, heif_chroma_interleaved_RGB,
                              options.get()));
    const std::unique_ptr<heif_image, void (*)(const heif_image*)> owner(decoded, heif_image_release);
    int stride = 0;
    const std::uint8_t* const rows =
        heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
    const int w = heif_image_get_width(decoded, heif_channel_interleaved),
              h = heif_image_get_height(decoded, heif_channel_interleaved);
    check<FileError>(w == width() && h == height(), name_, ": damaged HEIC: two sizes");
    Image image = make_image(w, h);
    check<FileError>(rows && stride >= 0 && static_cast<std::size_t>(stride) >= image.stride(), name_,
                     ": damaged HEIC: it has no pixels");
    for (int y = 0; y < h; ++y) std::copy_n(rows + std::ptrdiff_t{y} * stride, image.stride(), image.row(y));
    return image;
  }

 private:
  void require(const heif_error& error) const {
    if (error.code == heif_error_Memory_allocation_error &&
        error.subcode != heif_suberror_Security_limit_exceeded)
      throw std::bad_alloc();
    if (error.code == heif_error_Ok) return;
    std::string_view why = error.message;  // some end with a line break
    while (why.ends_with('\n')) why.remove_suffix(1);
    throw FileError(str_cat(name_, ": damaged HEIC: ", why));
  }

  /// libde265 decodes in a thread of its own, and waits for it even if it could not be started.
  void require_thread() const {
    try {
      std::thread([] {}).join();
    } catch (const std::system_error& error) {
      throw AccessError(str_cat(
          name_, ": a HEIC takes a thread to decode, which cannot be started: ", error.code().message()));
    }
  }

  std::string_view name_;
  std::unique_ptr<heif_context, void (*)(heif_context*)> context_;
  std::unique_ptr<heif_image_handle, void (*)(const heif_image_handle*)> handle_;
};

MINIVIT_INLINE ImageSize heif_size(EncodedImage bytes, std::string_view name, std::int64_t limit) {
  const HeifReader reader(bytes, name);
  check_decoded_size(name, reader.width(), reader.height(), limit);
  return {reader.width(), reader.height()};
}

MINIVIT_INLINE Decoded decode_heif(EncodedImage bytes, std::string_view name, const DecodeOptions& options) {
  const HeifReader reader(bytes, name);
  check_decoded_size(name, reader.width(), reader.height(), options.max_pixels);
  return not_reduced(reader.read());
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
#endif  // MINIVIT_WITH_LIBHEIF
