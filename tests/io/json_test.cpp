// JSON: what is read, what is refused and with which words, what is written.
#include "minivit/io/json.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstring>

#include "minivit/core/utf8.hpp"

using namespace minivit;
using namespace minivit::io;
using namespace std::string_view_literals;

namespace {

Json parse(std::string_view text) { return parse_json(text, "test.json"); }

/// The message of the FileError that reading `text` gives; "" if it is accepted.
std::string refusal(std::string_view text) {
  try {
    parse(text);
  } catch (const FileError& error) { return error.what(); }
  return "";
}

}  // namespace

TEST_CASE("json: values of every kind are read") {
  CHECK(parse("null").is_null());
  CHECK(parse(" true\n") == true);
  CHECK(parse("false") == false);
  CHECK(parse("-12") == -12);
  CHECK(parse("0") == 0);
  CHECK(json_as<std::int64_t>(parse("9223372036854775807")) == INT64_MAX);
  CHECK(json_as<std::int64_t>(parse("-9223372036854775808")) == INT64_MIN);
  CHECK(json_as<std::uint64_t>(parse("18446744073709551615")) == UINT64_MAX);
  CHECK(json_as<double>(parse("1.0")) == 1.0);
  CHECK_FALSE(json_as<int>(parse("1.0")));
  CHECK(json_as<double>(parse("-1.25e-2")) == -0.0125);
  CHECK(json_as<double>(parse("1E+2")) == 100);
  CHECK(json_as<double>(parse("5e-324")) == 5e-324);
  CHECK(json_as<double>(parse("1e-999")) == 0);
  CHECK(json_as<double>(parse("1.7976931348623157e308")) == std::numeric_limits<double>::max());
  CHECK(json_as<double>(parse("2.2250738585072011e-308")) == 2.2250738585072011e-308);
  CHECK(json_as<double>(parse("9007199254740993.0")) == 9007199254740992.0);
  CHECK(json_as<double>(parse("9007199254740993.00000000000000000000000000001")) == 9007199254740994.0);
  CHECK(parse("\"\"") == "");
  CHECK(parse("[]") == Json::array());
  CHECK(parse("{}") == Json::object());
  CHECK(parse("\xEF\xBB\xBF{}") == Json::object());  // a byte order mark
  CHECK(parse("\t[1 , [ ] ,\r\n{\"a\":null}]") ==
        Json::array({1, Json::array(), Json::object({{"a", Json()}})}));
  const Json object = parse(R"({"b": 1, "a": [2]})");
  CHECK(object.begin().key() == "b");  // the order of the text
  CHECK(object.at("a") == Json::array({2}));
  CHECK_FALSE(object.contains("c"));
}

