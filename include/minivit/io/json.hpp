// JSON (RFC 8259): read from strangers and written exactly, with nlohmann/json.
//
// nlohmann/json reads 4 MiB of '[' into 310 MiB, keeps the last of two equal keys, takes a NUL for the end of
// the text, turns integers beyond 64 bits into rounded doubles, and writes NaN as null. So its parser is used
// through its SAX interface, behind which `parse_json` refuses all that.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

/// What `parse_json` accepts at most; together they keep its memory below 48 MiB.
struct JsonLimits {
  std::size_t max_bytes = std::size_t{4} << 20;     ///< of text
  std::size_t max_values = std::size_t{128} << 10;  ///< of all kinds, inner ones included
  std::size_t max_depth = 64;                       ///< of arrays and objects in one another
};

/// The value that `text` writes. Refuses, besides what is no JSON: two equal keys in an object, anything
/// behind the value, numbers beyond 64 bits, invalid UTF-8, strings of more than 1 MiB, and what exceeds the
/// limits. name: of the file, for messages. Throws FileError that says where the fault is.
[[nodiscard]] Json parse_json(std::string_view text, std::string_view name, const JsonLimits& limits = {});

/// The value in a file, see parse_json.
[[nodiscard]] Json read_json_file(const std::filesystem::path& path, const JsonLimits& limits = {});

/// The text of a value: on one line if `indent` is 0, otherwise a line for each element, indented by so many
/// spaces a level. Reading it gives an equal value. Throws Error if a string is not UTF-8.
[[nodiscard]] std::string json_text(const Json& value, int indent = 0);

/// Writes a value as a file, indented by two spaces, atomically. Throws FileError, and Error as `json_text`.
void write_json_file(const std::filesystem::path& path, const Json& value);

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

namespace detail {

/// A message quotes about so many bytes of a text.
inline constexpr std::size_t kMaxQuoted = 80;

/// `text` for a message: in quotes, control characters escaped, cut after about 80 bytes, what is not UTF-8
/// replaced by U+FFFD.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// The kind of a value for messages, as in "found a number".
[[nodiscard]] std::string_view kind_name(const Json& value);

/// Thrown by a JsonHandler. read_json adds file and keys and makes a FileError of it.
struct JsonRefusal : Error {
  using Error::Error;
};

/// Is told what a text says, in its order. Throws JsonRefusal for what it does not accept.
class JsonHandler {
 public:
  virtual void value(Json value) = 0;  ///< null, boolean, number or string; or [] or {}, which begins
  virtual void key(std::string key) = 0;
  virtual void end() = 0;  ///< of the innermost array or object

 protected:
  ~JsonHandler() = default;
};

/// Gives the next piece of a text, valid until the next call; an empty one at the end.
using JsonPieces = std::function<std::string_view()>;

/// The pieces of a text that is in memory.
[[nodiscard]] inline JsonPieces in_one_piece(std::string_view text) {
  return [text]() mutable { return std::exchange(text, {}); };
}

/// A string or a number may take so many bytes of a text: the parser keeps several copies of it.
inline constexpr std::size_t kMaxJsonToken = std::size_t{1} << 20;

/// Reads a text and tells `handler` what it says. Costs no memory for the text, only for one string or number
/// of it. name: of the file, for messages. max_depth: how deep arrays and objects may nest. Throws FileError,
/// naming file, place and the keys on the way, for what is no JSON, is not UTF-8, has a number beyond 64 bits
/// or a string of more than 1 MiB, nests too deep, or is refused by the handler.
void read_json(const JsonPieces& next_piece, std::string_view name, JsonHandler& handler,
               std::size_t max_depth);

}  // namespace detail
}  // namespace minivit::inline MINIVIT_ABI::io

#if MINIVIT_DEFINITIONS
#include "minivit/core/atomic_file.hpp"

namespace minivit::inline MINIVIT_ABI::io {

namespace detail {

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

/// A value for messages, arrays and objects by their kind alone.
inline std::string shown(const Json& value) {
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  return value.is_structured() ? std::string(kind_name(value)) : value.dump();
}

/// The characters of a text for the parser, one after the other. Throws FileError for what it must not see: a
/// NUL, which it takes for the end, and strings and numbers so long that its copies would take too much
/// memory. Of white space it sees the first character only, since it would store the rest.
class JsonCharacters {
 public:
  /// The line and the column of a character, from 1 on.
  struct Place {
    std::size_t line = 1, column = 0;
  };

  JsonCharacters(const JsonPieces& next_piece, std::string_view name)
      : next_piece_(next_piece), name_(name) {}

