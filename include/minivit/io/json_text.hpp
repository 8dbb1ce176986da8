// JSON as text: the only file that knows RapidJSON, which reads it.
//
// RapidJSON 1.1.0 (MIT license) costs 1.2 s of compile time, nlohmann/json 4.8 s (g++ 12, -O2). Of what it
// offers only that is used which neither needs memory nor can go wrong on hostile texts, and nothing of its
// writer, a third of that time for what takes twenty lines:
// - Texts are decoded in place, recursion is bounded by the depth that is allowed. So its stack, which takes
//   no notice when memory runs out, stays empty.
// - Its number parser only finds where a number ends, std::from_chars converts: in 1.1.0 the sum of two
//   exponents can overflow (CVE-2024-38517, CVE-2024-39684).
// - Strings are validated once they are decoded: in 1.1.0 "\udc00", half of a character, passes its own
// check. Its configuration is left alone, so that a program may include it too, configured as it likes.
#pragma once

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What a JSON value is.
enum class JsonKind : std::uint8_t { kNull, kBoolean, kNumber, kString, kArray, kObject };

/// A JSON number: whole if it is written without point and exponent.
struct JsonNumber {
  bool whole = true;
  std::int64_t integer = 0;  ///< the number, if it is whole
  double real = 0;           ///< the number, rounded if it is whole and beyond 2^53
  friend bool operator==(const JsonNumber&, const JsonNumber&) = default;
};

namespace detail {

namespace rapid = RAPIDJSON_NAMESPACE;

/// The kind of a value for messages, as in "found a number".
inline std::string_view described(JsonKind kind) {
  constexpr std::string_view kNames[] = {"null",     "a boolean", "a number",
                                         "a string", "an array",  "an object"};
  return kNames[static_cast<std::size_t>(kind)];
}

/// True if `text` is valid UTF-8: no overlong forms, no surrogates, nothing over U+10FFFF.
inline bool is_utf8(std::string_view text) {
  struct Nowhere {
    void Put(char) {}
  } nowhere;
  rapid::MemoryStream in(text.data(), text.size());
  while (in.Tell() < text.size())
    if (!rapid::UTF8<>::Validate(in, nowhere)) return false;
  return true;
}

/// Appends `text`, which is UTF-8, in quotes, escaped where JSON wants it.
[[gnu::noinline]] inline void append_valid(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF", kNamed = "\"\\\b\f\n\r\t", kNames = "\"\\bfnrt";
  out += '"';
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    const std::size_t named = kNamed.find(c);
    char escaped[] = {'\\', 'u', '0', '0', kHex[code / 16u], kHex[code % 16u]};
    if (named != kNamed.npos) escaped[1] = kNames[named];
    if (named != kNamed.npos || code < 0x20)
      out.append(escaped, named != kNamed.npos ? 2 : sizeof escaped);
    else
      out += c;
  }
  out += '"';
}

/// `text` for a message: in quotes, control characters escaped, cut after about 80 bytes. If it is not valid
/// UTF-8, with a question mark for each byte beyond ASCII.
inline std::string quoted(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  const auto beyond_ascii = [](char c) { return (static_cast<unsigned char>(c) & 0x80u) != 0; };
  std::size_t end = std::min(text.size(), kLongest);
  while (end < text.size() && end > kLongest - 4 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u)
    --end;  // whole characters
  std::string shown(text.substr(0, end)), out;
  if (!is_utf8(shown)) std::replace_if(shown.begin(), shown.end(), beyond_ascii, '?');
  append_valid(out, shown);
  return end < text.size() ? out + "..." : out;
}

/// The same for a text that need not be. Throws Error if it is not UTF-8.
inline void append_json(std::string& out, std::string_view text) {
  if (!is_utf8(text)) throw Error(str_cat("json: cannot write ", quoted(text), ", it is not valid UTF-8"));
  append_valid(out, text);
}

/// A number as JSON has it, such that it is read as the same one again: with a point or an exponent unless it
/// is whole. Throws Error if it is not finite.
inline std::string number_text(const JsonNumber& number) {
  if (number.whole) return str_cat(number.integer);
  check(std::isfinite(number.real), "json: cannot write ", number.real, ", only finite numbers");
  const std::string text = str_cat(number.real);
  return text.find_first_of(".e") == text.npos ? text + ".0" : text;
}

/// A null, boolean, number or string in a text, or the beginning of an array or object.
struct JsonToken {
  JsonKind kind;
  bool boolean = false;
  JsonNumber number{};
  std::string_view text{};  ///< points into the text that is read
};

/// Thrown by a JsonHandler. read_json_text adds file, byte and keys and makes a FileError of it.
struct JsonRefusal : Error {
  using Error::Error;
};

/// Is told what a text says, in its order. Throws JsonRefusal for what it does not accept.
class JsonHandler {
 public:
  virtual void value(const JsonToken& token) = 0;
  virtual void key(std::string_view key) = 0;  ///< points into the text, as strings do
  virtual void end() = 0;                      ///< of the innermost array or object

 protected:
  ~JsonHandler() = default;
};

/// Where RapidJSON reads from and decodes to. Unlike its own stream for that, this one needs no NUL at the
/// end.
struct JsonText {
  using Ch = char;
  char* begin;
  char* end;
  char* next = begin;
  char* out = nullptr;

