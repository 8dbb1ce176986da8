// The header of the safetensors format: what lies where in a file.
//
//   8 bytes    length N of the header, unsigned, little-endian
//   N bytes    JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}, with an
//              optional "__metadata__": {"text": "text"}; padded with spaces
//   the rest   the elements, row-major, little-endian, one tensor behind the other without gaps
//
// (https://huggingface.co/docs/safetensors.) Written by hand, since the order of the checks is what makes it
// safe to open a stranger's file: nothing is allocated, read or multiplied before the number that decides
// about it has been checked.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/io/json_fields.hpp"
#include "minivit/io/json_reader.hpp"
#include "minivit/tensor/shape.hpp"

namespace minivit::inline MINIVIT_ABI::io {

/// What a file may have at most. Besides, a string of its header may take 1 MiB there, escapes included.
struct SafetensorsLimits {
  std::uint64_t max_header_bytes = std::uint64_t{16} << 20;  ///< the format itself allows 100,000,000
  std::size_t max_tensors = 65536;
  std::size_t max_metadata = 65536;   ///< entries
  std::size_t max_name_bytes = 1024;  ///< of a tensor's name
};

/// How one element is stored, by the name that the file gives it.
struct SafetensorsType {
  std::string_view name;
  std::uint8_t bytes;
};

namespace detail {

inline constexpr SafetensorsType kSafetensorsTypes[] = {
    {"F64", 8},  {"F32", 4},     {"F16", 2},     {"BF16", 2},    {"I64", 8}, {"I32", 4},
    {"I16", 2},  {"I8", 1},      {"U64", 8},     {"U32", 4},     {"U16", 2}, {"U8", 1},
    {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"C64", 8},
};

/// The type of this name; null pointer if there is none.
inline const SafetensorsType* find_safetensors_type(std::string_view name) {
  for (const SafetensorsType& type : kSafetensorsTypes)
    if (type.name == name) return &type;
  return nullptr;
}

}  // namespace detail

/// Where a tensor lies in a file, and as what.
struct SafetensorsInfo {
  static constexpr std::size_t kMaxRank = 8;

  std::string_view name;  ///< valid as long as the file object
  const SafetensorsType* type = nullptr;
  std::array<std::int64_t, kMaxRank> extents{};
  std::uint8_t rank = 0;
  std::uint64_t offset = 0;  ///< of the first byte, counted from the end of the header
  std::uint64_t bytes = 0;

  [[nodiscard]] std::string_view dtype() const noexcept { return type->name; }  ///< for example "F32"
  [[nodiscard]] std::span<const std::int64_t> shape() const noexcept { return {extents.data(), rank}; }
  [[nodiscard]] std::int64_t numel() const noexcept { return static_cast<std::int64_t>(bytes / type->bytes); }
  [[nodiscard]] bool has_shape(const Shape& other) const { return std::ranges::equal(shape(), other); }

  /// The shape as "(2, 3)".
  [[nodiscard]] std::string shape_text() const { return minivit::detail::extents_text(shape()); }
};

namespace detail {

/// Keeps texts at one place, many short ones in one block of memory.
class TextStore {
 public:
  /// A copy of the text, valid as long as the store, wherever that is moved.
  std::string_view add(std::string_view text) {
    constexpr std::size_t kBlock = 64 << 10, kLong = kBlock / 16;
    if (text.size() > kLong) return copy(text, new_block(text.size()));
    if (text.size() > free_.size()) free_ = {new_block(kBlock), kBlock};
    const std::string_view out = copy(text, free_.data());
    free_ = free_.subspan(text.size());
    return out;
  }

 private:
  static std::string_view copy(std::string_view text, char* to) {
    std::ranges::copy(text, to);
    return {to, text.size()};
  }