  /// Makes the next character the current one; false at the end.
  bool advance() {
    for (;;) {
      if (position_ == piece_.size()) {
        piece_ = next_piece_();
        position_ = 0;
        if (piece_.empty()) return false;
      }
      current_ = piece_[position_++];
      if (take(current_)) break;
    }
    ++shown_;
    return true;
  }

  [[nodiscard]] char current() const noexcept { return current_; }

  /// Where the text was when the parser had read so many characters, the end included.
  [[nodiscard]] Place place(std::size_t characters_read) const noexcept {
    if (characters_read < shown_) return before_;  // it looks ahead by one
    return {place_.line, place_.column + (characters_read - shown_)};
  }

 private:
  /// Whether the parser is to see the character.
  bool take(char c) {
    check<FileError>(c != '\0', name_, ": byte ", bytes_, " is a NUL character, expected JSON");
    check<FileError>(bytes_ - begin_ <= kMaxJsonToken, name_, ": byte ", begin_,
                     " begins a string or number of more than ", kMaxJsonToken, " bytes");
    before_ = place_;
    ++bytes_;
    ++place_.column;
    if (c == '\n') place_ = {place_.line + 1, 0};
    const bool follows_space = std::exchange(in_space_, false);
    if (in_string_) {
      if (escaped_ || c == '\\') {
        escaped_ = !escaped_;
      } else if (c == '"') {
        in_string_ = false;
        begin_ = bytes_;
      }
      return true;
    }
    in_string_ = c == '"';
    in_space_ = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    constexpr std::string_view kBrackets = ",:[]{}";
    if (in_string_ || in_space_ || kBrackets.find(c) != kBrackets.npos) begin_ = bytes_;
    return !(in_space_ && follows_space);
  }

  const JsonPieces& next_piece_;
  std::string_view name_, piece_;
  std::size_t position_ = 0;           // in the piece
  std::size_t bytes_ = 0, begin_ = 0;  // read; where the string or number that is being read begins
  std::size_t shown_ = 0;              // characters that the parser has seen
  Place place_, before_;               // of the last character read, and of the one before
  char current_ = 0;
  bool in_string_ = false, escaped_ = false, in_space_ = false;
};

/// JsonCharacters as the iterator that nlohmann/json asks for. The parser compares it with the end once
/// before each character; only then the character is read.
class JsonIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  JsonIterator() = default;  // the end
  explicit JsonIterator(JsonCharacters& characters) : characters_(&characters) {}

  char operator*() const { return characters_->current(); }
  JsonIterator& operator++() { return *this; }
  friend bool operator==(const JsonIterator& at, const JsonIterator&) { return !at.characters_->advance(); }

 private:
  JsonCharacters* characters_ = nullptr;
};

/// Receives the events of nlohmann/json's parser, keeps the way to what is open, and passes them on.
class JsonEvents {
 public:
  JsonEvents(const JsonCharacters& text, JsonHandler& handler, std::size_t max_depth)
      : text_(text), handler_(handler), max_depth_(max_depth) {}

