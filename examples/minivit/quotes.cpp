// Quotes, taken off and put on.
#include "quotes.hpp"

#include "minivit/core/check.hpp"

namespace minivit::cli {

std::size_t behind_quotes(std::string_view text, std::size_t at) {
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == text[at])
      return i + 1;
  }
  return std::string_view::npos;
}

std::string without_quotes(std::string_view value) {
  if (value.empty() || (value[0] != '"' && value[0] != '\'')) return std::string(value);
  const std::size_t end = behind_quotes(value, 0);
  check<ConfigError>(end != std::string_view::npos, "the quote ", value[0], " is not closed");
  if (end != value.size()) return std::string(value);
  std::string out;
  for (std::size_t i = 1; i + 1 < value.size(); ++i) {
    if (value[i] == '\\' && (value[i + 1] == '\\' || value[i + 1] == value[0])) ++i;
    out += value[i];
  }
  return out;
}

std::string with_quotes_if_needed(std::string_view value) {
  if (value.empty() || (value[0] != '"' && value[0] != '\'')) return std::string(value);
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace minivit::cli
