// The kinds of files of ISO's image file format (ISO/IEC 23008-12): AVIF, and HEIF with HEVC inside.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// True if the first box of a file (ftyp) names one of these brands.
inline bool has_brand(EncodedImage bytes, std::initializer_list<std::string_view> brands) {
  if (!has_at(bytes, 4, "ftyp") || bytes.size() < 12) return false;
  const std::size_t box = std::size_t{bytes[2]} << 8 | bytes[3];  // longer ones are not read to their end
  const std::size_t end = std::min(bytes.size(), std::max<std::size_t>(box, 12));
  for (std::size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4)  // the main brand, its version, further ones
    if (std::ranges::any_of(brands, [&](std::string_view brand) { return has_at(bytes, at, brand); }))
      return true;
  return false;
}

inline bool is_avif(EncodedImage bytes) { return has_brand(bytes, {"avif", "avis"}); }

inline bool is_heif(EncodedImage bytes) {
  return !is_avif(bytes) &&
         has_brand(bytes, {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"});
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
