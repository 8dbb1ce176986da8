// Fuzzes the decoders of images. The input is the file.
//
// stb_image_fuzz.cpp is the same without the libraries.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "fuzz/require.hpp"
#include "minivit/core/check.hpp"
#include "minivit/data/image.hpp"
#include "minivit/data/image_formats.hpp"

// libdav1d keeps some bytes of a damaged AVIF: what leaks there is not ours.
extern "C" const char* __lsan_default_suppressions() { return "leak:libdav1d"; }

namespace {

constexpr std::int64_t kMaxPixels = 1 << 22;

/// What is accepted has the size that the header states.
void decode(std::span<const std::uint8_t> file, const minivit::DecodeOptions& options) {
  const minivit::image::ImageInfo info = minivit::image_info(file, "fuzz", options);
  const minivit::image::Decoded decoded = minivit::decode_image(file, "fuzz", options);
  const minivit::Image& image = decoded.image;
  require(decoded.width == info.width && decoded.height == info.height &&
          decoded.orientation == info.orientation);
  require(image.width == (decoded.width - 1) / decoded.reduction + 1 &&
          image.height == (decoded.height - 1) / decoded.reduction + 1);
  require(image.channels == 3 && std::int64_t{image.width} * image.height <= kMaxPixels);
  require(image.pixels.size() == image.stride() * static_cast<std::size_t>(image.height));
}

/// Anything may be refused, but by a short message that names the file.
void decode_or_refuse(std::span<const std::uint8_t> file, const minivit::DecodeOptions& options) {
  try {
    decode(file, options);
  } catch (const minivit::FileError& error) {
    const std::string_view message = error.what();
    require(message.starts_with("fuzz: ") && message.size() <= 4096);
  }
}

/// CRC-32 of ISO 3309.
std::uint32_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
  }
  return ~crc;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(unsigned char* data, std::size_t size, std::size_t max_size);

/// Changes a file at random, and then mostly mends the checksums of a PNG: else libpng would look no further.
extern "C" std::size_t LLVMFuzzerCustomMutator(unsigned char* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (size < 8 || std::memcmp(data, "\x89PNG\r\n\x1A\n", 8) != 0 || seed % 8 == 0) return size;
  for (std::size_t at = 8; size - at >= 12;) {
    const std::size_t length = std::size_t{data[at]} << 24 | std::size_t{data[at + 1]} << 16 |
                               std::size_t{data[at + 2]} << 8 | data[at + 3];
    if (length > size - at - 12) break;
    const std::uint32_t crc = checksum({data + at + 4, length + 4});
    for (std::size_t i = 0; i < 4; ++i)
      data[at + 8 + length + i] = static_cast<unsigned char>(crc >> (24 - 8 * i));
    at += 12 + length;
  }
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::span file(data, size);
  decode_or_refuse(file, {.max_pixels = kMaxPixels});
  // Every second time also as training does, and as it is stored.
  if (size % 2 == 0) return 0;
  const int reduction = 1 << (size / 2 % 4);
  decode_or_refuse(file, {.choose = [=](int, int) { return reduction; },
                          .choose_if_too_large = [=](int, int) { return reduction; },
                          .max_pixels = kMaxPixels,
                          .apply_orientation = size % 4 == 1});
  return 0;
}
