// Image files that ask for more memory or time than they are worth.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "hostile.hpp"
#include "minivit/core/check.hpp"
#include "minivit/data/image.hpp"
#include "minivit/data/jpeg_markers.hpp"

using namespace minivit;
using namespace minivit::image;
using namespace hostile;

namespace {

// A frame header of another size.
Bytes resized_jpeg(const std::string& name, int width, int height) {
  Bytes jpeg = fixture::read(fixture::path("data_decode/" + name));
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i)
    if (jpeg[i] == 0xFF && (jpeg[i + 1] == 0xC0 || jpeg[i + 1] == 0xC2)) {
      jpeg[i + 5] = static_cast<std::uint8_t>(height >> 8), jpeg[i + 6] = static_cast<std::uint8_t>(height);
      jpeg[i + 7] = static_cast<std::uint8_t>(width >> 8), jpeg[i + 8] = static_cast<std::uint8_t>(width);
    }
  return jpeg;
}

}  // namespace

TEST_CASE("a small PNG of a large size is refused before memory is asked for") {
  const Bytes nothing = compressed_zeros(0);
  for (const auto& [depth, color] : {std::pair<std::uint8_t, std::uint8_t>{8, kGray}, {8, kRgb}, {16, kRgba}})
    for (const std::uint8_t interlace : {std::uint8_t{0}, std::uint8_t{1}})
      for (const auto& size : {std::array{178'956'971u, 1u},
                               {1u, 178'956'971u},
                               {13378u, 13377u},
                               {61'000'000u, 61'000'000u},
                               {0x7FFFFFFFu, 0x7FFFFFFFu},
                               {0u, 5u}}) {
        Bytes png = png_start(size[0], size[1], depth, color, interlace);
        put_chunk(png, "IDAT", nothing), put_chunk(png, "IEND", {});
        check_refused(png, str_cat("the image is ", size[0], "x", size[1],
                                   ", expected at least 1x1 and at most 178956970 pixels"));
      }
}

TEST_CASE("a PNG that is too small for its pixels is refused before memory is asked for") {
  const Bytes nothing = compressed_zeros(0);
  for (const std::uint8_t interlace : {std::uint8_t{0}, std::uint8_t{1}})
    for (const auto& size : {std::array{64'000'000u, 1u}, {1u, 64'000'000u}, {8000u, 8000u}}) {
      Bytes png = png_start(size[0], size[1], 16, kRgba, interlace);
      put_chunk(png, "IDAT", nothing), put_chunk(png, "IEND", {});
      check_refused(
          png, str_cat("damaged PNG: ", png.size(), " bytes do not hold ", size[0], "x", size[1], " pixels"));
    }
}

TEST_CASE("a PNG that inflates beyond its pixels costs no memory") {
  Bytes png = png_start(4, 4, 8, kRgb);
  put_chunk(png, "IDAT", compressed_zeros(3'000'000));  // 774 MB
  put_chunk(png, "IEND", {});
  const Outcome outcome = decode_apart(png);
  CHECK(outcome.kilobytes < 2 * kLittle);
  CHECK(outcome.seconds < kSoon);
}

