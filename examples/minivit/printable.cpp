// Control characters and broken UTF-8, replaced.
#include "printable.hpp"

#include <algorithm>
#include <cstddef>

#include "minivit/core/utf8.hpp"

namespace minivit::cli {

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = detail::utf8_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    if (length == 0 || detail::steers_terminal(character))
      out += '?';
    else
      out += character;
    text.remove_prefix(character.size());
  }
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  for (bool first = true;; first = false) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!first && !line.empty() && line.front() != ' ') out += "  ";
    out += printable(line);
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace minivit::cli
