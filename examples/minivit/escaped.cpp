// Escapes in names of files.
#include "escaped.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>

#include "minivit/core/utf8.hpp"

namespace minivit::cli {

namespace {

/// Calls f(character, whether it is valid UTF-8) for each character, byte by byte where there is none.
template <class F>
void for_each_character(std::string_view text, const F& f) {
  while (!text.empty()) {
    const std::size_t length = detail::utf8_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    f(character, length > 0);
    text.remove_prefix(character.size());
  }
}

std::string escape(std::string_view name, bool steering_too) {
  const auto fits = [&](std::string_view character, bool valid) {
    return valid && !(steering_too && detail::steers_terminal(character));
  };
  bool escapes = name.find("\\x") != std::string_view::npos;
  for_each_character(name, [&](std::string_view c, bool valid) { escapes |= !fits(c, valid); });
  if (!escapes) return std::string(name);
  std::string out;
  for_each_character(name, [&](std::string_view c, bool valid) {
    if (c == "\\") {
      out += "\\\\";
    } else if (fits(c, valid)) {
      out += c;
    } else {
      for (const char byte : c) {
        std::array<char, 8> text;
        std::snprintf(text.data(), text.size(), "\\x%02X",
                      static_cast<unsigned>(static_cast<unsigned char>(byte)));
        out += text.data();
      }
    }
  });
  return out;
}

int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : -1;
}

}  // namespace

std::string escaped_bytes(std::string_view name) { return escape(name, false); }

std::string escaped(std::string_view name) { return escape(name, true); }

std::string unescaped(std::string_view text) {
  if (text.find("\\x") == std::string_view::npos) return std::string(text);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return at < text.size() ? hex_digit(text[at]) : -1; };
    if (text[i] != '\\') {
      out += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '\\') {
      out += '\\', ++i;
    } else if (i + 1 < text.size() && text[i + 1] == 'x' && digit(i + 2) >= 0 && digit(i + 3) >= 0) {
      out += static_cast<char>(16 * digit(i + 2) + digit(i + 3)), i += 3;
    } else {
      out += text[i];  // nothing that was escaped
    }
  }
  return out;
}

std::string shown_json(std::string_view json) {
  std::string out;
  for_each_character(json, [&](std::string_view c, bool valid) {
    if (!valid || c == "\n" || !detail::steers_terminal(c)) {
      out += c;
      return;
    }
    unsigned code = static_cast<unsigned char>(c[0]);
    if (c.size() > 1) code &= c.size() == 2 ? 0x1Fu : 0x0Fu;
    for (const char next : c.substr(1)) code = code << 6 | (static_cast<unsigned char>(next) & 0x3Fu);
    std::array<char, 8> text;
    std::snprintf(text.data(), text.size(), "\\u%04x", code & 0xFFFFu);
    out += text.data();
  });
  return out;
}

}  // namespace minivit::cli
