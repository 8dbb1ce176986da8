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

/// True if the name of a file has a suffix of one of the formats, in upper or lower case.
[[nodiscard]] bool has_image_suffix(const std::filesystem::path& path);

namespace detail {

/// "JPEG, PNG or BMP".
std::string format_names();

/// ".jpg, .jpeg, .png, .bmp".
std::string format_suffixes();

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include "minivit/data/decode_bmp.hpp"
#include "minivit/data/decode_jpeg.hpp"
#include "minivit/data/decode_png.hpp"

namespace minivit::inline MINIVIT_ABI::image {

MINIVIT_INLINE std::span<const ImageFormat> image_formats() {
  static constexpr ImageFormat kFormats[] = {kJpeg, kPng, kBmp};
  return kFormats;
}

MINIVIT_INLINE const ImageFormat* find_image_format(EncodedImage bytes) {
  for (const ImageFormat& format : image_formats())
    if (format.matches(bytes)) return &format;
  return nullptr;
}

MINIVIT_INLINE bool has_image_suffix(const std::filesystem::path& path) {
  std::string suffix = path.extension().string();
  for (char& c : suffix)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (suffix.empty()) return false;
  return std::ranges::any_of(image_formats(), [&](const ImageFormat& format) {
    return std::ranges::find(format.suffixes, suffix) != format.suffixes.end();
  });
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

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
