// A reader of JSON (RFC 8259) that tells a handler, piece by piece, what a text says.
//
// nlohmann/json reads 4 MiB of '[' into 310 MiB, keeps the last of two equal keys, takes a NUL for the end of
// the text, turns integers beyond 64 bits into rounded doubles, and writes NaN as null. So its parser is used
// through its SAX interface, behind which all that is refused.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "minivit/io/json_value.hpp"

namespace minivit::inline MINIVIT_ABI::io::detail {

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

}  // namespace minivit::inline MINIVIT_ABI::io::detail

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <vector>

namespace minivit::inline MINIVIT_ABI::io::detail {

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

}  // namespace minivit::inline MINIVIT_ABI::io::detail
#endif  // MINIVIT_DEFINITIONS