  char Peek() const { return next == end ? '\0' : *next; }
  char Take() { return next == end ? '\0' : *next++; }
  std::size_t Tell() const { return static_cast<std::size_t>(next - begin); }
  char* PutBegin() { return out = next; }
  void Put(char c) { *out++ = c; }  // never ahead of next: no escape is shorter than what it stands for
  std::size_t PutEnd(const char* start) const { return static_cast<std::size_t>(out - start); }
};

/// Turns RapidJSON's events into those of a JsonHandler.
struct JsonEvents {
  JsonHandler& handler;
  std::size_t max_depth;
  std::vector<std::string_view> path{};  // for each open array or object the key of its open member, if any

  bool Null() { return scalar({JsonKind::kNull}); }
  bool Bool(bool value) { return scalar({JsonKind::kBoolean, value}); }
  bool RawNumber(const char* text, rapid::SizeType size, bool) {
    return scalar({JsonKind::kNumber, false, number({text, size})});
  }
  bool String(const char* text, rapid::SizeType size, bool) {
    return scalar({JsonKind::kString, false, {}, valid({text, size})});
  }
  bool StartObject() { return start({JsonKind::kObject}); }
  bool StartArray() { return start({JsonKind::kArray}); }
  bool Key(const char* text, rapid::SizeType size, bool) {
    path.back() = {text, size};
    handler.key(valid(path.back()));
    return true;
  }
  bool EndObject(rapid::SizeType) { return finish(); }
  bool EndArray(rapid::SizeType) { return finish(); }

  // Never called, since numbers arrive as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  bool scalar(const JsonToken& token) {
    handler.value(token);
    close_member();
    return true;
  }

  bool start(const JsonToken& token) {
    check<JsonRefusal>(path.size() < max_depth, "nested deeper than ", max_depth, " levels");
    handler.value(token);
    path.emplace_back();
    return true;
  }

  bool finish() {
    path.pop_back();
    handler.end();
    close_member();
    return true;
  }

  void close_member() {
    if (!path.empty()) path.back() = {};
  }

  static std::string_view valid(std::string_view text) {
    check<JsonRefusal>(is_utf8(text), "string is not valid UTF-8");
    return text;
  }

  static JsonNumber number(std::string_view text) {
    JsonNumber number;
    number.whole = text.find_first_of(".eE") == text.npos;
    const char* const end = text.data() + text.size();
    const auto result = number.whole ? std::from_chars(text.data(), end, number.integer)
                                     : std::from_chars(text.data(), end, number.real);
    check<JsonRefusal>(result.ec == std::errc{} && result.ptr == end, "number is out of the range of ",
                       number.whole ? "64-bit integers" : "double precision");
    if (number.whole) number.real = static_cast<double>(number.integer);
    return number;
  }
};

}  // namespace detail
}  // namespace minivit::inline MINIVIT_ABI

RAPIDJSON_NAMESPACE_BEGIN
/// Reading a number in place takes a stream that RapidJSON may copy while it reads.
template <>
struct StreamTraits<minivit::detail::JsonText> {
  enum { copyOptimization = 1 };
};
RAPIDJSON_NAMESPACE_END

namespace minivit::inline MINIVIT_ABI {
namespace detail {

/// Reads a text and tells `handler` what it says. text: is decoded in place, so its content changes, and the
/// strings that the handler gets stay valid as long as it. name: of the file, for messages. max_depth: how
/// deep arrays and objects may nest. Throws FileError, naming file, byte and the keys on the way, for what is
/// no JSON (RFC 8259), is not UTF-8, has a number beyond 64 bits, nests too deep, has more than 128 MiB, or
/// is refused by the handler.
inline void read_json_text(char* text, std::size_t bytes, std::string_view name, JsonHandler& handler,
                           std::size_t max_depth) {
  constexpr std::size_t kMaxBytes = std::size_t{128} << 20;  // RapidJSON counts in 32 bits
  constexpr unsigned kFlags = rapid::kParseInsituFlag | rapid::kParseNumbersAsStringsFlag;
  check<FileError>(bytes <= kMaxBytes, name, ": has ", bytes, " bytes of JSON, at most ", kMaxBytes,
                   " are accepted");
  JsonText in{text, text + bytes};
  JsonEvents events{handler, max_depth};
  const auto fail = [&](std::size_t byte, std::string_view why) {
    std::string where = str_cat(name, ": byte ", byte);
    std::string_view separator = ", in ";
    for (const std::string_view key : events.path)
      if (key.data()) where += str_cat(std::exchange(separator, " > "), quoted(key));
    throw FileError(str_cat(where, ": ", why));
  };
  try {
    rapid::Reader reader;
    const rapid::ParseResult result = reader.Parse<kFlags>(in, events);
    if (result.IsError()) fail(result.Offset(), rapid::GetParseError_En(result.Code()));
  } catch (const JsonRefusal& refusal) { fail(in.Tell(), refusal.what()); }
  if (in.next != in.end)
    fail(in.Tell(), "expected the end, found a NUL character");  // RapidJSON's sign for it
}

}  // namespace detail
}  // namespace minivit::inline MINIVIT_ABI
