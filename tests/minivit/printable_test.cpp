// Names that would steer a terminal.
#include "printable.hpp"

#include <doctest/doctest.h>

using namespace minivit::cli;

TEST_CASE("what steers a terminal becomes question marks, all else stays") {
  CHECK(printable("") == "");
  CHECK(printable("größe 猫 🐈 a\xC2\xA0z") == "größe 猫 🐈 a\xC2\xA0z");
  CHECK(printable("a\x1b]0;title\x07z\r\n\t\x7f") == "a?]0;title?z????");
  CHECK(printable(std::string("\0\x1f ", 3)) == "?? ");
  CHECK(printable("\u0080\u009b31m\u009f\u00a0") == "??31m?\u00a0");  // C1: one character begins a sequence
  CHECK(printable("a\u202egpj.exe \u2066\u2069\u200e\u200f\u061c\u2028\u2029") == "a?gpj.exe ???????");
  CHECK(printable("\u200d\u202f\u2065\u206a") == "\u200d\u202f\u2065\u206a");  // their neighbors
}

TEST_CASE("bytes that are not UTF-8 become question marks, each for itself") {
  CHECK(printable("é\xffz\xc3") == "é?z?");
  CHECK(printable("\xe2\x82") == "??");
  CHECK(printable("\xc0\x80 \xed\xa0\x80 \xf5") == "?? ??? ?");
}

TEST_CASE("lines stay lines, and those after the first are indented") {
  CHECK(printable_lines("one\ntwo\n  three\n\nfour\n") == "one\n  two\n  three\n\n  four\n");
  CHECK(printable_lines("a\x1b[2J\nminivit: all is well") == "a?[2J\n  minivit: all is well");
  CHECK(printable_lines("") == "");
}
