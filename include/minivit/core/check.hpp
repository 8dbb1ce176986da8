// Errors: what was expected, what was found, what to do.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

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

namespace detail {

/// A piece of a message, not yet text. One plain type for all pieces: messages are everywhere, and building
/// each inline from its own types would make half of what a user's compiler has to do.
class Part {
 public:
  Part(std::string_view text) : kind_(Kind::text), text_(text) {}
  Part(const std::string& text) : kind_(Kind::string), string_(&text) {}
  Part(const char* text) : kind_(Kind::literal), literal_(text) {}
  Part(char c) : kind_(Kind::character), character_(c) {}
  Part(float value) : kind_(Kind::single), single_(value) {}
  Part(double value) : kind_(Kind::real), real_(value) {}
  template <std::same_as<bool> T>
  Part(T value) : Part(value ? "true" : "false") {}
  template <std::signed_integral T>
  Part(T value) : kind_(Kind::integer), integer_(value) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Part(T value) : kind_(Kind::natural), natural_(value) {}
  template <class T>
  requires requires(const T& t) {
    { t.str() } -> std::same_as<std::string>;
  }
  Part(const T& value)
      : kind_(Kind::object), object_{&value, [](const void* object) {
                                       return static_cast<const T*>(object)->str();
                                     }} {}

  void append_to(std::string& out) const {
    char buffer[32];  // for a number: the longest is a double, 24 characters
    if (kind_ == Kind::object)
      out += object_.text(object_.pointer);
    else
      out += plain(buffer);
  }

 private:
  enum class Kind { text, string, literal, character, integer, natural, single, real, object };
  struct Object {
    const void* pointer;
    std::string (*text)(const void*);
  };

  /// The text of all but objects; numbers are written to `buffer`.
  std::string_view plain(std::span<char> buffer) const {
    const auto number = [buffer](auto value) {
      char* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
      return std::string_view(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
    };
    switch (kind_) {
      case Kind::text:
        return text_;
      case Kind::string:
        return *string_;
      case Kind::literal:
        return literal_;
      case Kind::character:
        return {&character_, 1};
      case Kind::integer:
        return number(integer_);
      case Kind::natural:
        return number(natural_);
      case Kind::single:
        return number(single_);
      case Kind::real:
        return number(real_);
      case Kind::object:
        break;
    }
    return {};
  }

  Kind kind_;
  union {
    std::string_view text_;
    const std::string* string_;
    const char* literal_;  // its length is counted when the message is built, not where it is written
    char character_;
    std::int64_t integer_;
    std::uint64_t natural_;
    float single_;
    double real_;
    Object object_;
  };
};

[[gnu::noinline]] inline std::string join(std::initializer_list<Part> parts) {
  std::string out;
  for (const Part& part : parts) part.append_to(out);
  return out;
}

template <class E>
[[noreturn, gnu::noinline, gnu::cold]] void fail(std::initializer_list<Part> parts) {
  throw E(join(parts));
}

}  // namespace detail

/// The parts written one after the other: text, numbers (shortest form that reads back equal) and anything
/// with a `str()`. Does not depend on the locale.
template <class... Parts>
std::string str_cat(const Parts&... parts) {
  return detail::join({detail::Part(parts)...});
}

/// Throws `E` with the parts as its message unless `ok`. The message is only built when it is needed.
template <class E = Error, class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    detail::fail<E>({detail::Part(parts)...});
}

}  // namespace minivit::inline MINIVIT_ABI
