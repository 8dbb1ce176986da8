// The description of an image format: how its files are recognized, measured and decoded.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// The content of an image file.
using EncodedImage = std::span<const std::uint8_t>;

/// Width and height in pixels, as the header of a file states them.
struct ImageSize {
  std::int64_t width = 0, height = 0;
};

/// An image format. To add one: write its file after the pattern of decode_bmp.hpp, and add it to the list in
/// image_formats.hpp; if it needs a library, as decode_webp.hpp, with a tag in core/config.hpp. `name` in the
/// functions is the file's, for messages.
struct ImageFormat {
  /// What messages call the format, for example "JPEG".
  std::string_view name;
  /// The suffixes of its files' names, in lower case and with the dot; places that are not needed are empty.
  std::array<std::string_view, 6> suffixes;
  /// True if the first bytes of a file are those of this format.
  bool (*matches)(EncodedImage bytes);
  /// The size that the header states. Allocates nothing that grows with it: the size decides whether the file
  /// is decoded at all. Throws FileError if there is no such header, if it states more than `limit` pixels,
  /// or if the file is too small to hold so many.
  ImageSize (*size)(EncodedImage bytes, std::string_view name, std::int64_t limit);
  /// The image as it is stored, RGB. Called after `size`. May ask `options.choose` for the reduction, once;
  /// that is null or answers 1 unless `reduces`. Throws FileError if the file is damaged or incomplete or, in
  /// spite of `size`, has more than `options.max_pixels`; whatever `choose` throws.
  Decoded (*decode)(EncodedImage bytes, std::string_view name, const DecodeOptions& options);
  /// The EXIF orientation that the file states, 1 to 8; 1 if it states none. Null for a format that has none.
  /// Never throws: damaged EXIF data do not make a bad image.
  int (*orientation)(EncodedImage bytes) = nullptr;
  /// True if `decode` can reduce. What it is asked to decode may then be larger than `options.max_pixels`:
  /// what it makes of that must not.
  bool reduces = false;
};

namespace detail {

/// True if `bytes` has the characters of `text` from position `at` on.
inline bool has_at(EncodedImage bytes, std::size_t at, std::string_view text) {
  return bytes.size() >= at && bytes.size() - at >= text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
