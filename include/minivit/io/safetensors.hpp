// Tensors in a file, in the safetensors format: see io/safetensors_header.hpp.
//
// Files are read, never mapped into memory: if a mapped file is cut short while it is in use, the process
// dies of SIGBUS.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"
#include "minivit/core/utf8.hpp"
#include "minivit/io/json.hpp"
#include "minivit/io/safetensors_header.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI::io {

static_assert(std::endian::native == std::endian::little,
              "safetensors: elements are copied as they lie in memory");

/// A float16 (1 sign, 5 exponent, 10 mantissa bits; IEEE 754 binary16) as float. Exact; keeps the bits of
/// NaNs.
inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 31u, mantissa = half & 0x3FFu;
  if (exponent == 0) {  // zero and subnormals: multiples of 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t wide =
      exponent == 31 ? 255 : exponent + (127 - 15);  // infinities and NaNs stay what they are
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

/// A bfloat16 (the upper half of a float32) as float. Exact; keeps the bits of NaNs.
inline float bfloat16_to_float(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// A safetensors file, opened for reading. Opening checks the whole header, so that what is said about the
/// tensors can be relied upon; elements are read when they are asked for. Within the default limits, opening
/// takes less memory than the header's size and 16 MiB; what stays are names, metadata and about 112 bytes
/// for each tensor. Reading is thread-safe.
class SafetensorsFile {
 public:
  /// Throws FileError, naming file, tensor and reason, if the file cannot be read or anything in it is not as
  /// the format wants it.
  explicit SafetensorsFile(const std::filesystem::path& path, const SafetensorsLimits& limits = {})
      : file_(path), name_(path.native()) {
    check<FileError>(file_.size() >= 8, name_, ": it has ", file_.size(),
                     " bytes, a safetensors file has at least 8; it is cut short");
    std::array<unsigned char, 8> prefix{};
    file_.read_at(0, prefix.data(), prefix.size());
    const std::uint64_t length = detail::SafetensorsHeader::length(prefix, file_.size(), name_, limits);
    data_begin_ = 8 + length;
    std::vector<char> block(static_cast<std::size_t>(std::min(length, kBlock)));
    std::uint64_t position = 8;
    const auto next_block = [&] {
      const auto n = static_cast<std::size_t>(std::min(kBlock, data_begin_ - position));
      file_.read_at(position, block.data(), n);
      position += n;
      return std::string_view(block.data(), n);
    };
    header_ = detail::SafetensorsHeader(next_block, file_.size() - data_begin_, name_, limits);
  }

  const std::filesystem::path& path() const { return file_.path(); }

  /// All tensors, in the order of their data.
  std::span<const SafetensorsInfo> tensors() const { return header_.tensors(); }

  /// Their names, in the order of their data.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const SafetensorsInfo& info : tensors()) names.emplace_back(info.name);
    return names;
  }

  /// The tensor of this name, valid as long as this object; null pointer if there is none.
  const SafetensorsInfo* find(std::string_view name) const { return header_.find(name); }
  bool contains(std::string_view name) const { return find(name) != nullptr; }

  /// Throws FileError if there is no such tensor. The result is valid as long as this object.
  const SafetensorsInfo& info(std::string_view name) const {
    const SafetensorsInfo* info = header_.find(name);
    check<FileError>(info != nullptr, name_, ": there is no tensor ", detail::in_quotes(name));
    return *info;
  }

  /// The free texts of the file.
  std::map<std::string, std::string> metadata() const {
    std::map<std::string, std::string> out;
    for (const auto& [key, value] : header_.metadata()) out.emplace(key, value);
    return out;
  }

  /// The tensor as float32, from F32, F16, BF16 (exact) or F64 (rounded to nearest; beyond the range of
  /// float32 it becomes infinite). Throws FileError if there is none, it is of another type, or its rank is
  /// over 6.
  Tensor tensor(std::string_view name) const {
    const SafetensorsInfo& info = this->info(name);
    check_floating(info);
    check_info(info, info.rank <= Shape::kMaxRank, "has rank ", static_cast<int>(info.rank), ", at most ",
               Shape::kMaxRank, " is supported");
    Tensor out = Tensor::empty(Shape(info.shape()));
    read_floats(info, out.data());
    return out;
  }

  /// Overwrites the elements of `into` with those of the tensor, converted as by `tensor`. Throws FileError
  /// as `tensor` and unless the shapes are equal; `into` is then unchanged, unless reading itself failed.
  void read_into(std::string_view name, Tensor& into) const {
    const SafetensorsInfo& info = this->info(name);
    check_floating(info);
    check_info(info, into.defined() && info.has_shape(into.shape()), "has shape ", info.shape_text(),
               ", expected ", into.defined() ? into.shape().str() : "a defined tensor to read into");
    read_floats(info, into.data());
  }

  /// The elements of a tensor of type I64, I32, I16, I8, U64, U32, U16, U8 or BOOL, in row-major order.
  /// Throws FileError if there is none, it is of another type, or an element exceeds 2^63 - 1.
  std::vector<std::int64_t> integers(std::string_view name) const {
    const SafetensorsInfo& info = this->info(name);
    const bool is_signed = info.dtype()[0] == 'I',
               is_unsigned = info.dtype()[0] == 'U' || info.dtype() == "BOOL";
    check_info(info, is_signed || is_unsigned, "has dtype ", info.dtype(), ", expected an integer type");
    std::vector<std::int64_t> out;
    out.reserve(static_cast<std::size_t>(info.numel()));
    const std::size_t width = info.type->bytes;
    const int unused_bits = static_cast<int>(64 - 8 * width);
    read_chunks(info, [&](std::span<const char> chunk) {
      for (std::size_t i = 0; i < chunk.size(); i += width) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &chunk[i], width);
        // Up to the sign bit of 64 bits and down again, which repeats the sign.
        const auto value = is_signed ? static_cast<std::int64_t>(bits << unused_bits) >> unused_bits
                                     : static_cast<std::int64_t>(bits);
        check_info(info, is_signed || value >= 0, "contains ", bits, ", at most 2^63 - 1 is supported");
        out.push_back(value);
      }
    });
    return out;
  }

  /// The bytes of a tensor of any type, as they are in the file. Throws FileError if there is none.
  std::vector<std::uint8_t> bytes(std::string_view name) const {
    const SafetensorsInfo& info = this->info(name);
    std::vector<std::uint8_t> out(static_cast<std::size_t>(info.bytes));
    file_.read_at(data_begin_ + info.offset, out.data(), out.size());
    return out;
  }

 private:
  template <class... Parts>
  void check_info(const SafetensorsInfo& info, bool ok, const Parts&... parts) const {
    if (!ok) throw FileError(str_cat(name_, ": tensor ", detail::in_quotes(info.name), " ", parts...));
  }

  void check_floating(const SafetensorsInfo& info) const {
    const std::string_view type = info.dtype();
    check_info(info, type == "F32" || type == "F16" || type == "BF16" || type == "F64", "has dtype ", type,
               ", expected F32, F16, BF16 or F64");
  }

  void read_floats(const SafetensorsInfo& info, float* out) const {
    if (info.dtype() == "F32")
      return file_.read_at(data_begin_ + info.offset, out, static_cast<std::size_t>(info.bytes));
    const bool half = info.dtype() == "F16", wide = info.dtype() == "F64";
    read_chunks(info, [&](std::span<const char> chunk) {
      if (wide)
        for (std::size_t i = 0; i < chunk.size(); i += 8)
          *out++ = static_cast<float>(element<double>(chunk, i));
      else if (half)
        for (std::size_t i = 0; i < chunk.size(); i += 2)
          *out++ = half_to_float(element<std::uint16_t>(chunk, i));
      else
        for (std::size_t i = 0; i < chunk.size(); i += 2)
          *out++ = bfloat16_to_float(element<std::uint16_t>(chunk, i));
    });
  }

  template <class T>
  static T element(std::span<const char> bytes, std::size_t position) {
    T value;
    std::memcpy(&value, &bytes[position], sizeof value);
    return value;
  }

  /// Calls `use` with some whole elements after the other, so that what is stored never takes more than 64
  /// KiB of memory.
  template <class Use>
  void read_chunks(const SafetensorsInfo& info, const Use& use) const {
    std::vector<char> chunk(static_cast<std::size_t>(std::min(info.bytes, kBlock)));
    for (std::uint64_t begin = 0; begin < info.bytes; begin += kBlock) {
      const auto n = static_cast<std::size_t>(std::min(kBlock, info.bytes - begin));
      file_.read_at(data_begin_ + info.offset + begin, chunk.data(), n);
      use(std::span<const char>(chunk).first(n));
    }
  }

  static constexpr std::uint64_t kBlock = 64 << 10;  // read at a time; a multiple of every element's size

  InputFile file_;
  std::string name_;
  std::uint64_t data_begin_ = 0;
  detail::SafetensorsHeader header_;
};

