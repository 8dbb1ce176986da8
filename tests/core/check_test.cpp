#include "minivit/core/check.hpp"

#include <doctest/doctest.h>

#include <clocale>
#include <limits>

#include "minivit/core/config.hpp"
#include "minivit/tensor/shape.hpp"
#include "support/message_of.hpp"

using namespace minivit;

TEST_CASE("concat writes text, numbers and what has a str()") {
  CHECK(str_cat() == "");
  CHECK(str_cat("a", 'b', std::string("c"), std::string_view("d")) == "abcd");
  CHECK(str_cat(true, " ", false) == "true false");
  CHECK(str_cat(-3, " ", 7u, " ", std::size_t{18446744073709551615u}) == "-3 7 18446744073709551615");
  CHECK(str_cat(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(str_cat(std::int8_t{-5}, " ", std::uint8_t{200}) == "-5 200");
  CHECK(str_cat(0.1f, " ", 0.1, " ", 1e300, " ", 1.0) == "0.1 0.1 1e+300 1");
  CHECK(str_cat(std::numeric_limits<double>::lowest()) == "-1.7976931348623157e+308");
  CHECK(str_cat(std::numeric_limits<float>::infinity(), " ", -std::numeric_limits<float>::infinity()) ==
        "inf -inf");
  CHECK(str_cat(Shape{2, 3}, Shape{}) == "(2, 3)()");
}

TEST_CASE("check throws what it is told to, with the parts as message") {
  CHECK_NOTHROW(check(true, "fine"));
  CHECK(message_of<Error>([] { check(false, "n is ", 3); }) == "n is 3");
  CHECK(message_of<ShapeError>([] { check<ShapeError>(false, Shape{4}, " is wrong"); }) == "(4) is wrong");
  CHECK_THROWS_AS(check<ConfigError>(false), ConfigError);
  CHECK_THROWS_AS(check<FileError>(false), Error);
  CHECK_THROWS_AS(check<FileError>(false), std::runtime_error);
}

TEST_CASE("version and instruction set") {
  CHECK(std::string(kVersion) == MINIVIT_VERSION);
  const std::string isa = kInstructionSet;
  CHECK((isa == "avx512" || isa == "avx2" || isa == "neon" || isa == "baseline"));
}
