// JSON text and JSON files as values: read from strangers within limits, and written exactly.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "minivit/io/json_fields.hpp"
#include "minivit/io/json_value.hpp"

namespace minivit::inline MINIVIT_ABI::io {

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
/// spaces a level. Reading it gives an equal value; printing it does not steer a terminal. Throws Error if a
/// string is not UTF-8.
[[nodiscard]] std::string json_text(const Json& value, int indent = 0);

/// Writes a value as a file, indented by two spaces, atomically. Throws FileError, and Error as `json_text`.
void write_json_file(const std::filesystem::path& path, const Json& value);

}  // namespace minivit::inline MINIVIT_ABI::io

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <utility>
#include <vector>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/utf8.hpp"
#include "minivit/io/json_reader.hpp"

namespace minivit::inline MINIVIT_ABI::io {

namespace detail {

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

namespace detail {

/// `json` with the characters escaped that the library leaves as they are although they steer a terminal:
/// only strings can have them.
inline std::string without_controls(std::string json) {
  const auto plain = [](char c) { return static_cast<unsigned char>(c) < 0x7F; };
  if (std::ranges::all_of(json, plain)) return json;
  std::string out;
  for (std::string_view rest = json; !rest.empty();) {
    const std::string_view character =
        rest.substr(0, std::max<std::size_t>(1, minivit::detail::utf8_length(rest)));
    rest.remove_prefix(character.size());
    if (character == "\n" || !minivit::detail::steers_terminal(character)) {
      out += character;
      continue;
    }
    unsigned code = static_cast<unsigned char>(character[0]);
    if (character.size() > 1) code &= character.size() == 2 ? 0x1Fu : 0x0Fu;
    for (const char c : character.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3Fu);
    constexpr char kHex[] = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[code >> shift & 0xF];
  }
  return out;
}

}  // namespace detail

MINIVIT_INLINE std::string json_text(const Json& value, int indent) {
  try {
    return detail::without_controls(value.dump(indent > 0 ? indent : -1));
  } catch (const Json::type_error&) {  // the only one: says the byte, but not where
    throw Error("json: cannot write a string that is not valid UTF-8");
  }
}

MINIVIT_INLINE void write_json_file(const std::filesystem::path& path, const Json& value) {
  write_file_atomically(path, json_text(value, 2) + "\n");
}

}  // namespace minivit::inline MINIVIT_ABI::io
#endif  // MINIVIT_DEFINITIONS