TEST_CASE("json: strings are decoded") {
  CHECK(parse(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(parse(R"("\u0041\u00e9\u20AC\ud83d\uDE00")") == "A\u00e9\u20ac\U0001F600");
  CHECK(parse("\"\u00e9\u20ac\U0001F600\x7f\"") == "\u00e9\u20ac\U0001F600\x7f");
  CHECK(parse(R"("a\u0000b")") == std::string("a\0b", 3));
  CHECK(parse(R"("\ud7ff\ue000\udbff\udfff")") == "\ud7ff\ue000\U0010FFFF");
}

TEST_CASE("json: what is no JSON is refused, with file, place and reason") {
  struct Case {
    std::string_view text, reason;
  };
  static constexpr Case kCases[] = {
      {"", "unexpected end of input; expected '[', '{', or a literal"},
      {"  ", "unexpected end of input; expected '[', '{', or a literal"},
      {"\0"sv, "byte 0 is a NUL character, expected JSON"},
      {"x", "invalid literal"},
      {"nul", "invalid literal"},
      {"True", "invalid literal"},
      {"NaN", "invalid literal"},
      {"Infinity", "invalid literal"},
      {"-Infinity", "invalid number; expected digit after '-'"},
      {"[-NaN]", "invalid number; expected digit after '-'"},
      {"'a'", "invalid literal"},
      {"1 2",
       "line 1, column 3: syntax error while parsing value - unexpected number literal; expected end of "
       "input"},
      {"nullnull", "unexpected null literal; expected end of input"},
      {"{}]", "unexpected ']'; expected end of input"},
      {"1\0"sv, "byte 1 is a NUL character, expected JSON"},
      {"[1] \0 2"sv, "byte 4 is a NUL character, expected JSON"},
      {"[1,\0 2]"sv, "byte 3 is a NUL character, expected JSON"},
      {"01", "unexpected number literal; expected end of input"},
      {"-01",
       "line 1, column 3: syntax error while parsing value - unexpected number literal; expected end of "
       "input"},
      {"+1", "invalid literal"},
      {"-", "invalid number; expected digit after '-'"},
      {".5", "invalid literal"},
      {"1.", "invalid number; expected digit after '.'"},
      {"1.e3", "invalid number; expected digit after '.'"},
      {"1e", "invalid number; expected '+', '-', or digit after exponent"},
      {"1e+", "invalid number; expected digit after exponent sign"},
      {"0x10", "invalid literal"},
      {"-9223372036854775809", "number is out of the range of 64-bit integers"},
      {"18446744073709551616", "number is out of the range of 64-bit integers"},
      {"1e309", "number is out of the range of double precision"},
      {"-1e999999999999", "number is out of the range of double precision"},
      {"10e308", "number is out of the range of double precision"},
      {"[", "unexpected end of input; expected '[', '{', or a literal"},
      {"[1", "unexpected end of input; expected ']'"},
      {"[1,]", "unexpected ']'; expected '[', '{', or a literal"},
      {"[,1]", "unexpected ','; expected '[', '{', or a literal"},
      {"[1 2]", "unexpected number literal; expected ']'"},
      {"[1}", "unexpected '}'; expected ']'"},
      {"{", "unexpected end of input; expected string literal"},
      {"{a:1}", "invalid literal"},
      {"{1:1}", "unexpected number literal; expected string literal"},
      {"{\"a\"}",
       R"(line 1, column 5, in "a": syntax error while parsing object separator - unexpected '}'; expected ':')"},
      {"{\"a\" 1}",
       R"(line 1, column 6, in "a": syntax error while parsing object separator - unexpected number literal; expected ':')"},
      {"{\"a\":}",
       R"(line 1, column 6, in "a": syntax error while parsing value - unexpected '}'; expected '[', '{', or a literal)"},
      {"{\"a\":1,}", "unexpected '}'; expected string literal"},
      {"{\"a\":1 \"b\":2}", "unexpected string literal; expected '}'"},
      {"{\"a\":{\"b\":[tru]}}",
       R"(line 1, column 15, in "a" > "b": syntax error while parsing value - invalid literal)"},
      {"[{\"a\":[1,{\"\":[]}, x]}]",
       R"(line 1, column 19, in "a": syntax error while parsing value - invalid literal)"},
      {"{\"a\":[{\"\":x}]}",
       R"(line 1, column 11, in "a" > "": syntax error while parsing value - invalid literal)"},
      {"// c\n1", "invalid literal"},
      {"1 /* c */", "invalid literal"},
      {"\"a", "invalid string: missing closing quote"},
      {"\"a\nb\"", "invalid string: control character U+000A"},
      {"\"a\0\""sv, "byte 2 is a NUL character, expected JSON"},
      {"\"\\x\"", "invalid string: forbidden character after backslash"},
      {"\"\\", "invalid string: forbidden character after backslash"},
      {"\"\\u12g4\"", R"(invalid string: '\u' must be followed by 4 hex digits)"},
      {"\"\\u12", R"(invalid string: '\u' must be followed by 4 hex digits)"},
      {"\"\\ud800\"", "invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"},
      {"\"\\ud800\\u0041\"", "invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"},
      {"\"\\ud800\\ud800\"", "invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"},
      {"\"\\ud800x\\udc00\"", "invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"},
      {"\"\\ud800\\", "invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"},
      {"\"\\udc00\"", "invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF"},
      {"{\"\\udfff\":1}", "invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF"},
      {"\"\x80\"", "invalid string: ill-formed UTF-8 byte"},
      {"\"\xC3\"", "invalid string: ill-formed UTF-8 byte"},
      {"\"\xC3\\u00a9\"", "invalid string: ill-formed UTF-8 byte"},
      {"\"\xC0\x80\"", "invalid string: ill-formed UTF-8 byte"},          // overlong NUL
      {"\"\xE0\x80\x80\"", "invalid string: ill-formed UTF-8 byte"},      // overlong
      {"\"\xED\xA0\x80\"", "invalid string: ill-formed UTF-8 byte"},      // surrogate
      {"\"\xF0\x80\x80\x80\"", "invalid string: ill-formed UTF-8 byte"},  // overlong
      {"\"\xF4\x90\x80\x80\"", "invalid string: ill-formed UTF-8 byte"},  // over U+10FFFF
      {"\"\xF5\x80\x80\x80\"", "invalid string: ill-formed UTF-8 byte"},
      {"\"\xE2\x82", "invalid string: ill-formed UTF-8 byte"},
      {"{\"a\":1,\"b\":2,\"a\":3}", R"(key "a" appears twice)"},
      {"{\"x\":{\"a\":1,\"\\u0061\":1}}", "in \"x\": key \"a\" appears twice"},
      {"{\"\":1,\"\":2}", "key \"\" appears twice"},
  };
  for (const Case& item : kCases) {
    const std::string message = refusal(item.text);
    INFO(item.text, " -> ", message);
    const bool as_expected =
        message.starts_with("test.json: ") && message.find(item.reason) != std::string::npos;
    CHECK(as_expected);
  }
}

TEST_CASE("json: numbers of many digits") {
  const std::string zeros(100000, '0'), nines(100000, '9');
  CHECK(json_as<double>(parse("0." + zeros + "1e100001")) == 1);
  CHECK(json_as<double>(parse("1.5" + zeros + "e0")) == 1.5);
  CHECK(json_as<double>(parse("0.1" + zeros)) == 0.1);
  CHECK(json_as<double>(parse("-0." + nines)) == -1);
  CHECK(refusal(nines).find("number is out of the range of double precision") != std::string::npos);
}

TEST_CASE("json: each UTF-8 sequence of up to three bytes is judged as the formula of Unicode says") {
  // Decodes without judging: the code point that one, two or three bytes stand for.
  const auto code_point = [](const unsigned char* s, int size) {
    if (size == 1) return s[0] + 0;
    if (size == 2) return (s[0] - 0xC0) * 64 + s[1] - 0x80;
    return ((s[0] - 0xE0) * 64 + s[1] - 0x80) * 64 + s[2] - 0x80;
  };
  int wrong = 0;
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b)
      for (int c = 0; c < 256; c += a >= 0xE0 && a < 0xF0 ? 1 : 255) {
        const unsigned char bytes[] = {static_cast<unsigned char>(a), static_cast<unsigned char>(b),
                                       static_cast<unsigned char>(c)};
        const bool tail_b = b >= 0x80 && b < 0xC0, tail_c = c >= 0x80 && c < 0xC0;
        const int three = code_point(bytes, 3);
        const bool valid[] = {a < 0x80, a >= 0xC0 && a < 0xE0 && tail_b && code_point(bytes, 2) >= 0x80,
                              a >= 0xE0 && a < 0xF0 && tail_b && tail_c && three >= 0x800 &&
                                  !(three >= 0xD800 && three < 0xE000)};
        for (std::size_t size = 1; size <= 3; ++size) {
          const bool is_one_sequence = size == 1 || (size == 2 ? a >= 0x80 : a >= 0xE0);
          if (is_one_sequence)
            wrong +=
                minivit::detail::is_utf8({reinterpret_cast<const char*>(bytes), size}) != valid[size - 1];
        }
      }
  CHECK(wrong == 0);
}

TEST_CASE("json: errors say the line and the column, however much white space is before them") {
  constexpr std::size_t kLong = 1'300'000;
  const std::string spaces(kLong, ' '), lines(kLong, '\n');
  const std::pair<std::string, std::string_view> cases[] = {
      {"x", "line 1, column 1"},
      {"\n\n  x", "line 3, column 3"},
      {"[1,  \t x", "line 1, column 8"},
      {"[1  \n  x", "line 2, column 3"},
      {"[1 \r\n\r\n\t2]", "line 3, column 2"},
      {"[1x", "line 1, column 3"},
      {"{\"a\" 12\n", "line 1, column 7"},
      {"{\"a\"\n\n 12,", "line 3, column 3"},
      {"[\n  ", "line 2, column 3"},
      {"", "line 1, column 1"},
      {"[\"\n", "line 2, column 0"},
      {spaces + "x", "line 1, column 1300001"},
      {lines + " x", "line 1300001, column 2"},
      {"[1," + lines + spaces + "x", "line 1300001, column 1300001"},
  };
  for (const auto& one : cases) {  // no binding: clang 14 cannot capture one
    const std::string message = refusal(one.first);
    INFO(one.first.substr(0, 40), " -> ", message);
    CHECK(message.starts_with(str_cat("test.json: ", one.second)));
  }
  CHECK(refusal("[1" + lines + spaces + "]" + spaces).empty());
}

TEST_CASE("json: limits hold") {
  const auto nested = [](int depth) { return std::string(static_cast<std::size_t>(depth), '['); };
  CHECK(refusal(nested(64) + std::string(64, ']')).empty());
  CHECK(refusal(nested(65) + std::string(65, ']')) == "test.json: nested deeper than 64 levels");
  JsonLimits limits;
  limits.max_bytes = 3;
  CHECK_NOTHROW(parse_json("[1]", "x", limits));
  CHECK_THROWS_WITH_AS(parse_json("[12]", "x", limits), "x: it has 4 bytes, at most 3 are accepted",
                       FileError);
  const auto text = [](std::size_t bytes) { return "\"" + std::string(bytes, 'x') + "\""; };
  CHECK(refusal(text(1 << 20)).empty());
  CHECK(refusal(text((1 << 20) + 1)).find("begins a string or number of more than 1048576 bytes") !=
        std::string::npos);
  limits = {};
  limits.max_values = 3;
  CHECK_NOTHROW(parse_json("[1,2]", "x", limits));
  CHECK_THROWS_WITH_AS(parse_json("[1,2,3]", "x", limits), "x: more than 3 values", FileError);
}

TEST_CASE("json: a large object is read, and duplicates found, in less than quadratic time") {
  std::string text = "{";
  for (int i = 0; i < 100000; ++i) text += str_cat("\"", i, "\":0,");
  CHECK(parse(text + "\"x\":0}").size() == 100001);
  CHECK(refusal(text + "\"77\":0}").find("key \"77\" appears twice") != std::string::npos);
}

// Sanitizers need address space of their own, which this test forbids.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if !defined(__has_feature)
#define MINIVIT_TEST_MEMORY 1
#elif !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define MINIVIT_TEST_MEMORY 1
#endif
#endif
#if defined(MINIVIT_TEST_MEMORY)

TEST_CASE("json: 4 MiB of hostile text takes little memory") {
  const auto repeated = [](std::string_view unit) {
    std::string text;
    while (text.size() + unit.size() <= (std::size_t{4} << 20)) text += unit;
    return text;
  };
  const std::string texts[] = {repeated("["),         "[" + repeated("0,"), "[" + repeated("[],"),
                               "[" + repeated("{},"), repeated("{\"\":"),   "{" + repeated("\"\":0,")};
  for (const std::string& text : texts) {
    // The child gets by with 48 MiB of address space more than it has, or is told so by bad_alloc.
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const std::string statm = [] {
        std::string s(256, '\0');
        const int fd = ::open("/proc/self/statm", O_RDONLY);
        s.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(fd, s.data(), s.size()))));
        return s;
      }();
      const rlim_t now =
          std::strtoull(statm.c_str(), nullptr, 10) * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
      const rlim_t allowed = now + (rlim_t{48} << 20);
      const rlimit limit{allowed, allowed};
      ::setrlimit(RLIMIT_AS, &limit);
      try {
        static_cast<void>(parse_json(text, "hostile", {.max_bytes = std::size_t{5} << 20}));
        ::_exit(2);
      } catch (const FileError&) { ::_exit(0); } catch (...) {
        ::_exit(3);
      }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    INFO(text.substr(0, 8));
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}