  char* new_block(std::size_t bytes) {
    return blocks_.emplace_back(std::make_unique_for_overwrite<char[]>(bytes)).get();
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::span<char> free_;  // what is left of the last block of short texts
};

/// Checks the entries of a header one by one, as they are read.
class SafetensorsEntries final : public JsonHandler {
 public:
  explicit SafetensorsEntries(const SafetensorsLimits& limits) : limits_(limits) {}

  // A deque does not copy what it holds when it grows: a vector would need three times its memory for a
  // moment.
  std::deque<SafetensorsInfo> tensors;
  std::deque<std::pair<std::string_view, std::string_view>> metadata;
  TextStore texts;  // what `tensors` and `metadata` point into

  void value(Json value) override {
    switch (place_) {
      case Place::outside:
        expect(value.is_object(), "an object", value);
        place_ = Place::file;
        return;
      case Place::file:
        if (key_ == "__metadata__" && value.is_null()) return;  // as if there were none
        expect(value.is_object(), "an object", value);
        place_ = key_ == "__metadata__" ? Place::metadata : Place::tensor;
        return;
      case Place::metadata:
        expect(value.is_string(), "a string", value);
        metadata.back().second = texts.add(value.get_ref<const std::string&>());
        return;
      case Place::tensor:
        if (key_ == "dtype") return set_type(value);
        expect(value.is_array(), "an array", value);
        place_ = Place::list;
        return;
      case Place::list:
        if (list_size_ == list_.size()) refuse("more than ", list_.size(), " numbers");
        list_[list_size_++] = natural(value);
    }
  }

  void key(std::string key) override {
    if (place_ == Place::metadata) {
      if (metadata.size() == limits_.max_metadata) refuse("more than ", limits_.max_metadata, " entries");
      metadata.emplace_back(texts.add(key), "");
      return;
    }
    key_ = std::move(key);
    if (place_ == Place::file && key_ == "__metadata__") {
      if (std::exchange(has_metadata_, true)) refuse_twice(key_);
    } else if (place_ == Place::file) {
      begin_tensor();
    } else {
      begin_field();
    }
  }

  void end() override {
    if (place_ == Place::list) return end_list();
    if (place_ == Place::tensor) end_tensor();
    if (place_ == Place::metadata) end_metadata();
    place_ = place_ == Place::file ? Place::outside : Place::file;
  }

 private:
  enum class Place { outside, file, metadata, tensor, list };  // which object or array is open
  static constexpr std::array<std::string_view, 3> kFields = {"dtype", "shape", "data_offsets"};

  template <class... Parts>
  [[noreturn]] static void refuse(const Parts&... parts) {
    throw JsonRefusal(str_cat(parts...));
  }
  [[noreturn]] static void refuse_twice(std::string_view key) {
    refuse("key ", in_quotes(key), " appears twice");
  }

  static void expect(bool is_so, std::string_view what, const Json& found) {
    if (!is_so) refuse("expected ", what, ", found ", kind_name(found));
  }

  static std::int64_t natural(const Json& value) {
    expect(value.is_number(), "a number", value);
    if (value.is_number_float()) refuse("expected a whole number, found one with a point or an exponent");
    const std::optional<std::int64_t> number = json_as<std::int64_t>(value);
    if (!number) refuse("number is out of the range of 64-bit integers");
    if (*number < 0) refuse("expected a number of at least 0, found ", *number);
    return *number;
  }

  void set_type(const Json& value) {
    expect(value.is_string(), "a string", value);
    const auto& name = value.get_ref<const std::string&>();
    info_.type = find_safetensors_type(name);
    if (!info_.type) refuse("dtype ", in_quotes(name), " is not supported");
  }

  void end_metadata() {
    std::ranges::sort(metadata);
    const auto twice =
        std::ranges::adjacent_find(metadata, {}, [](const auto& entry) { return entry.first; });
    if (twice != metadata.end()) refuse_twice(twice->first);
  }