TEST_CASE("texts and profiles of a PNG are not decompressed") {
  const Bytes bomb = compressed_zeros(28'000);  // 45 kB that hold 7 MB
  for (const auto& [chunk, before] :
       {std::pair<std::string_view, std::string_view>{"zTXt", std::string_view("a\0\0", 3)},
        {"iTXt", std::string_view("a\0\1\0\0\0", 6)},
        {"iCCP", std::string_view("a\0\0", 3)}}) {
    const std::string type(chunk);
    CAPTURE(type);
    Bytes png = png_start(4, 4, 8, kRgb);
    for (int i = 0; i < 155; ++i) put_chunk(png, type, text_chunk(before, bomb));
    Bytes pixels{0x78, 0x01, 0x01, 52, 0, static_cast<std::uint8_t>(~52), 255};  // one block, not compressed
    pixels.insert(pixels.end(), 52, 0);
    put32(pixels, 52u << 16 | 1);
    put_chunk(png, "IDAT", pixels), put_chunk(png, "IEND", {});
    REQUIRE(png.size() > 7'000'000);
    const Outcome outcome = decode_apart(png);
    CHECK(outcome.message == "");
    CHECK(outcome.kilobytes < kLittle);
    CHECK(outcome.seconds < kSoon);
  }
}

TEST_CASE("a small JPEG of a large size is refused before memory is asked for") {
  for (const std::string name : {"baseline.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg"}) {
    CAPTURE(name);
    check_refused(resized_jpeg(name, 13378, 13377), "the image is 13378x13377, expected at least 1x1");
    check_refused(resized_jpeg(name, 65500, 65500), "the image is 65500x65500, expected at least 1x1");
    const Bytes jpeg = resized_jpeg(name, 8000, 8000);
    check_refused(jpeg, str_cat("damaged JPEG: ", jpeg.size(), " bytes do not hold 8000x8000 pixels"));
  }
}

TEST_CASE("a JPEG of thousands of scans is refused") {
  // Repeated is a scan that refines the lowest frequency: one bit for each block, valid as often as it comes.
  const Bytes jpeg = fixture::read(fixture::path("data_decode/progressive.jpg"));
  std::size_t begin = 0, end = 0;
  for (std::size_t i = 0; i + 8 < jpeg.size(); ++i) {
    if (jpeg[i] != 0xFF || jpeg[i + 1] == 0) continue;
    if (begin > 0 && end == 0) end = i;
    const std::size_t components = jpeg[i + 4], first = i + 5 + 2 * components;
    if (jpeg[i + 1] == 0xDA && first + 2 < jpeg.size() && jpeg[first] == 0 && jpeg[first + 2] >> 4 != 0)
      begin = i;
  }
  REQUIRE(begin > 0);
  REQUIRE(end > begin);
  const auto at = [&](std::size_t i) { return jpeg.begin() + static_cast<std::ptrdiff_t>(i); };
  const auto with_scans = [&](int more) {
    Bytes many(jpeg.begin(), at(end));
    for (int i = 0; i < more; ++i) many.insert(many.end(), at(begin), at(end));
    many.insert(many.end(), at(end), jpeg.end());
    return many;
  };
  CHECK(decode_image(with_scans(80), "the file").width == 23);
  for (const int scans : {100, 5000}) check_refused(with_scans(scans), "damaged JPEG: more than 100 scans");
}

TEST_CASE("a JPEG that is not progressive has each component in one scan") {
  const Bytes jpeg = fixture::read(fixture::path("data_decode/baseline.jpg"));
  std::size_t scan = 0;
  for (std::size_t i = 0; i + 1 < jpeg.size() && scan == 0; ++i)
    if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xDA) scan = i;
  REQUIRE(scan > 0);
  Bytes twice(jpeg.begin(), jpeg.end() - 2);  // without the end marker
  twice.insert(twice.end(), jpeg.begin() + static_cast<std::ptrdiff_t>(scan), jpeg.end());
  check_refused(twice, "damaged JPEG: a component in two scans");
}

TEST_CASE("the larger a JPEG, the fewer scans it may have") {
  CHECK(image::detail::most_jpeg_scans(23 * 17) == 100);
  CHECK(image::detail::most_jpeg_scans(1'000'000) == 100);
  CHECK(image::detail::most_jpeg_scans(2'000'000) == 50);
  CHECK(image::detail::most_jpeg_scans(4'200'000) == 24);
  CHECK(image::detail::most_jpeg_scans(kDefaultMaxPixels) == 24);
}

TEST_CASE("memory is a small multiple of the pixels") {
  // One million pixels of 16 bits and four channels, interlaced: what costs most.
  Bytes png = png_start(1000, 1000, 16, kRgba, 1);
  put_chunk(png, "IDAT", compressed_zeros(31'100)), put_chunk(png, "IEND", {});
  const Outcome outcome = decode_apart(png);
  CHECK(outcome.kilobytes < 40'000);
  CHECK(outcome.seconds < 2);
}

TEST_CASE("a small BMP of a large size is refused before memory is asked for") {
  for (const std::string name : {"bits24.bmp", "bits1.bmp", "palette.bmp"})
    for (const auto& size : {std::array{64'000'000u, 1u}, {1u, 64'000'000u}, {8000u, 8000u}}) {
      Bytes bmp = fixture::read(fixture::path("data_decode/" + name));
      for (std::size_t i = 0; i < 4; ++i) {
        bmp[18 + i] = static_cast<std::uint8_t>(size[0] >> (8 * i));
        bmp[22 + i] = static_cast<std::uint8_t>(size[1] >> (8 * i));
      }
      check_refused(bmp, str_cat("bytes do not hold ", size[0], "x", size[1], " pixels"));
    }
}