#endif

TEST_CASE("json: any prefix and any changed byte of a text is read or refused, never worse") {
  const std::string text =
      R"({"a": [1, -2.5e3, "x\u00e9\ud83d\ude00\n"], "b": {"c": null, "d": [true, false, {}]}})";
  int accepted = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    accepted += refusal(text.substr(0, i)).empty();
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[i] = static_cast<char>(byte);
      if (!refusal(changed).empty()) continue;
      const Json value = parse(changed);
      CHECK(parse(json_text(value)) == value);
    }
  }
  CHECK(accepted == 0);
  CHECK(refusal(text).empty());
}

TEST_CASE("json: what is written is read back equal") {
  Json value = Json::object({{"name", "a \"quoted\" \\ text\n\t\x01\x7f \u00e9\U0001F600"},
                             {"empty", Json::array()},
                             {"none", Json()},
                             {"yes", true},
                             {"mean", std::vector<float>{0.485f, 0.1f, 1e-12f, 16777216.f}},
                             {"whole", 1.0},
                             {"small", 5e-324},
                             {"huge", -1.7976931348623157e308},
                             {"labels", std::vector<std::string>{"x", "y"}}});
  value["id2label"] = Json::object({{"0", "cat"}});
  value["yes"] = false;
  value["list"] = Json::array({1, INT64_MIN, UINT64_MAX});
  for (const int indent : {0, 1, 2}) CHECK(parse(json_text(value, indent)) == value);
  CHECK(json_text(Json::object({{"a", 1}, {"b", Json::array({1, "x"})}})) == R"({"a":1,"b":[1,"x"]})");
  CHECK(json_text(Json::object({{"a", 1}, {"b", Json::array({1.0, 0.485f})}, {"c", Json::object()}}), 2) ==
        "{\n  \"a\": 1,\n  \"b\": [\n    1.0,\n    0.485\n  ],\n  \"c\": {}\n}");
  CHECK(json_text("\x1f\x7f") == R"("\u001f\u007f")");
  CHECK(json_text("\u009b \u202e \u2066 \u00e9") == "\"\\u009b \\u202e \\u2066 \u00e9\"");
  CHECK(parse(json_text("\u009b\u061c\u200e\u2029\n")) == "\u009b\u061c\u200e\u2029\n");
  CHECK(json_text("\"\\/\b\f\n\r\t") == R"("\"\\/\b\f\n\r\t")");
  CHECK(json_text(std::string("\0\x01\xC3\xA9", 4)) == "\"\\u0000\\u0001\xC3\xA9\"");
  for (int code = 0; code < 128; ++code) {
    const std::string text(1, static_cast<char>(code));
    CAPTURE(code);
    CHECK(parse(json_text(text)) == text);
  }
  // Numbers as Python writes them.
  CHECK(json_text(Json::array({-3.0, 0.5, 1e-6, 1e30, 1e14, -0.0, 7})) ==
        "[-3.0,0.5,1e-06,1e+30,100000000000000.0,-0.0,7]");
}

