// Image files of bytes, and what decoding one takes: for the tests of files that ask for too much.
#pragma once

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/data/image.hpp"

namespace hostile {

using Bytes = std::vector<std::uint8_t>;

inline void put32(Bytes& bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

// Appends a chunk of a PNG, with its checksum (CRC-32 of ISO 3309).
inline void put_chunk(Bytes& png, std::string_view type, const Bytes& data) {
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

inline constexpr std::uint8_t kGray = 0, kRgb = 2, kRgba = 6;  // color types

// The start of a PNG: signature and header.
inline Bytes png_start(std::uint32_t width, std::uint32_t height, std::uint8_t depth, std::uint8_t color,
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
inline Bytes compressed_zeros(std::size_t copies) {
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

inline Bytes text_chunk(std::string_view before, const Bytes& data) {
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
inline Outcome decode_apart(const Bytes& bytes) {
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
      static_cast<void>(minivit::decode_image(bytes, "the file"));
    } catch (const minivit::FileError& error) { message = error.what(); } catch (...) {
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

inline constexpr long kLittle = 24 << 10;  // kilobytes
inline constexpr double kSoon = 0.5;       // seconds; what is decompressed in vain takes several

inline void check_refused(const Bytes& bytes, std::string_view reason) {
  const Outcome outcome = decode_apart(bytes);
  CAPTURE(outcome.message);
  CHECK(outcome.message.starts_with("the file: "));
  CHECK(outcome.message.find(reason) != std::string::npos);
  CHECK(outcome.kilobytes < kLittle);
  CHECK(outcome.seconds < kSoon);
}

}  // namespace hostile
