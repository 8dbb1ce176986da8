// Image files that ask for more memory or time than they are worth.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/core/check.hpp"
#include "minivit/data/image.hpp"

using namespace minivit;
using namespace minivit::image;

namespace {

using Bytes = std::vector<std::uint8_t>;

void put32(Bytes& bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

// Appends a chunk of a PNG, with its checksum (CRC-32 of ISO 3309).
void put_chunk(Bytes& png, std::string_view type, const Bytes& data) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] & 1 ? t[i] >> 1 ^ 0xEDB88320u : t[i] >> 1;
    }
    return t;
  }();
  put32(png, static_cast<std::uint32_t>(data.size()));
  const std::size_t start = png.size();
  png.insert(png.end(), type.begin(), type.end());
  png.insert(png.end(), data.begin(), data.end());
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::size_t i = start; i < png.size(); ++i) crc = table[(crc ^ png[i]) & 255] ^ crc >> 8;
  put32(png, ~crc);
}

constexpr std::uint8_t kGray = 0, kRgb = 2, kRgba = 6;  // color types

// The start of a PNG: signature and header.
Bytes png_start(std::uint32_t width, std::uint32_t height, std::uint8_t depth, std::uint8_t color,
                std::uint8_t interlace = 0) {
  Bytes png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}, header;
  put32(header, width), put32(header, height);
  for (const std::uint8_t value : {depth, color, std::uint8_t{0}, std::uint8_t{0}, interlace})
    header.push_back(value);
  put_chunk(png, "IHDR", header);
  return png;
}

// A zlib stream of 1 + 258 · copies zeros, 159 of them in a byte: RFC 1950 and 1951, one block of fixed
// codes.
Bytes compressed_zeros(std::size_t copies) {
  Bytes out{0x78, 0x01};
  std::uint32_t bits = 0;
  int count = 0;
  const auto put = [&](std::uint32_t value, int n) {  // the lowest bit first
    bits |= value << count;
    for (count += n; count >= 8; count -= 8, bits >>= 8) out.push_back(static_cast<std::uint8_t>(bits));
  };
  const auto put_code = [&](std::uint32_t code, int n) {  // the highest bit first
    for (int i = n - 1; i >= 0; --i) put(code >> i & 1, 1);
  };
  put(1, 1), put(1, 2);                                                        // the last block, fixed codes
  put_code(0x30, 8);                                                           // the literal 0
  for (std::size_t i = 0; i < copies; ++i) put_code(0xC5, 8), put_code(0, 5);  // 258 bytes from 1 back
  put_code(0, 7), put(0, 7);   // end of block, up to a whole byte
  std::uint32_t a = 1, b = 0;  // Adler-32 of zeros
  b = static_cast<std::uint32_t>((1 + 258 * copies) % 65521);
  put32(out, b << 16 | a);
  return out;
}

Bytes text_chunk(std::string_view before, const Bytes& data) {
  Bytes out(before.begin(), before.end());
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

struct Outcome {
  std::string message;  // of the FileError; empty if the file was decoded
  long kilobytes = 0;   // by which memory grew
  double seconds = 0;   // of the processor
};

// Decodes in a process of its own, whose peak of memory is that of this file alone.
Outcome decode_apart(const Bytes& bytes) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto peak = [] {
      rusage usage{};
      ::getrusage(RUSAGE_SELF, &usage);
      return usage.ru_maxrss;
    };
    const long before = peak();
    const std::clock_t start = std::clock();
    std::string message;
    try {
      static_cast<void>(decode_image(bytes, "the file"));
    } catch (const FileError& error) { message = error.what(); } catch (...) {
      message = "another exception";
    }
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    const std::string report =
        std::to_string(peak() - before) + " " + std::to_string(seconds) + " " + message;
    _exit(::write(ends[1], report.data(), report.size()) == static_cast<ssize_t>(report.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string report(4096, '\0');
  const ssize_t size = ::read(ends[0], report.data(), report.size());
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  report.resize(static_cast<std::size_t>(size));
  const std::size_t first = report.find(' '), second = report.find(' ', first + 1);
  return {report.substr(second + 1), std::stol(report), std::stod(report.substr(first + 1))};
}

constexpr long kLittle = 24 << 10;  // kilobytes
constexpr double kSoon = 0.5;       // seconds; what is decompressed in vain takes several

void check_refused(const Bytes& bytes, std::string_view reason) {
  const Outcome outcome = decode_apart(bytes);
  CAPTURE(outcome.message);
  CHECK(outcome.message.starts_with("the file: "));
  CHECK(outcome.message.find(reason) != std::string::npos);
  CHECK(outcome.kilobytes < kLittle);
  CHECK(outcome.seconds < kSoon);
}

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
