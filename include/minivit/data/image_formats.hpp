// The list of the image formats that are read.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// All formats, in the order in which they are tried. The one place where a new format is entered.
[[nodiscard]] std::span<const ImageFormat> image_formats();

/// The format with these first bytes; null if there is none.
[[nodiscard]] const ImageFormat* find_image_format(EncodedImage bytes);

/// True if the name of a file has a suffix of one of the formats, in upper or lower case: such a file counts
/// as an image of a folder.
[[nodiscard]] bool has_image_suffix(const std::filesystem::path& path);

/// True if the name of a file has the suffix of an image that is not read, for example ".heic" without
/// libheif, or ".psd": such a file is passed over, but not without a word.
[[nodiscard]] bool has_unread_image_suffix(const std::filesystem::path& path);

namespace detail {

/// "JPEG, PNG or BMP".
std::string format_names();

/// ".jpg, .jpeg, .png, .bmp".
std::string format_suffixes();

/// What these bytes are, for a file that has none of the formats: "a WebP image, and this program was built
/// without libwebp", "a web page", or nothing if it is not known.
std::string_view describe_unread(EncodedImage bytes);

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <array>
#include <cstddef>

#include "minivit/data/decode_avif.hpp"
#include "minivit/data/decode_bmp.hpp"
#include "minivit/data/decode_gif.hpp"
#include "minivit/data/decode_heif.hpp"
#include "minivit/data/decode_jpeg.hpp"
#include "minivit/data/decode_png.hpp"
#include "minivit/data/decode_tiff.hpp"
#include "minivit/data/decode_webp.hpp"

namespace minivit::inline MINIVIT_ABI::image {

MINIVIT_INLINE std::span<const ImageFormat> image_formats() {
  static constexpr ImageFormat kFormats[] = {
    kJpeg,
    kPng,
    kBmp,
#if defined(MINIVIT_WITH_LIBWEBP)
    kWebp,
#endif
#if defined(MINIVIT_WITH_GIFLIB)
    kGif,
#endif
#if defined(MINIVIT_WITH_LIBTIFF)
    kTiff,
#endif
#if defined(MINIVIT_WITH_LIBAVIF)
    kAvif,
#endif
#if defined(MINIVIT_WITH_LIBHEIF)
    kHeif,
#endif
  };
  return kFormats;
}

MINIVIT_INLINE const ImageFormat* find_image_format(EncodedImage bytes) {
  for (const ImageFormat& format : image_formats())
    if (format.matches(bytes)) return &format;
  return nullptr;
}

namespace detail {

/// The suffix of a file's name in lower case, with the dot.
inline std::string lower_suffix(const std::filesystem::path& path) {
  std::string suffix = path.extension().string();
  for (char& c : suffix)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return suffix;
}

}  // namespace detail

MINIVIT_INLINE bool has_image_suffix(const std::filesystem::path& path) {
  const std::string suffix = detail::lower_suffix(path);
  return !suffix.empty() && std::ranges::any_of(image_formats(), [&](const ImageFormat& format) {
    return std::ranges::find(format.suffixes, suffix) != format.suffixes.end();
  });
}

MINIVIT_INLINE bool has_unread_image_suffix(const std::filesystem::path& path) {
  constexpr std::string_view kImages[] = {".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif",
                                          ".jxl",  ".jp2", ".j2k", ".ppm",  ".pgm",  ".pbm",  ".pnm",  ".tga",
                                          ".psd",  ".ico", ".svg", ".exr",  ".hdr",  ".dds",  ".pcx",  ".dng",
                                          ".cr2",  ".cr3", ".nef", ".arw",  ".orf",  ".rw2",  ".raf",  ".raw",
                                          ".dib",  ".xpm", ".xbm", ".apng", ".qoi",  ".jxr",  ".dcm"};
  return std::ranges::find(kImages, detail::lower_suffix(path)) != std::end(kImages) &&
         !has_image_suffix(path);
}

namespace detail {

MINIVIT_INLINE std::string format_names() {
  std::string names;
  const std::span<const ImageFormat> formats = image_formats();
  for (std::size_t i = 0; i < formats.size(); ++i) {
    if (i > 0) names += i + 1 < formats.size() ? ", " : " or ";
    names += formats[i].name;
  }
  return names;
}

MINIVIT_INLINE std::string format_suffixes() {
  std::string suffixes;
  for (const ImageFormat& format : image_formats())
    for (const std::string_view suffix : format.suffixes)
      if (!suffix.empty()) (suffixes += suffixes.empty() ? "" : ", ") += suffix;
  return suffixes;
}

MINIVIT_INLINE std::string_view describe_unread(EncodedImage bytes) {
  if (is_webp(bytes)) return "a WebP image, and this program was built without libwebp";
  if (is_gif(bytes)) return "a GIF image, and this program was built without giflib";
  if (is_tiff(bytes)) return "a TIFF image, and this program was built without libtiff";
  if (is_avif(bytes)) return "an AVIF image, and this program was built without libavif";
  if (is_heif(bytes)) return "a HEIC image, and this program was built without libheif";
  struct Kind {
    std::size_t at;
    std::string_view start, name;
  };
  constexpr Kind kKinds[] = {{0, "\xFF\x0A", "a JPEG XL image"},
                             {4, "JXL \r\n\x87\n", "a JPEG XL image"},
                             {4, "jP  \r\n\x87\n", "a JPEG 2000 image"},
                             {0, "\xFF\x4F\xFF\x51", "a JPEG 2000 image"},
                             {0, "8BPS", "a Photoshop image"},
                             {0, "P5\n", "a PGM image"},
                             {0, "P6\n", "a PPM image"},
                             {0, "%PDF", "a PDF document"},
                             {0, "PK\x03\x04", "a ZIP archive"},
                             {0, "<!DOCTYPE html", "a web page"},
                             {0, "<!doctype html", "a web page"},
                             {0, "<html", "a web page"},
                             {0, "<svg", "an SVG image"},
                             {0, "version https://git-lfs", "a pointer of Git LFS"}};
  for (const Kind& kind : kKinds)
    if (has_at(bytes, kind.at, kind.start)) return kind.name;
  return {};
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
