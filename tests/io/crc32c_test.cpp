// The checksum of record files, against the vectors of RFC 3720.
#include "minivit/io/crc32c.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace minivit;
using namespace minivit::io;

TEST_CASE("crc32c has the values of RFC 3720, appendix B.4, and the usual check value") {
  std::string up, down;
  for (int i = 0; i < 32; ++i) up += static_cast<char>(i), down += static_cast<char>(31 - i);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43u);
  CHECK(crc32c(up) == 0x46DD794Eu);
  CHECK(crc32c(down) == 0x113FDB5Cu);
  CHECK(crc32c("123456789") == 0xE3069283u);
  CHECK(crc32c("") == 0u);
}

TEST_CASE("crc32c of pieces is that of the whole") {
  const std::string text = "the quick brown fox";
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    CHECK(crc32c(text.substr(cut), crc32c(text.substr(0, cut))) == crc32c(text));
}

TEST_CASE("masked_crc turns right by 15 bits and adds TensorFlow's constant") {
  CHECK(masked_crc(0) == 0xA282EAD8u);
  CHECK(masked_crc(0x8000u) == 0xA282EAD9u);  // bit 15 becomes bit 0
  CHECK(masked_crc(1) == 0xA284EAD8u);        // bit 0 becomes bit 17
}
