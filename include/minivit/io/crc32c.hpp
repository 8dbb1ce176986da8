// CRC-32C, the checksum of TensorFlow's record files (RFC 3720, appendix B.4: the Castagnoli polynomial).
//
// Written here since it is a dozen lines: what Debian has of it is linked, not header-only. One table, one
// byte at a time: that is some hundred MB/s, and a record is either short or an image that took longer to
// compress.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI::io {

namespace detail {

/// What each value of a byte adds to the checksum.
inline constexpr std::array<std::uint32_t, 256> kCrc32cTable = [] {
  constexpr std::uint32_t kPolynomial = 0x82F63B78;  // 0x1EDC6F41, bits reversed
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}();

}  // namespace detail

/// The CRC-32C of `bytes`. before: the checksum of the bytes in front of them, if they come in pieces.
inline std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0) {
  std::uint32_t crc = ~before;
  for (const char byte : bytes)
    crc = (crc >> 8) ^ detail::kCrc32cTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

/// A checksum as record files store it: turned and shifted, since the checksum of data that contains its own
/// checksum would always be the same number.
inline constexpr std::uint32_t masked_crc(std::uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

}  // namespace minivit::inline MINIVIT_ABI::io
