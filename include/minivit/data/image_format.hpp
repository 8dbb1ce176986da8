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
/// image_formats.hpp. `name` in the functions is the file's, for messages.
struct ImageFormat {
  /// What messages call the format, for example "JPEG".
  std::string_view name;
  /// The suffixes of its files' names, in lower case and with the dot; places that are not needed are empty.
  std::array<std::string_view, 4> suffixes;
  /// True if the first bytes of a file are those of this format.
  bool (*matches)(EncodedImage bytes);
  /// The size that the header states. Allocates nothing: the size decides whether the file is decoded at all.
  /// Throws FileError if there is no such header, or if the file is too small to hold so many pixels.
  ImageSize (*size)(EncodedImage bytes, std::string_view name);
  /// The image, RGB. Called after `size`, if that is within the limits. May ask `choose` for the reduction,
  /// once. Throws FileError if the file is damaged or incomplete; whatever `choose` throws.
  Decoded (*decode)(EncodedImage bytes, std::string_view name, const ChooseReduction& choose);
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
