// Errors: what was expected, what was found, what to do.
#pragma once

#include <charconv>
#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "minivit/core/config.hpp"

// Not in the ABI namespace: they are the same in every build, so that files compiled in different ways catch
// each other's, and a message of an error that nobody catches names minivit::FileError.
namespace minivit {

/// Base of every error that the library throws. Programs end with exit code 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Tensors whose shapes do not fit each other or the operation.
struct ShapeError : Error {
  using Error::Error;
};

/// A setting that is unknown, of the wrong type or out of range. Programs end with exit code 2.
struct ConfigError : Error {
  using Error::Error;
};

/// A file that cannot be read, is damaged, or was refused; or one that cannot be written.
struct FileError : Error {
  using Error::Error;
};

}  // namespace minivit

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Appends a part of a message: text, a number in the shortest form that reads back equal, or anything with a
/// `str()`.
template <class T>
void append(std::string& out, const T& part) {
  if constexpr (std::same_as<T, bool>) {
    out += part ? "true" : "false";
  } else if constexpr (std::same_as<T, char>) {
    out += part;
  } else if constexpr (std::is_arithmetic_v<T>) {
    char digits[32];  // the longest is a double, 24 characters
    const char* const end = std::to_chars(digits, digits + sizeof digits, part).ptr;
    out += std::string_view(digits, static_cast<std::size_t>(end - digits));
  } else if constexpr (requires { part.str(); }) {
    out += part.str();
  } else {
    out += std::string_view(part);
  }
}

}  // namespace detail

/// The parts written one after the other: text, numbers (shortest form that reads back equal) and anything
/// with a `str()`. Does not depend on the locale.
template <class... Parts>
[[nodiscard]] std::string str_cat(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

namespace detail {

template <class E, class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(
    const Parts&... parts) {  // stays out of the way of what runs
  throw E(str_cat(parts...));
}

}  // namespace detail

/// Throws `E` with the parts as its message unless `ok`. The message is only built when it is needed.
template <class E = Error, class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    detail::fail<E>(parts...);
}

}  // namespace minivit::inline MINIVIT_ABI
