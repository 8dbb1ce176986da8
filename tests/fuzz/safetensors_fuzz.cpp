// Fuzzes the two readers of what strangers wrote: the header of safetensors files, and JSON.
// tests/fuzz/run.sh runs it. What is read is a safetensors file; its header, whatever it says, is also read
// as JSON.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "fuzz/require.hpp"
#include "minivit/io/json.hpp"
#include "minivit/io/safetensors_header.hpp"

namespace {

constexpr std::size_t kPrefix = 8;  // bytes that hold the header's length

void fuzz_safetensors(std::span<const unsigned char> file) {
  const minivit::io::SafetensorsLimits limits;
  const std::uint64_t length =
      minivit::io::detail::SafetensorsHeader::length(file.first<kPrefix>(), file.size(), "fuzz", limits);
  require(length <= file.size() - kPrefix);
  const auto text = file.subspan(kPrefix, static_cast<std::size_t>(length));
  const std::uint64_t data_bytes = file.size() - kPrefix - length;
  const minivit::io::detail::SafetensorsHeader header(
      {reinterpret_cast<const char*>(text.data()), text.size()}, data_bytes, "fuzz", limits);

  // What was accepted keeps what the format promises: the tensors tile the data and are found by their names.
  std::uint64_t end = 0;
  for (const minivit::io::SafetensorsInfo& info : header.tensors()) {
    require(info.offset == end && info.bytes <= data_bytes - end);
    end += info.bytes;
    std::uint64_t bytes = info.type->bytes;
    for (const std::int64_t extent : info.shape())
      require(extent >= 0 && !__builtin_mul_overflow(bytes, extent, &bytes));
    require(bytes == info.bytes);
    require(info.name.size() <= limits.max_name_bytes && info.name.find('\0') == std::string::npos);
    require(header.find(info.name) == &info);
  }
  require(end == data_bytes);
}

void fuzz_json(std::string_view text) {
  const minivit::io::Json value = minivit::io::parse_json(text, "fuzz");
  require(minivit::io::parse_json(minivit::io::json_text(value), "fuzz") == value);
  require(minivit::io::parse_json(minivit::io::json_text(value, 2), "fuzz", {.max_bytes = SIZE_MAX}) ==
          value);
}

/// Anything may be refused, but by a message that names the file and is short: what it quotes is cut.
template <class Read>
void read_or_refuse(std::size_t longest_message, const Read& read) {
  try {
    read();
  } catch (const minivit::FileError& error) {
    const std::string_view message = error.what();
    require(message.starts_with("fuzz: ") && message.size() <= longest_message);
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(unsigned char* data, std::size_t size, std::size_t max_size);

/// Changes a file at random, and then mostly lets its header end behind the last '}': else nearly no change
/// of the header's length would be read any further than the prefix.
extern "C" std::size_t LLVMFuzzerCustomMutator(unsigned char* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (size < kPrefix || seed % 8 == 0) return size;
  const std::span header(data + kPrefix, size - kPrefix);
  const auto last = std::find(header.rbegin(), header.rend(), '}');
  auto length = static_cast<std::uint64_t>(header.rend() - last);
  for (std::size_t i = 0; i < kPrefix; ++i, length >>= 8) data[i] = static_cast<unsigned char>(length & 255u);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < kPrefix) return 0;
  read_or_refuse(4096, [&] { fuzz_safetensors({data, size}); });
  // Here the message names a key for each level.
  read_or_refuse(65536, [&] { fuzz_json({reinterpret_cast<const char*>(data) + kPrefix, size - kPrefix}); });
  return 0;
}
