// UTF-8, judged as table 3-7 of the Unicode standard says.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI::detail {

/// True if `text` is valid UTF-8: no overlong forms, no surrogates, nothing over U+10FFFF.
[[nodiscard]] inline bool is_utf8(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length == 0 || lead > 0xF4 || length > text.size() - i) return false;
    // What the second byte may be keeps out overlong forms, surrogates and what is over U+10FFFF.
    const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (length > 1 && (byte(i + 1) < low || byte(i + 1) > high)) return false;
    for (std::size_t k = 2; k < length; ++k)
      if (byte(i + k) < 0x80 || byte(i + k) > 0xBF) return false;
    i += length;
  }
  return true;
}

/// Bytes of the character that `text` begins with; 0 if it is not valid UTF-8, or empty.
[[nodiscard]] inline std::size_t utf8_length(std::string_view text) noexcept {
  for (std::size_t n = 1; n <= std::min<std::size_t>(text.size(), 4); ++n)
    if (is_utf8(text.substr(0, n))) return n;
  return 0;
}

/// True for a character that changes how a terminal shows others: C0, C1 and DEL, line and paragraph
/// separators, and the marks, embeddings, overrides and isolates of bidirectional text, which can show a name
/// backwards.
[[nodiscard]] inline bool steers_terminal(std::string_view character) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  const auto between = [&](std::string_view first, std::string_view last) {
    return character >= first && character <= last;
  };
  switch (character.size()) {
    case 1:
      return byte(0) < 0x20 || byte(0) == 0x7F;
    case 2:
      return (byte(0) == 0xC2 && byte(1) < 0xA0) || character == "\xD8\x9C";
    case 3:
      return between("\xE2\x80\x8E", "\xE2\x80\x8F") || between("\xE2\x80\xA8", "\xE2\x80\xAE") ||
             between("\xE2\x81\xA6", "\xE2\x81\xA9");
    default:
      return false;
  }
}

}  // namespace minivit::inline MINIVIT_ABI::detail