  void begin_tensor() {
    if (tensors.size() == limits_.max_tensors) refuse("more than ", limits_.max_tensors, " tensors");
    if (key_.size() > limits_.max_name_bytes)
      refuse("name has ", key_.size(), " bytes, at most ", limits_.max_name_bytes, " are accepted");
    if (key_.find('\0') != std::string::npos) refuse("name contains a NUL character");
    info_ = {};
    info_.name = texts.add(key_);
    seen_ = {};
  }

  void begin_field() {
    const auto field = std::find(kFields.begin(), kFields.end(), key_);
    if (field == kFields.end()) refuse("unknown key, expected \"dtype\", \"shape\" or \"data_offsets\"");
    if (std::exchange(seen_[static_cast<std::size_t>(field - kFields.begin())], true)) refuse_twice(key_);
    list_size_ = 0;
  }

  void end_list() {
    place_ = Place::tensor;
    if (key_ == "shape") {
      std::copy_n(list_.begin(), list_size_, info_.extents.begin());
      info_.rank = static_cast<std::uint8_t>(list_size_);
    } else {
      if (list_size_ != 2) refuse("expected two offsets, found ", list_size_);
      if (list_[1] < list_[0]) refuse("offsets [", list_[0], ", ", list_[1], "] end before they begin");
      info_.offset = static_cast<std::uint64_t>(list_[0]);
      info_.bytes = static_cast<std::uint64_t>(list_[1] - list_[0]);
    }
  }

  void end_tensor() {
    for (std::size_t i = 0; i < kFields.size(); ++i)
      if (!seen_[i]) refuse(in_quotes(kFields[i]), " is missing");

    // The bytes that shape and dtype ask for. A 0 is left out of the product, so that it hides no overflow.
    constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 62;
    std::uint64_t expected = info_.type->bytes;
    for (const std::int64_t extent : info_.shape())
      if (extent > 0 && (__builtin_mul_overflow(expected, extent, &expected) || expected > kMaxBytes))
        refuse("shape ", info_.shape_text(), " has too many elements");
    if (std::count(info_.shape().begin(), info_.shape().end(), 0) > 0) expected = 0;
    if (info_.bytes != expected)
      refuse("shape ", info_.shape_text(), " of ", info_.dtype(), " takes ", expected,
             " bytes, data_offsets hold ", info_.bytes);
    tensors.push_back(info_);
  }

  const SafetensorsLimits& limits_;
  Place place_ = Place::outside;
  bool has_metadata_ = false;
  std::string key_;                                             // the last one read
  SafetensorsInfo info_;                                        // the tensor that is being read
  std::array<bool, 3> seen_{};                                  // which of kFields it has had
  std::array<std::int64_t, SafetensorsInfo::kMaxRank> list_{};  // the array that is being read
  std::size_t list_size_ = 0;
};

/// A checked header: what is where. Knows no files, so that it can be tested with any bytes.
class SafetensorsHeader {
 public:
  /// The length of the header, from the first eight bytes of a file of `file_bytes` ≥ 8 bytes. Throws
  /// FileError if the file cannot hold so long a header, or it exceeds the limit; only then may it be
  /// allocated and read.
  static std::uint64_t length(std::span<const unsigned char, 8> prefix, std::uint64_t file_bytes,
                              std::string_view file, const SafetensorsLimits& limits) {
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | prefix[i];
    check<FileError>(length <= limits.max_header_bytes, file, ": its header would have ", length,
                     " bytes, at most ", limits.max_header_bytes,
                     " are accepted; is this a safetensors file?");
    check<FileError>(length <= file_bytes - 8, file, ": its header has ", length, " bytes, the file only ",
                     file_bytes - 8, " more; it is cut short");
    check<FileError>(length >= 2, file, ": its header has ", length, " bytes, expected at least \"{}\"");
    return length;
  }

  SafetensorsHeader() = default;

  /// Checks everything about the header `text` of a file with `data_bytes` bytes behind it. Throws FileError.
  SafetensorsHeader(std::string_view text, std::uint64_t data_bytes, std::string_view file,
                    const SafetensorsLimits& limits)
      : SafetensorsHeader(in_one_piece(text), data_bytes, file, limits) {}

