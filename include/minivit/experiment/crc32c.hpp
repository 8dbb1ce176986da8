// The checksum of TensorFlow's record files: CRC-32C (Castagnoli), RFC 3720, appendix B.4.
//
// Written out: the libraries that have it are whole file formats or need a CPU's instruction.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

inline constexpr auto kCrc32cTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
    table[i] = c;
  }
  return table;
}();

}  // namespace detail

/// CRC-32C of some bytes.
constexpr std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t c = ~0u;
  for (const char b : bytes) c = c >> 8 ^ detail::kCrc32cTable[(c ^ static_cast<unsigned char>(b)) & 255];
  return ~c;
}

/// The same, changed as record files want it, so that a checksum of data with checksums in it is a good one.
constexpr std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t c = crc32c(bytes);
  return (c >> 15 | c << 17) + 0xA282EAD8u;
}

}  // namespace minivit::inline MINIVIT_ABI
