// The marker segments of a JPEG file (ITU-T T.81, annex B): its size and its scans, before anything is
// decoded.
#pragma once

#include <cstdint>
#include <string_view>

#include "minivit/data/image_format.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// The most scans of a progressive JPEG that is decoded. Encoders write up to 24; every scan goes through the
/// whole image, so a small file of thousands would keep a decoder busy for hours. So the larger the image,
/// the fewer there may be beyond these 24.
inline constexpr int kMaxJpegScans = 100, kUsualJpegScans = 24;

namespace detail {

/// The size of a JPEG. Throws FileError as ImageFormat::size does, and for too many scans.
ImageSize jpeg_size(EncodedImage bytes, std::string_view name, std::int64_t limit);

/// The most scans that an image of so many pixels may have.
int most_jpeg_scans(std::int64_t pixels);

/// The orientation that the EXIF data of a JPEG (its first segment APP1 of that kind) state, else 1.
int jpeg_orientation(EncodedImage bytes);

/// Throws FileError for a JPEG that stb_image would paint gray or read out of bounds for: one without its end
/// marker, or with more than 255 codes in a Huffman table (stb_image 2.27 overruns its table with more than
/// 256, and takes the last of 256 for "not in the fast table").
void check_jpeg_for_stb(EncodedImage bytes, std::string_view name);

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "minivit/core/check.hpp"
#include "minivit/data/tiff_tags.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// Calls visit(marker, segment) for each segment, without its marker and length, until it answers false;
/// stray bytes and the data of scans are passed over, as decoders do. True if the end marker was reached.
template <class Visit>
bool for_each_jpeg_segment(EncodedImage bytes, const Visit& visit) {
  constexpr int kStart = 0xD8, kEnd = 0xD9, kTemporary = 0x01;
  const auto alone = [](int marker) {
    return marker == 0 || (marker >= 0xD0 && marker <= 0xD7);
  };  // restarts
  std::size_t at = 0;
  while (at + 1 < bytes.size()) {
    const void* const found = std::memchr(bytes.data() + at, 0xFF, bytes.size() - 1 - at);
    if (!found) return false;
    at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - bytes.data()) + 1;
    const int marker = bytes[at];
    if (marker == 0xFF) continue;  // padding: the next byte may be the marker
    ++at;
    if (alone(marker) || marker == kStart || marker == kTemporary) continue;
    if (marker == kEnd) return true;
    if (at + 2 > bytes.size()) return false;
    const std::size_t length = std::size_t{bytes[at]} << 8 | bytes[at + 1];
    if (length < 2 || length > bytes.size() - at) return false;
    if (!visit(marker, bytes.subspan(at + 2, length - 2))) return false;
    at += length;
  }
  return false;
}

/// The bits that the pixels of a frame take at least: every Huffman code has one, and every 8x8 block of
/// every component has a code. 0 if there is no such bound (arithmetic coding) or the frame is damaged.
inline std::int64_t least_jpeg_bits(int marker, EncodedImage frame, const ImageSize& size) {
  const std::size_t components = frame[5];
  if ((marker & 8) != 0 || frame.size() < 6 + 3 * components) return 0;
  std::int64_t most_across = 1, most_down = 1, bits = 0;
  const auto across = [&](std::size_t c) { return std::int64_t{frame[6 + 3 * c + 1]} >> 4; };
  const auto down = [&](std::size_t c) { return std::int64_t{frame[6 + 3 * c + 1]} & 15; };
  for (std::size_t c = 0; c < components; ++c)
    most_across = std::max(most_across, across(c)), most_down = std::max(most_down, down(c));
  for (std::size_t c = 0; c < components; ++c)
    bits += (size.width * across(c) / most_across + 7) / 8 * ((size.height * down(c) / most_down + 7) / 8);
  return bits;
}

MINIVIT_INLINE int most_jpeg_scans(std::int64_t pixels) {
  constexpr std::int64_t kPixelsOfAllScans = 100'000'000;
  return static_cast<int>(std::clamp<std::int64_t>(kPixelsOfAllScans / std::max<std::int64_t>(pixels, 1),
                                                   kUsualJpegScans, kMaxJpegScans));
}

MINIVIT_INLINE ImageSize jpeg_size(EncodedImage bytes, std::string_view name, std::int64_t limit) {
  constexpr int kScan = 0xDA;
  ImageSize size;
  std::int64_t bits = 0;
  int frames = 0, scans = 0, components = 0, scanned = 0;  // scanned: components in all scans
  bool progressive = false;
  for_each_jpeg_segment(bytes, [&](int marker, EncodedImage segment) {
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (marker == kScan) ++scans, scanned += segment.empty() ? 1 : segment[0];
    if (!frame || segment.size() < 6 || ++frames > 1) return true;
    size = {segment[3] << 8 | segment[4], segment[1] << 8 | segment[2]};
    bits = least_jpeg_bits(marker, segment, size);
    progressive = (marker & 3) == 2;
    components = segment[5];
    return true;
  });
  check<FileError>(frames > 0, name, ": damaged JPEG: it ends before it says how large the image is");
  check_decoded_size(name, size.width, size.height, limit);
  const int most = most_jpeg_scans(size.width * size.height);
  check<FileError>(scans <= most, name, ": damaged JPEG: more than ", most, " scans");
  check<FileError>(progressive || scanned <= components, name, ": damaged JPEG: a component in two scans");
  check<FileError>(bits / 8 <= static_cast<std::int64_t>(bytes.size()), name,
                   ": damaged JPEG: ", bytes.size(), " bytes do not hold ", size.width, "x", size.height,
                   " pixels");
  return size;
}

MINIVIT_INLINE int jpeg_orientation(EncodedImage bytes) {
  constexpr int kApp1 = 0xE1, kScan = 0xDA;
  int orientation = 1;
  for_each_jpeg_segment(bytes, [&](int marker, EncodedImage segment) {
    if (marker != kApp1 || !has_at(segment, 0, {"Exif\0\0", 6})) return marker != kScan;
    orientation = exif_orientation(segment);
    return false;
  });
  return orientation;
}

MINIVIT_INLINE void check_jpeg_for_stb(EncodedImage bytes, std::string_view name) {
  constexpr int kHuffman = 0xC4;
  const bool complete = for_each_jpeg_segment(bytes, [&](int marker, EncodedImage segment) {
    if (marker != kHuffman) return true;
    for (std::size_t table = 0; table < segment.size();) {
      check<FileError>(table + 17 <= segment.size(), name, ": damaged JPEG: incomplete Huffman table");
      std::size_t codes = 0;
      for (std::size_t i = 1; i <= 16; ++i) codes += segment[table + i];
      check<FileError>(codes <= 255, name, ": damaged JPEG: Huffman table of ", codes, " codes");
      table += 17 + codes;
    }
    return true;
  });
  check<FileError>(complete, name, ": damaged JPEG: it ends early");
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