  /// The same of a header that comes in pieces, so that it is never in memory as a whole.
  SafetensorsHeader(const JsonPieces& next_piece, std::uint64_t data_bytes, std::string_view file,
                    const SafetensorsLimits& limits) {
    std::string_view first = next_piece();
    check<FileError>(first.starts_with('{'), file,
                     ": its header does not begin with '{'; is this a safetensors file?");
    // 1. JSON, strictly: UTF-8, nothing but white space behind; and each entry by itself, as it is read. Only
    //    what the format knows is accepted, so nothing else is ever built.
    SafetensorsEntries entries(limits);
    constexpr std::size_t kMaxDepth = 3;  // {"name": {"shape": [
    read_json([&] { return first.empty() ? next_piece() : std::exchange(first, {}); }, file, entries,
              kMaxDepth);
    tensors_.assign(entries.tensors.begin(), entries.tensors.end());
    entries.tensors = {};
    metadata_.assign(entries.metadata.begin(), entries.metadata.end());
    texts_ = std::move(entries.texts);
    // 2. All together.
    // Empty ones first, since they end where they begin; then as they are written.
    std::ranges::stable_sort(tensors_, {},
                             [](const SafetensorsInfo& info) { return std::pair(info.offset, info.bytes); });
    index_names(file);
    check_layout(data_bytes, file);
  }

  /// In the order of their data.
  std::span<const SafetensorsInfo> tensors() const { return tensors_; }

  const SafetensorsInfo* find(std::string_view name) const {
    const auto at = std::ranges::lower_bound(by_name_, name, {}, [&](std::uint32_t i) { return name_of(i); });
    return at != by_name_.end() && name_of(*at) == name ? &tensors_[*at] : nullptr;
  }

  /// In the order of their keys.
  std::span<const std::pair<std::string_view, std::string_view>> metadata() const noexcept {
    return metadata_;
  }

 private:
  /// Refuses two tensors of the same name (after its escapes are resolved).
  void index_names(std::string_view file) {
    by_name_.resize(tensors_.size());
    std::iota(by_name_.begin(), by_name_.end(), 0u);
    const auto name = [&](std::uint32_t i) { return name_of(i); };
    std::ranges::sort(by_name_, {}, name);
    const auto twice = std::ranges::adjacent_find(by_name_, {}, name);
    if (twice != by_name_.end())
      throw FileError(str_cat(file, ": key ", in_quotes(name_of(*twice)), " appears twice"));
  }

  std::string_view name_of(std::uint32_t i) const { return tensors_[i].name; }

  /// Together the tensors must tile the data: each begins where the one before ends, the first at 0, the last
  /// ends where the file does. So no two share bytes, and no bytes are hidden.
  void check_layout(std::uint64_t data_bytes, std::string_view file) const {
    std::uint64_t end = 0;
    for (const SafetensorsInfo& info : tensors_) {
      if (info.offset != end)
        throw FileError(
            str_cat(file, ": tensor ", in_quotes(info.name), " begins at byte ", info.offset,
                    " of the data, expected ", end, ": ",
                    info.offset < end ? "it overlaps the one before" : "there is a hole before it"));
      end += info.bytes;  // cannot wrap: each end was read as a number below 2^63
    }
    check<FileError>(end <= data_bytes, file, ": the tensors take ", end, " bytes, the file holds ",
                     data_bytes, "; it is cut short");
    check<FileError>(end == data_bytes, file, ": ", data_bytes - end,
                     " bytes behind the last tensor belong to none");
  }

  std::vector<SafetensorsInfo> tensors_;
  std::vector<std::uint32_t> by_name_;
  std::vector<std::pair<std::string_view, std::string_view>> metadata_;
  TextStore texts_;  // what names and metadata point into
};

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::io
