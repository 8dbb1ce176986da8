// The header of safetensors files: what is accepted, and a hundred ways to build a hostile one.
#include "minivit/io/safetensors_header.hpp"

#include <doctest/doctest.h>

#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::io;
using namespace std::string_view_literals;

namespace {

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}";
}

io::detail::SafetensorsHeader read(const std::string& header, std::size_t data_bytes) {
  return io::detail::SafetensorsHeader(header, data_bytes, "file", {});
}

/// The message of the FileError that reading a header gives; "" if it is accepted.
std::string refusal(const std::string& header, std::size_t data_bytes) {
  try {
    read(header, data_bytes);
  } catch (const FileError& error) { return error.what(); }
  return "";
}

/// Checks that a header is refused, naming the file, and for this reason.
void expect_refusal(const std::string& header, std::size_t data_bytes, std::string_view reason) {
  const std::string message = refusal(header, data_bytes);
  INFO(header.substr(0, 200), " -> ", message);
  const bool as_expected =
      message.starts_with("file: ") && message.find(reason) != std::string::npos && message.size() < 400;
  CHECK(as_expected);
}

}  // namespace

TEST_CASE("safetensors header: what it says") {
  const io::detail::SafetensorsHeader header =
      read(R"({"b":{"dtype":"I64","shape":[2,1],"data_offsets":[4,20]},"__metadata__":{"k":"v\n","a":""},)"
           R"("\u0061":{"data_offsets":[0,4],"shape":[],"dtype":"F32"}}  )",
           20);
  REQUIRE(header.tensors().size() == 2);
  const SafetensorsInfo &a = header.tensors()[0], &b = header.tensors()[1];
  CHECK(a.name == "a");
  CHECK(a.dtype() == "F32");
  CHECK(a.shape_text() == "()");
  CHECK(a.numel() == 1);
  CHECK(b.name == "b");
  CHECK(b.dtype() == "I64");
  CHECK(b.shape_text() == "(2, 1)");
  CHECK(b.offset == 4);
  CHECK(b.bytes == 16);
  CHECK(header.find("a") == &a);
  CHECK(header.find("b") == &b);
  CHECK(header.find("c") == nullptr);
  CHECK(header.find("__metadata__") == nullptr);
  REQUIRE(header.metadata().size() == 2);
  CHECK(header.metadata()[0].first == "a");
  CHECK(header.metadata()[1].second == "v\n");
}

