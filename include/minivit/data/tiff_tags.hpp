// The tags of a TIFF file's first directory, which EXIF data in other files consist of, too.
//
// Format: Adobe, "TIFF Revision 6.0", section 2; BigTIFF (offsets of 64 bits): libtiff's design document.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The first directory of TIFF data. What is damaged or beyond the end of the data is as if it were not
/// there.
class TiffTags {
 public:
  explicit TiffTags(EncodedImage bytes);

  /// The first value of a tag; nothing if the tag is not there, or holds no whole numbers of up to 32 bits.
  [[nodiscard]] std::optional<std::uint32_t> operator[](std::uint16_t tag) const;

 private:
  std::uint64_t number(std::uint64_t at, int bytes) const;

  EncodedImage bytes_;
  bool big_endian_ = false, big_tiff_ = false;
  std::uint64_t entries_at_ = 0, entries_ = 0;
};

/// True if `bytes` begin as TIFF and BigTIFF files do.
inline bool is_tiff(EncodedImage bytes) {
  return has_at(bytes, 0, {"II*\0", 4}) || has_at(bytes, 0, {"MM\0*", 4}) || has_at(bytes, 0, {"II+\0", 4}) ||
         has_at(bytes, 0, {"MM\0+", 4});
}

/// The orientation that EXIF data state, with or without their signature; 1 if there is none or it is none of
/// 1 to 8.
int exif_orientation(EncodedImage exif);

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

MINIVIT_INLINE TiffTags::TiffTags(EncodedImage bytes) : bytes_(bytes) {
  if (!is_tiff(bytes)) return;
  big_endian_ = bytes[0] == 'M';
  big_tiff_ = number(2, 2) == 43;
  const std::uint64_t directory = big_tiff_ ? number(8, 8) : number(4, 4);
  if (directory >= bytes.size()) return;
  const int count_bytes = big_tiff_ ? 8 : 2;
  entries_at_ = directory + static_cast<std::uint64_t>(count_bytes);
  entries_ = std::min<std::uint64_t>(number(directory, count_bytes), 65535);
}

MINIVIT_INLINE std::optional<std::uint32_t> TiffTags::operator[](std::uint16_t tag) const {
  // An entry: tag, type (2 bytes each), count, value (4 bytes each, 8 in BigTIFF).
  const std::uint64_t entry_bytes = big_tiff_ ? 20 : 12, value_at = big_tiff_ ? 12 : 8;
  constexpr std::uint64_t kByte = 1, kShort = 3, kLong = 4;
  for (std::uint64_t i = 0; i < entries_; ++i) {
    const std::uint64_t at = entries_at_ + i * entry_bytes;
    if (at + entry_bytes > bytes_.size()) return std::nullopt;
    if (number(at, 2) != tag) continue;
    const std::uint64_t type = number(at + 2, 2), count = number(at + 4, big_tiff_ ? 8 : 4);
    const int size = type == kByte ? 1 : type == kShort ? 2 : type == kLong ? 4 : 0;
    // More values than fit here stand elsewhere: none of the tags that are asked for has so many.
    if (size == 0 || count < 1 || count > (entry_bytes - value_at) / static_cast<std::uint64_t>(size))
      return std::nullopt;
    return static_cast<std::uint32_t>(number(at + value_at, size));
  }
  return std::nullopt;
}

/// The unsigned number of so many bytes at a place; 0 beyond the end.
MINIVIT_INLINE std::uint64_t TiffTags::number(std::uint64_t at, int bytes) const {
  const std::uint64_t count = static_cast<std::uint64_t>(bytes);
  if (at > bytes_.size() || bytes_.size() - at < count) return 0;
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < count; ++i)
    value = value << 8 | bytes_[static_cast<std::size_t>(at + (big_endian_ ? i : count - 1 - i))];
  return value;
}

MINIVIT_INLINE int exif_orientation(EncodedImage exif) {
  constexpr std::uint16_t kOrientation = 0x0112;
  if (has_at(exif, 0, {"Exif\0\0", 6})) exif = exif.subspan(6);
  const auto value = TiffTags(exif)[kOrientation];
  return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