/// Collects tensors, integers and texts and writes them as one file. Tensors are held as handles, not copied:
/// what is written are their elements at the time of `save`.
class SafetensorsWriter {
 public:
  /// Adds a tensor, stored as F32. Throws FileError if the name is already taken, "__metadata__", not UTF-8,
  /// longer than 1024 bytes or with a NUL in it, or if the tensor is undefined.
  void add(std::string name, Tensor tensor) {
    check<FileError>(tensor.defined(), "safetensors: tensor ", detail::in_quotes(name), " is undefined");
    std::vector<std::int64_t> shape(tensor.shape().begin(), tensor.shape().end());
    const auto bytes = static_cast<std::size_t>(tensor.numel()) * sizeof(float);
    add({std::move(name), "F32", std::move(shape), bytes, std::move(tensor), {}});
  }

  /// Adds integers as a vector of type I64. Throws FileError about the name, as above.
  void add_integers(std::string name, std::span<const std::int64_t> values) {
    add_copy(std::move(name), "I64", std::as_bytes(values), values.size());
  }

  /// Adds bytes as a vector of type U8. Throws FileError about the name, as above.
  void add_bytes(std::string name, std::span<const std::uint8_t> values) {
    add_copy(std::move(name), "U8", std::as_bytes(values), values.size());
  }