TEST_CASE("safetensors header: hostile and broken ones are refused") {
  struct Case {
    std::string_view header;
    std::size_t data_bytes;
    std::string_view reason;
  };
  static constexpr Case kCases[] = {
      // no JSON object
      {"[]", 0, "does not begin with '{'"},
      {" {}", 0, "does not begin with '{'"},
      {"\"a\"", 0, "does not begin with '{'"},
      {"{}{}", 0, "unexpected '{'; expected end of input"},
      {"{}\0\0"sv, 0, "byte 2 is a NUL character, expected JSON"},
      {"{\"\xFF\":1}", 0, "invalid string: ill-formed UTF-8 byte"},
      {R"({"\udc00":1})", 0, "invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},})", 8,
       "unexpected '}'; expected string literal"},
      {R"({"w":{"dtype":"F32","shape":[2,],"data_offsets":[0,8]}})", 8,
       R"(line 1, column 32, in "w" > "shape": syntax error while parsing value - unexpected ']'; expected '[', '{', or a literal)"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 8,
       "unexpected end of input; expected '}'"},
      {"\xEF\xBB\xBF{}", 0, "does not begin with '{'"},
      {"{'w':1}", 0, "invalid literal"},
      {"{/**/}", 0, "invalid literal"},
      {"{\"w\" 1}", 0,
       R"(line 1, column 6, in "w": syntax error while parsing object separator - unexpected number literal; expected ':')"},
      {"{\"w\":nul}", 0, R"(line 1, column 9, in "w": syntax error while parsing value - invalid literal)"},
      {"{\"w\":NaN}", 0, R"(line 1, column 6, in "w": syntax error while parsing value - invalid literal)"},
      {"{\"w", 0, "invalid string: missing closing quote"},
      {"{\"w\n\":1}", 0, "invalid string: control character U+000A"},
      {R"({"\x77":1})", 0, "invalid string: forbidden character after backslash"},
      {R"({"\u00g7":1})", 0, R"(invalid string: '\u' must be followed by 4 hex digits)"},
      {R"({"\ud800w":1})", 0, "invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"},
      {"{\"\xC0\xAF\":1}", 0, "invalid string: ill-formed UTF-8 byte"},
      // names
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       8, R"(key "w" appears twice)"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\u0061":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
       16, R"(key "a" appears twice)"},
      {R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
       R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
       0, R"(key "a" appears twice)"},
      {R"({"__metadata__":{},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{}})", 8,
       R"(key "__metadata__" appears twice)"},
      {R"({"a\u0000b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "name contains a NUL"},
      {R"({"__metadata__":{},"\u005f_metadata__":{}})", 0, R"(key "__metadata__" appears twice)"},
      // metadata
      {R"({"__metadata__":[]})", 0, R"(in "__metadata__": expected an object, found an array)"},
      {R"({"__metadata__":{"a":1}})", 0, R"(in "__metadata__" > "a": expected a string, found a number)"},
      {R"({"__metadata__":{"a":{"b":"c"}}})", 0,
       R"(in "__metadata__" > "a": expected a string, found an object)"},
      {R"({"__metadata__":{"a":"1","b":"","a":"2"}})", 0, R"(in "__metadata__": key "a" appears twice)"},
      {R"({"__metadata__":{"a":"1","\u0061":"1"}})", 0, R"(key "a" appears twice)"},
      {R"({"__metadata__":{"a":["b"]}})", 0, R"(in "__metadata__" > "a": expected a string, found an array)"},
      {R"({"__metadata__":{"a":"\udc00"}})", 0,
       R"(line 1, column 28, in "__metadata__" > "a": syntax error while parsing value - invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF)"},
      // what a tensor says about itself
      {R"({"w":{}})", 0, R"(in "w": "dtype" is missing)"},
      {R"({"w":1})", 0, R"(in "w": expected an object, found a number)"},
      {R"({"w":true})", 0, R"(in "w": expected an object, found a boolean)"},
      {R"({"w":{"dtype":"F32","data_offsets":[0,8]}})", 8, R"(in "w": "shape" is missing)"},
      {R"({"w":{"dtype":"F32","shape":[2]}})", 8, R"(in "w": "data_offsets" is missing)"},
      {R"({"v":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"U8","data_offsets":[0,0]}})", 0,
       R"(in "w": "shape" is missing)"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}})", 8,
       R"(in "w" > "more": unknown key)"},
      {R"({"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8,
       R"(key "dtype" appears twice)"},
      {R"({"w":{"dtype":"F32","shape":[2],"sh\u0061pe":[2],"data_offsets":[0,8]}})", 8,
       R"(key "shape" appears twice)"},
      {R"({"w":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", 8, R"(dtype "F33" is not supported)"},
      {R"({"w":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}})", 8, R"(dtype "f32" is not supported)"},
      {R"({"w":{"dtype":"F4","shape":[16],"data_offsets":[0,8]}})", 8, R"(dtype "F4" is not supported)"},
      {R"({"w":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", 8,
       R"("dtype": expected a string, found a number)"},
      {R"({"w":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", 8,
       R"("shape": expected an array, found a number)"},
      {R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8,
       R"(in "w" > "shape": expected a number of at least 0, found -2)"},
      {R"({"w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8,
       R"(in "w" > "shape": expected a whole number, found one with a point)"},
      {R"({"w":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}})", 8, "expected a whole number"},
      {R"({"w":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})", 8, "expected a number, found a string"},
      {R"({"w":{"dtype":"F32","shape":[null],"data_offsets":[0,8]}})", 8, "expected a number, found null"},
      {R"({"w":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]}})", 8,
       "out of the range of 64-bit"},
      {R"({"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", 8,
       R"(in "w" > "shape": more than 8 numbers)"},
      {R"({"w":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8,
       R"(in "w" > "shape": nested deeper than 3 levels)"},
      {R"({"w":{"dtype":"F32","shape":[true],"data_offsets":[0,8]}})", 8,
       "expected a number, found a boolean"},
      {R"({"w":{"dtype":"F32","shape":[{}],"data_offsets":[0,8]}})", 8,
       R"(in "w" > "shape": nested deeper than 3 levels)"},
      {R"({"w":{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}})", 8,
       R"("dtype": expected a string, found an array)"},
      {R"({"w":{"dtype":"","shape":[2],"data_offsets":[0,8]}})", 8, R"(dtype "" is not supported)"},
      {R"({"w":{"dtype":"F32\u0000","shape":[2],"data_offsets":[0,8]}})", 8,
       R"(dtype "F32\u0000" is not supported)"},
      {R"({"w":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}})", 8,
       R"(line 1, column 31, in "w" > "shape": syntax error while parsing array - unexpected number literal; expected ']')"},
      {R"({"w":{"dtype":"F32","shape":[+2],"data_offsets":[0,8]}})", 8,
       R"(line 1, column 30, in "w" > "shape": syntax error while parsing value - invalid literal)"},
      {R"({"w":{"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}})", 8,
       R"(in "w" > "shape": number is out of the range of double precision)"},
      // sizes: products that wrap around to what is there
      {R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8,
       R"(in "w": shape (3) of F32 takes 12 bytes, data_offsets hold 8)"},
      {R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "too many elements"},
      {R"({"w":{"dtype":"F32","shape":[4611686018427387904,2],"data_offsets":[0,0]}})", 0,
       "too many elements"},
      {R"({"w":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0,
       "shape (4611686018427387904) has too many elements"},
      {R"({"w":{"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8]}})", 8,
       "has too many elements"},
      {R"({"w":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}})", 0,
       "too many elements"},
      {R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,8]}})", 8, "shape () of F32 takes 4 bytes"},
      {R"({"w":{"dtype":"F32","shape":[2,0],"data_offsets":[0,8]}})", 8, "shape (2, 0) of F32 takes 0 bytes"},
      {R"({"w":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}})", 8,
       "too many elements"},
      {R"({"w":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}})", 8,
       "the tensors take 1099511627776 bytes, the file holds 8; it is cut short"},
      {R"({"w":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}})", 8,
       "shape (2) of F64 takes 16 bytes, data_offsets hold 8"},
      {R"({"w":{"dtype":"BOOL","shape":[2],"data_offsets":[0,8]}})", 8, "shape (2) of BOOL takes 2 bytes"},
      {R"({"w":{"dtype":"U8","shape":[16,1152921504606846977],"data_offsets":[0,16]}})", 16,
       "too many elements"},
      {R"({"w":{"dtype":"U8","shape":[65536,65536,65536,65536],"data_offsets":[0,0]}})", 0,
       "too many elements"},
      // each fits into 63 bits, their sum wraps around 64
      {R"({"a":{"dtype":"U8","shape":[4611686018427387904],"data_offsets":[0,4611686018427387904]},)"
       R"("b":{"dtype":"U8","shape":[4611686018427387904],"data_offsets":[4611686018427387904,9223372036854775808]}})",
       0, R"(in "b" > "data_offsets": number is out of the range of 64-bit integers)"},
      // offsets
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8,
       "offsets [8, 0] end before they begin"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8, "expected two offsets, found 1"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[]}})", 8, "expected two offsets, found 0"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", 8, "expected two offsets, found 3"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8,8,8,8,8,8,8]}})", 8, "more than 8 numbers"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})", 8,
       "expected a number of at least 0, found -8"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8.0]}})", 8, "expected a whole number"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":{}}})", 8, R"("data_offsets": expected an array)"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12,
       R"(tensor "w" begins at byte 4 of the data, expected 0: there is a hole before it)"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})",
       16, R"(tensor "v" begins at byte 12 of the data, expected 8: there is a hole)"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, R"(tensor "v" begins at byte 4 of the data, expected 8: it overlaps the one before)"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       8, "it overlaps the one before"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
       8, "it overlaps the one before"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[0],"data_offsets":[9,9]}})",
       8, "there is a hole"},
      {R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"v":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})",
       8, R"(tensor "v" begins at byte 4 of the data, expected 8: it overlaps)"},
      {R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[9223372036854775807,9223372036854775807]}})", 0,
       R"(tensor "w" begins at byte 9223372036854775807 of the data, expected 0: there is a hole)"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,18446744073709551616]}})", 8,
       "number is out of the range of 64-bit integers"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9,
       "1 bytes behind the last tensor belong to none"},
      {"{}", 1, "1 bytes behind the last tensor belong to none"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7,
       "the tensors take 8 bytes, the file holds 7; it is cut short"},
  };
  for (const Case& c : kCases) expect_refusal(std::string(c.header), c.data_bytes, c.reason);
  CHECK(std::size(kCases) >= 100);
}

