// The JSON value of nlohmann/json as this library keeps and writes it, and its words in messages.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::io {

namespace detail {

/// How values become JSON: as in nlohmann/json, but for floating-point numbers. A float becomes the double
/// with the same shortest decimal form, so that 0.1f is written as 0.1; it narrows back to the same float.
/// Throws Error for infinities and NaN, which JSON cannot say.
template <class T, class = void>
struct JsonSerializer : nlohmann::adl_serializer<T> {};

template <std::floating_point T>
struct JsonSerializer<T, void> : nlohmann::adl_serializer<T> {
  static void to_json(auto& json, T value) {
    check(std::isfinite(value), "json: cannot write ", value, ", only finite numbers");
    double written = value;
    if constexpr (std::same_as<T, float>) {
      const std::string text = str_cat(value);
      std::from_chars(text.data(), text.data() + text.size(), written);
    }
    nlohmann::adl_serializer<double>::to_json(json, written);
  }
};

}  // namespace detail

/// A JSON value of nlohmann/json: objects keep the order of their keys, numbers are 64-bit integers or
/// doubles. Made from C++ values, ranges and `Json::object({{"key", value}})`; what is read is best taken out
/// by JsonFields, whose errors name file and key. Careful: `Json{x}` is an array of x, `Json(x)` is x.
using Json = nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool, std::int64_t,
                                  std::uint64_t, double, std::allocator, detail::JsonSerializer>;

namespace detail {

/// A message quotes about so many bytes of a text.
inline constexpr std::size_t kMaxQuoted = 80;

/// `text` for a message: in quotes, control characters escaped, cut after about 80 bytes, what is not UTF-8
/// replaced by U+FFFD.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// The kind of a value for messages, as in "found a number".
[[nodiscard]] std::string_view kind_name(const Json& value);

/// A value for messages, arrays and objects by their kind alone.
[[nodiscard]] std::string shown(const Json& value);

}  // namespace detail
}  // namespace minivit::inline MINIVIT_ABI::io

#if MINIVIT_DEFINITIONS
#include <algorithm>

namespace minivit::inline MINIVIT_ABI::io::detail {

MINIVIT_INLINE std::string in_quotes(std::string_view text) {
  const auto continues = [&](std::size_t i) {
    return (static_cast<unsigned char>(text[i]) & 0xC0u) == 0x80u;
  };
  std::size_t end = std::min(text.size(), kMaxQuoted);
  while (end < text.size() && end > kMaxQuoted - 4 && continues(end)) --end;  // whole characters
  const Json shown(text.substr(0, end));
  return shown.dump(-1, ' ', false, Json::error_handler_t::replace) + (end < text.size() ? "..." : "");
}

MINIVIT_INLINE std::string_view kind_name(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "a boolean";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a string";
  return value.is_array() ? "an array" : "an object";
}

MINIVIT_INLINE std::string shown(const Json& value) {
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  return value.is_structured() ? std::string(kind_name(value)) : value.dump();
}

}  // namespace minivit::inline MINIVIT_ABI::io::detail
#endif  // MINIVIT_DEFINITIONS