  /// Adds a text, or replaces it. Throws FileError if key or text is not UTF-8. `save` refuses what takes
  /// more than 1 MiB in the file.
  void set_metadata(std::string key, std::string text) {
    check<FileError>(metadata_.size() < SafetensorsLimits{}.max_metadata,
                     "safetensors: too many metadata entries");
    check_utf8("key", key);
    check_utf8("text", text);
    metadata_.insert_or_assign(std::move(key), std::move(text));
  }

  /// Writes the file, atomically. The same calls give the same bytes. Data is in the order in which it was
  /// added, but wider types first, so that each element lies at a multiple of its size, as other readers need
  /// it. Throws FileError if the file cannot be written or would exceed the limits that reading has.
  void save(const std::filesystem::path& path) const {
    std::vector<const Entry*> entries;
    for (const std::string_view type : {"I64", "F32", "U8"})
      for (const Entry& entry : entries_)
        if (entry.dtype == type) entries.push_back(&entry);

    const std::string header = this->header(entries);
    check<FileError>(header.size() <= SafetensorsLimits{}.max_header_bytes, "cannot write ", path.native(),
                     ": its header would have ", header.size(), " bytes, at most ",
                     SafetensorsLimits{}.max_header_bytes, " can be read again");
    for (const auto& [key, text] : metadata_)
      for (const std::string& part : {key, text}) {
        const std::size_t bytes = json_text(part).size() - 2;  // without the quotes
        check<FileError>(bytes <= detail::kMaxJsonToken, "cannot write ", path.native(), ": metadata ",
                         detail::in_quotes(key), " would have a string of ", bytes, " bytes, at most ",
                         detail::kMaxJsonToken, " can be read again");
      }
    AtomicFile file(path);
    const auto length = static_cast<std::uint64_t>(header.size());
    file.write(&length, sizeof length);
    file.write(header);
    for (const Entry* entry : entries) file.write(entry->data(), entry->bytes);
    file.commit();
  }

