// Typed access to JSON values, with errors that name the file and the way to the member.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "minivit/io/json_value.hpp"

namespace minivit::inline MINIVIT_ABI::io {

/// The value as a T, if it can be one without loss: bool, std::string, an integer type (from an integer in
/// its range), float or double (from any number in its range, rounded), std::vector of these. Nothing
/// otherwise.
template <class T>
[[nodiscard]] std::optional<T> json_as(const Json& value) {
  if constexpr (std::same_as<T, bool>) {
    if (value.is_boolean()) return value.get<bool>();
  } else if constexpr (std::same_as<T, std::string>) {
    if (value.is_string()) return value.get<std::string>();
  } else if constexpr (std::integral<T>) {
    const auto in_range = [](auto number) {
      return std::in_range<T>(number) ? std::optional(static_cast<T>(number)) : std::nullopt;
    };
    if (value.is_number_unsigned()) return in_range(value.get<std::uint64_t>());
    if (value.is_number_integer()) return in_range(value.get<std::int64_t>());
  } else if constexpr (std::floating_point<T>) {
    if (value.is_number() && std::abs(value.get<double>()) <= double{std::numeric_limits<T>::max()})
      return static_cast<T>(value.get<double>());
  } else if (value.is_array()) {
    T out;
    for (const Json& element : value) {
      auto converted = json_as<typename T::value_type>(element);
      if (!converted) return std::nullopt;
      out.push_back(std::move(*converted));
    }
    return out;
  }
  return std::nullopt;
}

/// Typed access to the members of an object, with errors that name the file and the way to the member:
/// `config.json: model_args.depth is "three", expected an integer`. Refers to the object, which must outlive
/// it.
class JsonFields {
 public:
  /// name: of the file. Throws FileError if `value` is not an object.
  JsonFields(const Json& value, std::string_view name) : JsonFields(value, str_cat(name, ":"), ' ') {}

  /// The member `key`, or null pointer if there is none.
  [[nodiscard]] const Json* find(std::string_view key) const;

  /// Whether there is a member `key` that is not null.
  [[nodiscard]] bool has(std::string_view key) const {
    const Json* value = find(key);
    return value && !value->is_null();
  }

  /// The member `key` as a T, see json_as. Throws FileError if it is missing or cannot be a T.
  template <class T>
  [[nodiscard]] T get(std::string_view key) const {
    const Json& value = member(key);
    std::optional<T> converted = json_as<T>(value);
    if (!converted) refuse(key, value, expected<T>());
    return std::move(*converted);
  }

  /// The same, or `fallback` if the member is missing or null.
  template <class T>
  [[nodiscard]] T get(std::string_view key, T fallback) const {
    return has(key) ? get<T>(key) : std::move(fallback);
  }

  /// Which of `names` the member `key` is, or `fallback` if it is missing or null. Throws FileError if it is
  /// none of them.
  [[nodiscard]] std::size_t choice(std::string_view key, std::span<const std::string_view> names,
                                   std::size_t fallback) const;
  [[nodiscard]] std::size_t choice(std::string_view key, std::initializer_list<std::string_view> names,
                                   std::size_t fallback) const {
    return choice(key, std::span(names.begin(), names.size()), fallback);
  }

  /// The object `key` within this one. Throws FileError if it is missing or not an object.
  [[nodiscard]] JsonFields object(std::string_view key) const {
    return JsonFields(member(key), str_cat(where_, key), '.');
  }

  /// Throws a FileError about the member `key`.
  template <class... Parts>
  [[noreturn]] void fail(std::string_view key, const Parts&... parts) const {
    throw FileError(str_cat(where_, key, " ", parts...));
  }

 private:
  JsonFields(const Json& value, std::string where, char separator);

  const Json& member(std::string_view key) const;
  [[noreturn]] void refuse(std::string_view key, const Json& value, std::string_view expected) const;

  template <class T>
  static std::string expected() {
    if constexpr (std::same_as<T, bool>)
      return "true or false";
    else if constexpr (std::same_as<T, std::string>)
      return "a string";
    else if constexpr (std::integral<T>)
      return str_cat("an integer from ", std::numeric_limits<T>::min(), " to ",
                     std::numeric_limits<T>::max());
    else if constexpr (std::floating_point<T>)
      return "a number";
    else
      return str_cat("an array, each ", expected<typename T::value_type>());
  }

  const Json* object_;
  std::string where_;  // "config.json: " or "config.json: model_args."
};

}  // namespace minivit::inline MINIVIT_ABI::io

#if MINIVIT_DEFINITIONS
#include <algorithm>

namespace minivit::inline MINIVIT_ABI::io {

MINIVIT_INLINE JsonFields::JsonFields(const Json& value, std::string where, char separator)
    : object_(&value), where_(std::move(where)) {
  check<FileError>(value.is_object(), where_, " is ", detail::shown(value), ", expected an object");
  where_ += separator;
}

MINIVIT_INLINE const Json* JsonFields::find(std::string_view key) const {
  const auto& members = object_->get_ref<const Json::object_t&>();
  const auto at =
      std::ranges::find(members, key, [](const auto& member) { return std::string_view(member.first); });
  return at == members.end() ? nullptr : &at->second;
}

MINIVIT_INLINE std::size_t JsonFields::choice(std::string_view key, std::span<const std::string_view> names,
                                              std::size_t fallback) const {
  if (!has(key)) return fallback;
  const Json& value = *find(key);
  std::string expected;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (value == names[i]) return i;
    expected += str_cat(i == 0 ? "" : i + 1 < names.size() ? ", " : " or ", detail::in_quotes(names[i]));
  }
  refuse(key, value, expected);
}

MINIVIT_INLINE const Json& JsonFields::member(std::string_view key) const {
  const Json* value = find(key);
  if (!value) fail(key, "is missing");
  return *value;
}

MINIVIT_INLINE void JsonFields::refuse(std::string_view key, const Json& value,
                                       std::string_view expected) const {
  fail(key, "is ", detail::shown(value), ", expected ", expected);
}

}  // namespace minivit::inline MINIVIT_ABI::io
#endif  // MINIVIT_DEFINITIONS
