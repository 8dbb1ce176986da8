// The end of an image file: whether it is there, as far as the format says without decoding.
#pragma once

#include "minivit/core/file.hpp"
#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image::detail {

/// True if the file ends as one of this format does when nothing is cut off. False if it does not, or if only
/// decoding can tell (TIFF). Reads a few bytes; throws as InputFile::read_at.
[[nodiscard]] bool has_its_end(const io::InputFile& file, const ImageFormat& format);

}  // namespace minivit::inline MINIVIT_ABI::image::detail

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace minivit::inline MINIVIT_ABI::image::detail {

/// A number of four bytes, the highest first.
inline std::uint64_t big_endian(const std::uint8_t* bytes) {
  return std::uint64_t{bytes[0]} << 24 | std::uint64_t{bytes[1]} << 16 | std::uint64_t{bytes[2]} << 8 |
         bytes[3];
}

/// Whether the boxes of an AVIF or HEIC file (ISO/IEC 14496-12) fill it: each begins with its length.
inline bool boxes_fill(const io::InputFile& file) {
  constexpr int kMostBoxes = 1000;
  std::uint64_t at = 0;
  for (int box = 0; box < kMostBoxes && at < file.size(); ++box) {
    std::array<std::uint8_t, 16> head{};
    const std::uint64_t left = file.size() - at;
    if (left < 8) return false;
    file.read_at(at, head.data(), left < 16 ? 8 : 16);
    std::uint64_t length = big_endian(head.data());
    if (length == 0) return true;  // up to the end
    if (length == 1 && left >= 16) length = big_endian(&head[8]) << 32 | big_endian(&head[12]);
    if (length < 8 || length > left) return false;
    at += length;
  }
  return at == file.size();
}

MINIVIT_INLINE bool has_its_end(const io::InputFile& file, const ImageFormat& format) {
  constexpr std::string_view kPngEnd{"IEND\xAE\x42\x60\x82", 8};
  std::string end(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 16)), '\0');
  file.read_at(file.size() - end.size(), end.data(), end.size());
  if (format.name == "JPEG") return end.ends_with("\xFF\xD9");
  if (format.name == "PNG") return end.ends_with(kPngEnd);
  if (format.name == "GIF") return end.ends_with(';');
  if (format.name == "AVIF" || format.name == "HEIC") return boxes_fill(file);
  if (format.name == "WebP") {  // RIFF: the length of what follows stands behind the first four bytes
    std::array<std::uint8_t, 8> head{};
    if (file.size() < head.size()) return false;
    file.read_at(0, head.data(), head.size());
    std::reverse(head.begin() + 4, head.end());
    return big_endian(&head[4]) + 8 <= file.size();
  }
  return format.name == "BMP";  // the header says how long it is, which its size is checked with
}

}  // namespace minivit::inline MINIVIT_ABI::image::detail
#endif  // MINIVIT_DEFINITIONS