 private:
  struct Entry {
    std::string name;
    std::string_view dtype;
    std::vector<std::int64_t> shape;
    std::size_t bytes;
    Tensor tensor;                // either this
    std::vector<std::byte> copy;  // or that holds the data

    const void* data() const {
      return tensor.defined() ? static_cast<const void*>(tensor.data()) : copy.data();
    }
  };

  static void check_utf8(std::string_view what, std::string_view text) {
    if (!minivit::detail::is_utf8(text))
      throw FileError(str_cat("safetensors: ", what, " ", detail::in_quotes(text), " is not valid UTF-8"));
  }

  void add_copy(std::string name, std::string_view dtype, std::span<const std::byte> data,
                std::size_t count) {
    add({std::move(name),
         dtype,
         {static_cast<std::int64_t>(count)},
         data.size(),
         {},
         {data.begin(), data.end()}});
  }

  void add(Entry entry) {
    const SafetensorsLimits limits;
    check_utf8("name", entry.name);
    check<FileError>(entry.name != "__metadata__", "safetensors: a tensor cannot be named \"__metadata__\"");
    check<FileError>(entry.name.size() <= limits.max_name_bytes && entry.name.find('\0') == std::string::npos,
                     "safetensors: name ", detail::in_quotes(entry.name), " is longer than ",
                     limits.max_name_bytes, " bytes or contains a NUL");
    check<FileError>(entries_.size() < limits.max_tensors, "safetensors: more than ", limits.max_tensors,
                     " tensors");
    const bool is_new = names_.insert(entry.name).second;
    check<FileError>(is_new, "safetensors: there are two tensors named ", detail::in_quotes(entry.name));
    entries_.push_back(std::move(entry));
  }

  std::string header(const std::vector<const Entry*>& entries) const {
    std::string out = "{";
    if (!metadata_.empty()) {
      out += "\"__metadata__\":{";
      for (const auto& [key, text] : metadata_) {
        if (out.back() != '{') out += ',';
        out += json_text(key) + ":" + json_text(text);
      }
      out += '}';
    }
    std::uint64_t offset = 0;
    for (const Entry* entry : entries) {
      if (out.size() > 1) out += ',';
      out += str_cat(json_text(entry->name), ":{\"dtype\":\"", entry->dtype, "\",\"shape\":[");
      for (std::size_t i = 0; i < entry->shape.size(); ++i) out += str_cat(i > 0 ? "," : "", entry->shape[i]);
      out += str_cat("],\"data_offsets\":[", offset, ",", offset + entry->bytes, "]}");
      offset += entry->bytes;
    }
    out += '}';
    out.resize((out.size() + 7) / 8 * 8, ' ');  // so that the data begins at a multiple of 8
    return out;
  }

  std::vector<Entry> entries_;
  std::set<std::string> names_;
  std::map<std::string, std::string> metadata_;
};

/// Writes the tensors, in this order, and the texts as a file, atomically. Throws FileError, see
/// SafetensorsWriter.
inline void save_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                             const std::map<std::string, std::string>& metadata = {}) {
  SafetensorsWriter writer;
  for (const auto& [name, tensor] : tensors) writer.add(name, tensor);
  for (const auto& [key, text] : metadata) writer.set_metadata(key, text);
  writer.save(path);
}

}  // namespace minivit::inline MINIVIT_ABI::io
