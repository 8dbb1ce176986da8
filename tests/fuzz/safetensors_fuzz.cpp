// Fuzzes the two readers of what strangers wrote: the header of safetensors files, and JSON.
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Iinclude
//     tests/fuzz/safetensors_fuzz.cpp -o fuzz && ./fuzz -max_total_time=60 tests/data/fixtures/vit_timm
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "minivit/io/json.hpp"
#include "minivit/io/safetensors_header.hpp"

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

void fuzz_safetensors(std::span<const unsigned char> file) {
  if (file.size() < 8) return;
  const minivit::SafetensorsLimits limits;
  const std::uint64_t length =
      minivit::detail::SafetensorsHeader::length(file.first<8>(), file.size(), "fuzz", limits);
  require(length <= file.size() - 8);
  const auto text = file.subspan(8, static_cast<std::size_t>(length));
  const std::uint64_t data_bytes = file.size() - 8 - length;
  const minivit::detail::SafetensorsHeader header({text.begin(), text.end()}, data_bytes, "fuzz", limits);

  // What was accepted keeps what the format promises: the tensors tile the data and are found by their names.
  std::uint64_t end = 0;
  for (const minivit::SafetensorsInfo& info : header.tensors()) {
    require(info.offset == end && info.bytes <= data_bytes - end);
    end += info.bytes;
    std::uint64_t elements = 1;
    for (const std::int64_t extent : info.shape()) elements *= static_cast<std::uint64_t>(extent);
    require(elements == static_cast<std::uint64_t>(info.numel()) &&
            elements * info.type->bytes == info.bytes);
    require(info.name.size() <= limits.max_name_bytes && info.name.find('\0') == std::string_view::npos);
    require(header.find(info.name) == &info);
  }
  require(end == data_bytes);
}

void fuzz_json(std::string_view text) {
  const minivit::Json value = minivit::parse_json(text, "fuzz");
  require(minivit::parse_json(value.dump(), "fuzz") == value);
  require(minivit::parse_json(value.dump(2), "fuzz", {.max_bytes = SIZE_MAX}) == value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::span bytes(data, size);
  try {
    fuzz_safetensors(bytes);
  } catch (const minivit::FileError&) {}
  try {
    fuzz_json({reinterpret_cast<const char*>(data), size});
  } catch (const minivit::FileError&) {}
  return 0;
}