TEST_CASE("safetensors header: what is too much is refused") {
  const std::string brackets(100000, '[');
  expect_refusal(brackets, 0, "does not begin with '{'");
  expect_refusal("{\"w\":" + brackets, 0, "in \"w\": expected an object, found an array");
  expect_refusal("{\"w\":{\"shape\":[" + brackets, 0, "in \"w\" > \"shape\": nested deeper than 3 levels");
  expect_refusal("{\"w\":{\"dtype\":\"" + brackets + "\"}}", 0, "dtype \"[[[[");
  expect_refusal("{" + entry(std::string(1025, 'n'), "F32", "[2]", "[0,8]") + "}", 8,
                 "name has 1025 bytes, at most 1024");
  std::string many = "{", texts = "{\"__metadata__\":{";
  for (int i = 0; i < 65537; ++i) {
    many += entry(std::to_string(i), "U8", "[0]", "[0,0]") + ",";
    texts += "\"" + std::to_string(i) + "\":\"\",";
  }
  expect_refusal(many, 0, "more than 65536 tensors");
  expect_refusal(texts, 0, "more than 65536 entries");
}

TEST_CASE("safetensors header: what looks odd but is right is accepted") {
  const std::string headers[] = {
      "{" + entry("", "F32", "[2]", "[0,8]") + "}",
      "{" + entry("w", "F32", "[1,1,1,1,1,1,1,2]", "[0,8]") + "}",
      "{" + entry(std::string(1024, 'n'), "F32", "[2]", "[0,8]") + "}",
      // not in the order of the data; empty ones at the same place and at the end
      "{" + entry("c", "F32", "[0]", "[8,8]") + "," + entry("b", "F32", "[1]", "[4,8]") + "," +
          entry("e", "F32", "[3,0]", "[4,4]") + "," + entry("a", "F32", "[1]", "[0,4]") + "}",
      R"({ "w" : { "shape" : [ 2 ] , "data_offsets" : [ 0 , 8 ] , "dtype" : "F\u00332" } } )",
      "{" + entry("w", "F32", "[2]", "[0,8]") + "}" + std::string(100000, ' '),
  };
  for (const std::string& header : headers) {
    INFO(header.substr(0, 200));
    CHECK(refusal(header, 8) == "");
  }
  for (const char* header : {"{}", "{}   \n\t ", "{\"__metadata__\":{}}"}) CHECK(refusal(header, 0) == "");
}

