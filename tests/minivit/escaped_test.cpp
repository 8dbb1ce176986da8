// Names of files as text and back.
#include <doctest/doctest.h>

#include <random>
#include <set>
#include <string>

#include "escaped.hpp"
#include "minivit/core/utf8.hpp"

using namespace minivit::cli;

TEST_CASE("a name that is UTF-8 stays what it is") {
  for (const char* name : {"", "a.png", "ä € 😀", "a\\b", "\\", "back\\\\slashes", "C:\\images\\1.png"}) {
    CAPTURE(name);
    CHECK(escaped(name) == name);
    CHECK(escaped_bytes(name) == name);
    CHECK(unescaped(name) == name);
  }
}

TEST_CASE("bytes that are not UTF-8 and characters that steer a terminal become escapes") {
  CHECK(escaped("\xe9\xff.png") == "\\xE9\\xFF.png");
  CHECK(escaped("ä\xe9\\") == "ä\\xE9\\\\");
  CHECK(escaped("a\nb\x1b[31m\x7f") == "a\\x0Ab\\x1B[31m\\x7F");
  CHECK(escaped("\xc2\x9b\xe2\x80\xae") == "\\xC2\\x9B\\xE2\\x80\\xAE");
  CHECK(escaped_bytes("a\nb\xff") == "a\nb\\xFF");
  CHECK(escaped_bytes("a\nb") == "a\nb");
  // What looks like an escape is escaped.
  CHECK(escaped("\\xE9.png") == "\\\\xE9.png");
  CHECK(escaped_bytes("\\xE9.png") == "\\\\xE9.png");
  // Nothing that was escaped.
  CHECK(unescaped("\\x\\xq\\x4") == "\\x\\xq\\x4");
}

TEST_CASE("no two names become one text, and each comes back") {
  const std::string alphabet("\\x\\\\xE9a\xe9\xff\n\xc3\xa4", 13);
  std::set<std::string> names, texts, bytes;
  std::mt19937_64 rng(7);
  for (int i = 0; i < 20000; ++i) {
    std::string name;
    for (std::uint64_t n = rng() % 8; n > 0; --n) name += alphabet[rng() % alphabet.size()];
    CHECK(unescaped(escaped(name)) == name);
    CHECK(unescaped(escaped_bytes(name)) == name);
    CHECK(minivit::detail::is_utf8(escaped(name)));
    CHECK(minivit::detail::is_utf8(escaped_bytes(name)));
    names.insert(name), texts.insert(escaped(name)), bytes.insert(escaped_bytes(name));
  }
  CHECK(texts.size() == names.size());
  CHECK(bytes.size() == names.size());
}

TEST_CASE("JSON that is shown says the same without steering") {
  CHECK(shown_json("{\"a\":\"\xc2\x9b\x7f\xe2\x80\xaeä\"}") == "{\"a\":\"\\u009b\\u007f\\u202eä\"}");
  CHECK(shown_json("{\n  \"a\": 1\n}") == "{\n  \"a\": 1\n}");
}
