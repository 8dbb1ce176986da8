// JSON values: read from strangers and written exactly.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"
#include "minivit/core/sort.hpp"
#include "minivit/io/json_text.hpp"

namespace minivit::inline MINIVIT_ABI {

struct JsonMember;

/// A JSON value: null, boolean, 64-bit integer, double, string, array or object. Objects keep the order of
/// their keys.
// Plain members and no std::variant, which would cost a second of compile time more.
class Json {
 public:
  Json() = default;  ///< null

  // Not inlined: four members to copy or free, everywhere where JSON is read or written.
  [[gnu::noinline]] Json(const Json&) = default;
  [[gnu::noinline]] Json(Json&&) noexcept = default;
  [[gnu::noinline]] Json& operator=(const Json&) = default;
  [[gnu::noinline]] Json& operator=(Json&&) noexcept = default;
  [[gnu::noinline]] ~Json() = default;

  template <std::same_as<bool> T>
  Json(T value) : kind_(JsonKind::kBoolean), boolean_(value) {}

  /// Throws Error if the value exceeds 2^63 - 1.
  template <std::integral T>
  requires(!std::same_as<T, bool>) Json(T value) : kind_(JsonKind::kNumber) {
    check(std::in_range<std::int64_t>(value), "json: ", value, " does not fit into 64-bit integers");
    number_ = {true, static_cast<std::int64_t>(value), static_cast<double>(value)};
  }
  Json(double value) : kind_(JsonKind::kNumber), number_{false, 0, value} {}
  /// The double with the same shortest decimal form, so that 0.1f is written as 0.1. Narrows back to the same
  /// float.
  Json(float value) : Json(as_written(value)) {}

  Json(std::string value) : kind_(JsonKind::kString), text_(std::move(value)) {}
  Json(std::string_view value) : Json(std::string(value)) {}
  Json(const char* value) : Json(std::string(value)) {}

  /// The elements of a range as an array.
  template <class Range>
  static Json array(const Range& range) {
    Json array = Json::array();
    for (const auto& element : range) array.elements_.push_back(Json(element));
    return array;
  }
  static Json array(std::initializer_list<Json> elements) {
    Json array = Json::array();
    array.elements_ = elements;
    return array;
  }
  static Json array() { return Json(detail::JsonToken{JsonKind::kArray}); }
  /// Members in this order; of two with equal keys the later counts.
  static Json object(std::initializer_list<JsonMember> members);
  static Json object() { return Json(detail::JsonToken{JsonKind::kObject}); }

  JsonKind kind() const { return kind_; }
  bool is_null() const { return kind_ == JsonKind::kNull; }

  /// The content of a boolean, number, string, array or object; of any other kind false, 0 or empty.
  /// An object has as many keys as elements, `keys()[i]` belongs to `elements()[i]`.
  bool boolean() const { return boolean_; }
  const JsonNumber& number() const { return number_; }
  const std::string& text() const { return text_; }
  const std::vector<Json>& elements() const { return elements_; }
  const std::vector<std::string>& keys() const { return keys_; }

  /// The value as a T, if it can be one: bool, std::string, an integer type (from an integer in its range),
  /// float or double (from any number in its range, rounded), std::vector of these. Nothing otherwise.
  template <class T>
  std::optional<T> get() const;

  /// The member `key` of an object; null pointer if there is none or this is no object.
  [[gnu::noinline]] const Json* find(std::string_view key) const {
    const auto at = std::find(keys_.begin(), keys_.end(), key);
    return at == keys_.end() ? nullptr : &elements_[static_cast<std::size_t>(at - keys_.begin())];
  }

  /// Sets the member `key` of an object, or appends it; null becomes an object first. Throws Error on other
  /// kinds.
  Json& set(std::string_view key, Json value) {
    if (is_null()) kind_ = JsonKind::kObject;
    check(kind_ == JsonKind::kObject, "json: cannot set ", detail::quoted(key), " of ",
          detail::described(kind_), ", expected an object");
    if (const Json* member = find(key)) {
      elements_[static_cast<std::size_t>(member - elements_.data())] = std::move(value);
    } else {
      keys_.emplace_back(key);
      elements_.push_back(std::move(value));
    }
    return *this;
  }

  /// Appends an element to an array; null becomes an array first. Throws Error on other kinds.
  Json& push_back(Json value) {
    if (is_null()) kind_ = JsonKind::kArray;
    check(kind_ == JsonKind::kArray, "json: cannot append to ", detail::described(kind_),
          ", expected an array");
    elements_.push_back(std::move(value));
    return *this;
  }

  /// The text: on one line if `indent` is 0, otherwise a line for each element, indented by so many spaces a
  /// level. Reading it gives an equal value. Throws Error if a string is not UTF-8 or a number is infinite or
  /// not a number, since JSON cannot say them.
  std::string dump(int indent = 0) const {
    std::string out;
    append_to(out, indent, 0);
    return out;
  }