TEST_CASE("safetensors header: in pieces it is the same") {
  const auto in_pieces = [](std::string_view text, std::size_t size) {
    return message_of<FileError>([&] {
      const auto next = [&text, size] {
        const std::string_view piece = text.substr(0, size);
        text.remove_prefix(piece.size());
        return piece;
      };
      const io::detail::SafetensorsHeader header(next, 8, "file", {});
      REQUIRE(header.tensors().size() == 1);
      CHECK(header.tensors()[0].name == "w\u00e9");
      CHECK(header.metadata()[0].second == "\"");
    });
  };
  const std::string right = "{\"__metadata__\" : \n {\"k\":\"\\\"\"},\r\n\t" +
                            entry("w\\u00e9", "F32", "[ 2]", "[0,8 ]") + "  }  \n ";
  const std::string wrong[] = {right + "!", right.substr(0, 60), right.substr(0, 60) + '\0', right + "{}"};
  for (const std::size_t size : {1, 2, 3, 7, 1000}) {
    CHECK(in_pieces(right, size) == "nothing was thrown");
    for (const std::string& text : wrong) {
      CHECK(in_pieces(text, size).starts_with("file: "));
      CHECK(in_pieces(text, size) == refusal(text, 8));
    }
  }
}

TEST_CASE("safetensors header: cut or changed anywhere it is refused or read, never worse") {
  const std::string whole = "{" + entry("w", "F32", "[2]", "[0,8]") + "}";
  int accepted = 0, wrong = 0;
  for (std::size_t i = 1; i < whole.size(); ++i) {
    wrong +=
        !refusal(whole.substr(0, i), 8).starts_with("file: line 1, column ");  // the place where it is cut
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = whole;
      changed[i] = static_cast<char>(byte);
      if (!refusal(changed, 8).empty()) continue;
      const io::detail::SafetensorsHeader header = read(changed, 8);
      wrong +=
          header.tensors().size() != 1 || header.tensors()[0].bytes != 8 || header.tensors()[0].offset != 0;
      ++accepted;
    }
  }
  CHECK(wrong == 0);
  CHECK(accepted > 100);  // other names
}
