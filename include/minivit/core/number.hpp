// Text as a number.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The number that is all of `text`: 1e-4 is one, 5x and an empty text are none. Does not depend on the
/// locale.
template <class T>
std::optional<T> to_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

namespace detail {

/// As to_number, with a + in front allowed. False if it is none.
template <class T>
bool parse_number(std::string_view text, T& value) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const std::optional<T> number = to_number<T>(text);
  if (number) value = *number;
  return number.has_value();
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