TEST_CASE("json: what JSON cannot say is not written") {
  CHECK_THROWS_AS(Json(std::numeric_limits<double>::infinity()), Error);
  CHECK_THROWS_AS(Json(std::nanf("")), Error);
  CHECK_THROWS_AS(Json(std::vector<float>{1.0f, std::nanf("")}), Error);
  CHECK_THROWS_AS(json_text("\xFF"), Error);
  CHECK_THROWS_AS(json_text(Json::object({{"\xC3", 1}})), Error);
}

TEST_CASE("json: a float is written shortly and narrows back to itself") {
  CHECK(json_text(0.1f) == "0.1");
  CHECK(json_text(std::vector<float>{0.1f, 1e-6f, 1.0f}) == "[0.1,1e-06,1.0]");
  int wrong = 0;
  std::uint32_t bits = 1;
  for (int i = 0; i < 100000; ++i) {
    bits = bits * 1664525u + 1013904223u;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value)) wrong += json_as<float>(parse(json_text(value))) != value;
  }
  CHECK(wrong == 0);
}

TEST_CASE("json: fields are converted, or named in the error") {
  const Json config =
      parse(R"({"width": 48, "eps": 1e-6, "crop": 1, "name": "vit", "flag": true, "none": null,
                                "mean": [0.5, 1], "big": 3000000000, "huge": 1e300, "args": {"depth": "three"}})");
  const JsonFields fields(config, "config.json");
  CHECK(fields.get<int>("width") == 48);
  CHECK(fields.get<double>("eps") == 1e-6);
  CHECK(fields.get<float>("crop") == 1.0f);
  CHECK(fields.get<std::string>("name") == "vit");
  CHECK(fields.get<bool>("flag"));
  CHECK(fields.get<std::vector<float>>("mean") == std::vector<float>{0.5f, 1.0f});
  CHECK(fields.get("none", 7) == 7);
  CHECK(fields.get("missing", std::string("x")) == "x");
  CHECK(fields.get("width", 7) == 48);
  CHECK_THROWS_WITH_AS(fields.get<int>("missing"), "config.json: missing is missing", FileError);
  CHECK_THROWS_WITH_AS(fields.get("name", 1.0), "config.json: name is \"vit\", expected a number", FileError);
  CHECK_THROWS_WITH_AS(fields.get<int>("big"),
                       "config.json: big is 3000000000, expected an integer from -2147483648 to 2147483647",
                       FileError);
  CHECK_THROWS_AS(fields.get<int>("eps"), FileError);
  CHECK_THROWS_AS(fields.get<float>("huge"), FileError);
  CHECK_THROWS_AS(fields.get<bool>("crop"), FileError);
  CHECK_THROWS_WITH_AS(
      fields.get<std::vector<int>>("mean"),
      "config.json: mean is an array, expected an array, each an integer from -2147483648 to 2147483647",
      FileError);
  CHECK_THROWS_WITH_AS(
      fields.object("args").get<int>("depth"),
      "config.json: args.depth is \"three\", expected an integer from -2147483648 to 2147483647", FileError);
  CHECK_THROWS_WITH_AS(fields.object("name"), "config.json: name is \"vit\", expected an object", FileError);
  CHECK_THROWS_WITH_AS(fields.get<int>("flag"),
                       "config.json: flag is true, expected an integer from -2147483648 to 2147483647",
                       FileError);
  CHECK_THROWS_WITH_AS(fields.get<std::string>("eps"), "config.json: eps is 1e-06, expected a string",
                       FileError);
  CHECK_THROWS_WITH_AS(fields.get<bool>("none"), "config.json: none is null, expected true or false",
                       FileError);
  CHECK_THROWS_WITH_AS(JsonFields(Json(1), "x"), "x: is 1, expected an object", FileError);
}

