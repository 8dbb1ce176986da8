// Files of the further formats that ask for more memory or time than they are worth.
#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include "hostile.hpp"

using namespace minivit;
using namespace minivit::image;
using namespace hostile;

namespace {

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

[[maybe_unused]] void put16_le(Bytes& bytes, std::uint32_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value)), bytes.push_back(static_cast<std::uint8_t>(value >> 8));
}

struct Tag {
  std::uint32_t tag, value;
};

/// A TIFF of these tags, sorted, each one number of 32 bits, with some zeros behind it.
[[maybe_unused]] Bytes tiff_of(std::initializer_list<Tag> tags) {
  Bytes tiff = bytes_of({"II*\0\x08\0\0\0", 8});
  put16_le(tiff, static_cast<std::uint32_t>(tags.size()));
  for (const Tag& tag : tags) {
    put16_le(tiff, tag.tag), put16_le(tiff, 4);
    put16_le(tiff, 1), put16_le(tiff, 0);
    put16_le(tiff, tag.value & 0xFFFF), put16_le(tiff, tag.value >> 16);
  }
  tiff.insert(tiff.end(), 64, 0);
  return tiff;
}

[[maybe_unused]] constexpr std::uint32_t kWidth = 256, kHeight = 257, kBits = 258, kCoding = 259,
                                         kColors = 262, kOffsets = 273, kSamples = 277, kRows = 278,
                                         kCounts = 279, kTileWidth = 322, kTileHeight = 323,
                                         kTileOffsets = 324, kTileCounts = 325;

}  // namespace

#if defined(MINIVIT_WITH_GIFLIB)
TEST_CASE("a small GIF of a large screen or picture is refused before memory is asked for") {
  Bytes gif = bytes_of("GIF89a");
  put16_le(gif, 13000), put16_le(gif, 13000);
  for (const int value : {0, 0, 0, 0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3B})
    gif.push_back(static_cast<std::uint8_t>(value));
  check_refused(gif, "bytes do not hold 13000x13000 pixels");
  gif[6] = gif[7] = gif[8] = gif[9] = 0xFF;
  check_refused(gif, "the image is 65535x65535, expected at least 1x1");
  gif[6] = gif[8] = 4, gif[7] = gif[9] = 0;
  gif[18] = gif[19] = gif[20] = gif[21] = 0x7F;
  check_refused(gif, "the image is 32639x32639");
}
#endif

#if defined(MINIVIT_WITH_LIBTIFF)
TEST_CASE("a small TIFF of a large size is refused before memory is asked for") {
  constexpr std::uint32_t kNone = 1, kLzw = 5;
  check_refused(tiff_of({{kWidth, 20000}, {kHeight, 20000}}),
                "the image is 20000x20000, expected at least 1x1");
  check_refused(tiff_of({{kWidth, 0xFFFFFFFF}, {kHeight, 0xFFFFFFFF}}), "the image is 4294967295x4294967295");
  for (const std::uint32_t coding : {kNone, kLzw})
    check_refused(tiff_of({{kWidth, 13000},
                           {kHeight, 13000},
                           {kBits, 8},
                           {kCoding, coding},
                           {kColors, 1},
                           {kOffsets, 8},
                           {kSamples, 1},
                           {kRows, 13000},
                           {kCounts, 64}}),
                  "bytes do not hold 13000x13000 pixels");
  check_refused(tiff_of({{kHeight, 10}}), "damaged TIFF: it does not say how large the image is");
}

TEST_CASE("a TIFF of few pixels and large tiles or strips costs no memory") {
  constexpr std::uint32_t kDeflate = 8;
  check_refused(tiff_of({{kWidth, 4},
                         {kHeight, 4},
                         {kBits, 8},
                         {kCoding, kDeflate},
                         {kColors, 1},
                         {kSamples, 1},
                         {kTileWidth, 60000},
                         {kTileHeight, 60000},
                         {kTileOffsets, 8},
                         {kTileCounts, 64}}),
                "TIFF");
  const Outcome outcome = decode_apart(tiff_of({{kWidth, 4},
                                                {kHeight, 4},
                                                {kBits, 8},
                                                {kCoding, 1},
                                                {kColors, 1},
                                                {kOffsets, 8},
                                                {kSamples, 1},
                                                {kRows, 0xFFFFFFFF},
                                                {kCounts, 0xFFFFFFF0}}));
  CHECK(outcome.kilobytes < kLittle);
  CHECK(outcome.seconds < kSoon);
}
#endif

#if defined(MINIVIT_WITH_LIBWEBP)
TEST_CASE("a small WebP of a large size is refused before memory is asked for") {
  // The lossless header: 14 bits each of width - 1 and height - 1.
  Bytes webp = bytes_of({"RIFF\x1A\0\0\0WEBPVP8L\x0D\0\0\0\x2F", 21});
  const std::uint32_t bits = 16382u | 16382u << 14;
  put16_le(webp, bits & 0xFFFF), put16_le(webp, bits >> 16);
  webp.insert(webp.end(), 9, 0);
  check_refused(webp, "the image is 16383x16383, expected at least 1x1");
}
#endif

TEST_CASE("files that begin as an image and hold none are refused by name") {
  for (const std::string& start : {std::string("RIFF\0\0\0\0WEBP", 12), std::string("GIF89a"),
                                   std::string("II*\0", 4), std::string("MM\0+\0\x08\0\0", 8),
                                   std::string("\0\0\0\x18"
                                               "ftypavif",
                                               12),
                                   std::string("\0\0\0\x18"
                                               "ftypheic",
                                               12)})
    for (const std::size_t size : {start.size(), std::size_t{64}, std::size_t{5000}}) {
      std::string padded = start;
      padded.resize(std::max(size, start.size()));
      check_refused(bytes_of(padded), "");
    }
}
