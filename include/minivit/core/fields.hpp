// Settings as data: what the members of a struct are called, mean and may be, and the names of enumerations.
//
// A struct of settings has one function that names them,
//   static void fields(auto& self, auto&& f) { f("depth", self.depth, "blocks", Range{1, 1024}); … }
// which drives everything that goes through them: JSON, YAML, help, checks, comparison, tables.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What a number may be. By default anything.
struct Range {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool without_low = false, without_high = false;  ///< the ends themselves are not in it

  [[nodiscard]] constexpr bool contains(double value) const noexcept {
    return value >= low && value <= high && !(without_low && value == low) &&
           !(without_high && value == high);
  }

  /// In words: "1 to 1024", "0 or more and less than 1", "above 0 and at most 64", "between 0 and 1", "above
  /// 0 and finite".
  [[nodiscard]] std::string str() const {
    const auto text = [](double v) {
      return v == std::floor(v) ? str_cat(static_cast<std::int64_t>(v)) : str_cat(v);
    };
    if (std::isinf(low) && std::isinf(high)) return without_high ? "a finite number" : "any number";
    if (std::isinf(low)) return str_cat(without_high ? "less than " : "at most ", text(high));
    if (std::isinf(high))
      return str_cat(without_low ? "above " : "at least ", text(low), without_high ? " and finite" : "");
    if (without_low && without_high) return str_cat("between ", text(low), " and ", text(high));
    if (without_low) return str_cat("above ", text(low), " and at most ", text(high));
    if (without_high) return str_cat(text(low), " or more and less than ", text(high));
    return str_cat(text(low), " to ", text(high));
  }
};

/// One name of an enumerator.
template <class E>
struct EnumName {
  E value;
  std::string_view name;
};

/// The names of an enumeration, which gives them beside itself:
///   template <> inline constexpr auto kEnumNames<Color> = std::to_array<EnumName<Color>>({{Color::red,
///   "red"}});
template <class E>
inline constexpr std::nullptr_t kEnumNames = nullptr;

template <class E>
concept NamedEnum =
    std::is_enum_v<E> && !std::same_as<std::remove_cvref_t<decltype(kEnumNames<E>)>, std::nullptr_t>;

/// "red" for Color::red.
template <NamedEnum E>
[[nodiscard]] constexpr std::string_view enum_name(E value) {
  return std::ranges::find(kEnumNames<E>, value, &EnumName<E>::value)->name;
}

/// Color::red for "red"; nothing for what is no name.
template <NamedEnum E>
[[nodiscard]] constexpr std::optional<E> enum_value(std::string_view name) {
  const auto found = std::ranges::find(kEnumNames<E>, name, &EnumName<E>::name);
  return found == std::end(kEnumNames<E>) ? std::nullopt : std::optional(found->value);
}

namespace detail {

template <class T>
std::string field_text(const T& value) {
  if constexpr (NamedEnum<T>)
    return std::string(enum_name(value));
  else
    return str_cat(value);
}
template <class T, std::size_t N>
std::string field_text(const std::array<T, N>& values) {
  std::string out;
  for (const T& value : values) out += str_cat(out.empty() ? "" : " ", value);
  return out;
}

template <class T>
void check_range(std::string_view where, std::string_view name, const T& value, const Range& range) {
  if constexpr (std::is_arithmetic_v<T>)
    check<ConfigError>(range.contains(static_cast<double>(value)), where, name, " is ", value, ", expected ",
                       range.str());
}
template <class T, std::size_t N>
void check_range(std::string_view where, std::string_view name, const std::array<T, N>& values,
                 const Range& range) {
  for (std::size_t i = 0; i < N; ++i) check_range(where, str_cat(name, '[', i, ']'), values[i], range);
}

}  // namespace detail

/// Name and value of each of the settings, as text: enumerators by name, arrays with spaces between.
template <class Settings>
[[nodiscard]] std::vector<std::pair<std::string_view, std::string>> field_texts(const Settings& settings) {
  std::vector<std::pair<std::string_view, std::string>> out;
  Settings::fields(settings,
                   [&]<class T>(std::string_view name, const T& value, std::string_view, const Range&) {
                     out.emplace_back(name, detail::field_text(value));
                   });
  return out;
}

/// Throws ConfigError that names the first number of `settings` that is out of its range, after the words
/// `where`.
template <class Settings>
void check_ranges(const Settings& settings, std::string_view where = {}) {
  Settings::fields(settings,
                   [&]<class T>(std::string_view name, const T& value, std::string_view, const Range& range) {
                     detail::check_range(where, name, value, range);
                   });
}

}  // namespace minivit::inline MINIVIT_ABI