  bool null() { return scalar(nullptr); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(std::int64_t value) { return scalar(value); }
  bool number_unsigned(std::uint64_t value) { return scalar(value); }
  bool number_float(double value, const std::string& text) {
    check<JsonRefusal>(text.find_first_of(".eE") != text.npos,
                       "number is out of the range of 64-bit integers");
    return scalar(value);
  }
  bool string(std::string& value) { return scalar(std::move(value)); }
  bool binary(const std::vector<std::uint8_t>&) { return false; }  // JSON has none
  bool start_object(std::size_t) { return start(Json::object()); }
  bool start_array(std::size_t) { return start(Json::array()); }
  bool end_object() { return finish(); }
  bool end_array() { return finish(); }
  bool key(std::string& key) {
    path_.back() = key.substr(0, kMaxQuoted + 1);  // messages show no more
    handler_.key(std::move(key));
    return true;
  }

  bool parse_error(std::size_t characters_read, const std::string&,
                   const nlohmann::detail::exception& error) {
    constexpr int kNumberOverflow = 406;
    check<JsonRefusal>(error.id != kNumberOverflow, "number is out of the range of double precision");
    // "[json.exception…] parse error at line 1, column 3: …; last read: …", of which what was last read may
    // be long, and line and column count what the parser has seen.
    std::string_view why = error.what();
    constexpr std::string_view kBefore = "parse error at ";
    if (const std::size_t at = why.find(kBefore); at != why.npos)
      why.remove_prefix(std::min(why.size(), why.find(": ", at)));
    const JsonCharacters::Place place = text_.place(characters_read);
    throw JsonRefusal(
        str_cat("line ", place.line, ", column ", place.column, why.substr(0, why.find("; last read: "))));
  }

  /// The keys on the way to what was read last, as `, in "model_args" > "depth"`.
  std::string where() const {
    std::string out;
    for (const auto& key : path_)
      if (key) out += str_cat(out.empty() ? ", in " : " > ", in_quotes(*key));
    return out;
  }

 private:
  bool scalar(Json value) {
    handler_.value(std::move(value));
    close_member();
    return true;
  }

  bool start(Json value) {
    check<JsonRefusal>(path_.size() < max_depth_, "nested deeper than ", max_depth_, " levels");
    handler_.value(std::move(value));
    path_.emplace_back();
    return true;
  }

  bool finish() {
    path_.pop_back();
    handler_.end();
    close_member();
    return true;
  }

  void close_member() {
    if (!path_.empty()) path_.back().reset();
  }

  const JsonCharacters& text_;
  JsonHandler& handler_;
  std::size_t max_depth_;
  std::vector<std::optional<std::string>> path_;  // for each open array or object the key of its open member
};

MINIVIT_INLINE void read_json(const JsonPieces& next_piece, std::string_view name, JsonHandler& handler,
                              std::size_t max_depth) {
  JsonCharacters text(next_piece, name);
  JsonEvents events(text, handler, max_depth);
  try {
    Json::sax_parse(JsonIterator(text), JsonIterator(), &events);
  } catch (const JsonRefusal& refusal) {
    // "file: line 1, column 3, in "key": why", or without line and column
    const std::string_view why = refusal.what();
    const bool placed = why.starts_with("line ");
    const std::size_t colon = placed ? why.find(": ") : 0;
    const std::string keys = events.where();
    if (placed) throw FileError(str_cat(name, ": ", why.substr(0, colon), keys, why.substr(colon)));
    throw FileError(str_cat(name, keys.empty() ? "" : ": ", keys.empty() ? keys : keys.substr(2), ": ", why));
  }
}

/// Makes a value of what it is told about a text.
class JsonBuilder final : public JsonHandler {
 public:
  explicit JsonBuilder(std::size_t max_values) : max_values_(max_values) {}

  void value(Json value) override {
    check<JsonRefusal>(values_++ < max_values_, "more than ", max_values_, " values");
    const bool opens = value.is_structured();
    Json& placed = place(std::move(value));
    if (opens) open_.push_back(&placed);
  }

  void key(std::string key) override { key_ = std::move(key); }

  void end() override {
    if (open_.back()->is_object()) refuse_duplicates(*open_.back());
    open_.pop_back();
  }

  Json result() && { return std::move(root_); }

 private:
  Json& place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& parent = *open_.back();
    if (parent.is_array()) return parent.emplace_back(std::move(value));
    // Not `parent[key]`, which looks for the key among all others.
    auto& members = parent.get_ref<Json::object_t&>();
    return static_cast<Json::object_t::Container&>(members)
        .emplace_back(std::move(key_), std::move(value))
        .second;
  }

  /// By sorting: comparing each with each would let a file with 100,000 keys take minutes.
  static void refuse_duplicates(const Json& object) {
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : object.items()) keys.push_back(key);
    std::ranges::sort(keys);
    const auto twice = std::ranges::adjacent_find(keys);
    if (twice != keys.end()) throw JsonRefusal(str_cat("key ", in_quotes(*twice), " appears twice"));
  }

  std::size_t max_values_, values_ = 0;
  Json root_;
  std::string key_;          // of the next member
  std::vector<Json*> open_;  // arrays and objects that are not complete, each inside the one before
};

}  // namespace detail

MINIVIT_INLINE Json parse_json(std::string_view text, std::string_view name, const JsonLimits& limits) {
  check<FileError>(text.size() <= limits.max_bytes, name, ": it has ", text.size(), " bytes, at most ",
                   limits.max_bytes, " are accepted");
  detail::JsonBuilder builder(limits.max_values);
  detail::read_json(detail::in_one_piece(text), name, builder, limits.max_depth);
  return std::move(builder).result();
}

MINIVIT_INLINE Json read_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  return parse_json(read_file(path, limits.max_bytes), path.native(), limits);
}

MINIVIT_INLINE std::string json_text(const Json& value, int indent) {
  try {
    return value.dump(indent > 0 ? indent : -1);
  } catch (const Json::type_error&) {  // the only one: says the byte, but not where
    throw Error("json: cannot write a string that is not valid UTF-8");
  }
}

MINIVIT_INLINE void write_json_file(const std::filesystem::path& path, const Json& value) {
  write_file_atomically(path, json_text(value, 2) + "\n");
}

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