TEST_CASE("json: one of several names, or all of them in the error") {
  const Json config = parse(R"({"pool": "avg", "none": null, "wrong": "max", "number": 1.0})");
  const JsonFields fields(config, "config.json");
  CHECK(fields.choice("pool", {"token", "avg"}, 0) == 1);
  CHECK(fields.choice("none", {"token", "avg"}, 1) == 1);
  CHECK(fields.choice("missing", {"token", "avg"}, 0) == 0);
  CHECK_THROWS_WITH_AS(fields.choice("wrong", {"token", "avg"}, 0),
                       "config.json: wrong is \"max\", expected \"token\" or \"avg\"", FileError);
  CHECK_THROWS_WITH_AS(fields.choice("number", {"a", "b", "c"}, 0),
                       "config.json: number is 1.0, expected \"a\", \"b\" or \"c\"", FileError);
}

TEST_CASE("json: long and strange keys do not flood or break error messages") {
  const std::string message = refusal("{\"" + std::string(100000, 'k') + "\\u001b[31m\\n\": x}");
  CHECK(message.size() < 300);
  CHECK(refusal("{\"\\u001b[31m\\n\": x}").find("\"\\u001b[31m\\n\"") != std::string::npos);
  CHECK(refusal(std::string(100000, 'x')).size() < 300);
  CHECK(refusal("{\"\x1b[31m\":1}").find('\x1b') == std::string::npos);
}

TEST_CASE("json: files") {
  const auto path = std::filesystem::temp_directory_path() / str_cat("minivit-json-", ::getpid(), ".json");
  const Json value = Json::object({{"a", 1}});
  write_json_file(path, value);
  CHECK(read_json_file(path) == value);
  CHECK(read_file(path, 100) == "{\n  \"a\": 1\n}\n");
  std::filesystem::remove(path);
  CHECK_THROWS_AS(read_json_file(path), FileError);
  const std::filesystem::path fixtures = MINIVIT_TEST_DATA;
  const Json config = read_json_file(fixtures / "vit_timm" / "config.json");
  CHECK(JsonFields(config, "config.json").object("model_args").get<int>("embed_dim") == 48);
}