  friend bool operator==(const Json&, const Json&) = default;

 private:
  friend class JsonBuilder;

  explicit Json(const detail::JsonToken& token)
      : kind_(token.kind), boolean_(token.boolean), number_(token.number), text_(token.text) {}

  static double as_written(float value) {
    const std::string text = str_cat(value);
    double wide = value;
    std::from_chars(text.data(), text.data() + text.size(), wide);
    return static_cast<float>(wide) == value ? wide : static_cast<double>(value);
  }

  void append_to(std::string& out, int indent, int level) const;

  JsonKind kind_ = JsonKind::kNull;
  bool boolean_ = false;
  JsonNumber number_;
  std::string text_;
  std::vector<Json> elements_;
  std::vector<std::string> keys_;
};

/// A member of an object, as it is written in a program: {"key", value}.
// No std::pair, whose constructors are templates: one instance for each length of key and type of value.
struct JsonMember {
  std::string_view key;
  Json value;
};

inline Json Json::object(std::initializer_list<JsonMember> members) {
  Json object = Json::object();
  for (const auto& [key, value] : members) object.set(key, value);
  return object;
}

template <class T>
std::optional<T> Json::get() const {
  const bool number = kind_ == JsonKind::kNumber;
  if constexpr (std::same_as<T, bool>) {
    if (kind_ == JsonKind::kBoolean) return boolean_;
  } else if constexpr (std::same_as<T, std::string>) {
    if (kind_ == JsonKind::kString) return text_;
  } else if constexpr (std::integral<T>) {
    if (number && number_.whole && std::in_range<T>(number_.integer)) return static_cast<T>(number_.integer);
  } else if constexpr (std::floating_point<T>) {
    if (number && std::abs(number_.real) <= static_cast<double>(std::numeric_limits<T>::max()))
      return static_cast<T>(number_.real);
  } else if (kind_ == JsonKind::kArray) {
    T out(elements_.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      auto value = elements_[i].get<typename T::value_type>();
      if (!value) return std::nullopt;
      out[i] = std::move(*value);
    }
    return out;
  }
  return std::nullopt;
}

inline void Json::append_to(std::string& out, int indent, int level) const {
  const auto new_line = [&](int depth) {
    if (indent <= 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(depth), ' ');
  };
  if (kind_ == JsonKind::kNull) out += "null";
  if (kind_ == JsonKind::kBoolean) out += boolean_ ? "true" : "false";
  if (kind_ == JsonKind::kString) detail::append_json(out, text_);
  if (kind_ == JsonKind::kNumber) out += detail::number_text(number_);
  if (kind_ != JsonKind::kArray && kind_ != JsonKind::kObject) return;

  const bool object = kind_ == JsonKind::kObject;
  out += object ? '{' : '[';
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    if (i > 0) out += ',';
    new_line(level + 1);
    if (object) {
      detail::append_json(out, keys_[i]);
      out += indent > 0 ? ": " : ":";
    }
    elements_[i].append_to(out, indent, level + 1);
  }
  if (!elements_.empty()) new_line(level);
  out += object ? '}' : ']';
}

/// What `parse_json` accepts at most; together they keep its memory below 48 MiB.
struct JsonLimits {
  std::size_t max_bytes = std::size_t{4} << 20;     ///< of text; over 128 MiB is never accepted
  std::size_t max_values = std::size_t{128} << 10;  ///< of all kinds, inner ones included
  std::size_t max_depth = 64;                       ///< of arrays and objects in one another
};

/// Makes a value of what it is told about a text.
class JsonBuilder final : public detail::JsonHandler {
 public:
  explicit JsonBuilder(std::size_t max_values) : max_values_(max_values) {}

  void value(const detail::JsonToken& token) override {
    check<detail::JsonRefusal>(values_++ < max_values_, "more than ", max_values_, " values");
    Json& placed = open_.empty() ? root_ : open_.back()->elements_.emplace_back();
    placed = Json(token);
    if (token.kind == JsonKind::kArray || token.kind == JsonKind::kObject) open_.push_back(&placed);
  }

  void key(std::string_view key) override { open_.back()->keys_.push_back(std::string(key)); }

  void end() override {
    refuse_duplicates(open_.back()->keys_);
    open_.pop_back();
  }

  Json result() && { return std::move(root_); }

 private:
  /// By sorting: comparing each with each would let a file with 100,000 keys take minutes.
  static void refuse_duplicates(const std::vector<std::string>& keys) {
    const auto order =
        sorted_positions(keys.size(), [&](std::uint32_t i, std::uint32_t j) { return keys[i] < keys[j]; });
    for (std::size_t i = 1; i < order.size(); ++i)
      if (keys[order[i]] == keys[order[i - 1]])
        throw detail::JsonRefusal(str_cat("key ", detail::quoted(keys[order[i]]), " appears twice"));
  }

  std::size_t max_values_, values_ = 0;
  Json root_;
  std::vector<Json*> open_;  // arrays and objects that are not complete, each inside the one before
};

/// The value that `text` writes. Refuses, besides what is no JSON: two equal keys in an object, anything
/// behind the value, numbers beyond 64 bits, invalid UTF-8, and what exceeds the limits. name: of the file,
/// for messages. Throws FileError.
inline Json parse_json(std::string_view text, std::string_view name, const JsonLimits& limits = {}) {
  check<FileError>(text.size() <= limits.max_bytes, name, ": it has ", text.size(), " bytes, at most ",
                   limits.max_bytes, " are accepted");
  std::string copy(text);
  JsonBuilder builder(limits.max_values);
  detail::read_json_text(copy.data(), copy.size(), name, builder, limits.max_depth);
  return std::move(builder).result();
}

/// The value in a file, see parse_json.
inline Json read_json_file(const std::filesystem::path& path, const JsonLimits& limits = {}) {
  return parse_json(read_file(path, limits.max_bytes), path.native(), limits);
}

/// Writes a value as a file, indented by two spaces, atomically. Throws FileError, and Error as `Json::dump`.
inline void write_json_file(const std::filesystem::path& path, const Json& value) {
  write_file_atomically(path, value.dump(2) + "\n");
}

/// Typed access to the members of an object, with errors that name the file and the way to the member:
/// `config.json: model_args.depth is "three", expected an integer`. Refers to the object, which must outlive
/// it.
class JsonFields {
 public:
  /// name: of the file. Throws FileError if `value` is not an object.
  JsonFields(const Json& value, std::string_view name) : JsonFields(value, str_cat(name, ":"), ' ') {}

  const Json* find(std::string_view key) const { return object_->find(key); }

  /// The member `key` as a T, see Json::get. Throws FileError if it is missing or cannot be a T.
  // Not inlined: called for every setting that there is.
  template <class T>
  [[gnu::noinline]] T get(std::string_view key) const {
    return convert<T>(key, member(key));
  }

  /// The same, or `fallback` if the member is missing or null.
  template <class T>
  [[gnu::noinline]] T get(std::string_view key, T fallback) const {
    const Json* value = find(key);
    return value && !value->is_null() ? convert<T>(key, *value) : std::move(fallback);
  }

  /// Which of `names` the member `key` is, or `fallback` if it is missing or null. Throws FileError if it is
  /// none of them.
  [[gnu::noinline]] std::size_t choice(std::string_view key, std::initializer_list<std::string_view> names,
                                       std::size_t fallback) const {
    const Json* value = find(key);
    if (!value || value->is_null()) return fallback;
    std::string expected;
    std::size_t i = 0;
    for (const std::string_view name : names) {
      if (value->kind() == JsonKind::kString && value->text() == name) return i;
      expected += str_cat(i == 0 ? "" : i + 1 < names.size() ? ", " : " or ", detail::quoted(name));
      ++i;
    }
    refuse(key, *value, expected);
  }

  /// The object `key` within this one. Throws FileError if it is missing or not an object.
  [[gnu::noinline]] JsonFields object(std::string_view key) const {
    return JsonFields(member(key), str_cat(where_, key), '.');
  }

  /// Throws a FileError about the member `key`.
  template <class... Parts>
  [[noreturn]] void fail(std::string_view key, const Parts&... parts) const {
    throw FileError(str_cat(where_, key, " ", parts...));
  }

 private:
  [[gnu::noinline]] JsonFields(const Json& value, std::string where, char separator)
      : object_(&value), where_(std::move(where)) {
    check<FileError>(value.kind() == JsonKind::kObject, where_, " is ", described(value),
                     ", expected an object");
    where_ += separator;
  }

  const Json& member(std::string_view key) const {
    const Json* value = find(key);
    if (!value) fail(key, "is missing");
    return *value;
  }

  template <class T>
  [[gnu::noinline]] T convert(std::string_view key, const Json& value) const {
    std::optional<T> converted = value.get<T>();
    if (!converted) refuse(key, value, expected<T>());
    return std::move(*converted);
  }

  [[noreturn, gnu::noinline]] void refuse(std::string_view key, const Json& value,
                                          std::string_view expected) const {
    fail(key, "is ", described(value), ", expected ", expected);
  }

  static std::string described(const Json& value) {
    if (value.kind() == JsonKind::kString) return detail::quoted(value.text());
    if (value.kind() == JsonKind::kNumber) return detail::number_text(value.number());
    if (value.kind() == JsonKind::kBoolean) return str_cat(value.boolean());
    return std::string(detail::described(value.kind()));
  }

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

}  // namespace minivit::inline MINIVIT_ABI
