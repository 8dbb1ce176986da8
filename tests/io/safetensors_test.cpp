// Safetensors files: round trips, conversions, files that are cut, that change, that are too large.
#include "minivit/io/safetensors.hpp"

#include <doctest/doctest.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>

#include "support/file_size_limit.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::io;
namespace fs = std::filesystem;

namespace {

struct TemporaryFolder {
  fs::path path =
      fs::temp_directory_path() /
      str_cat("minivit-st-", ::getpid(), "-", std::chrono::steady_clock::now().time_since_epoch().count());
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
  fs::path operator/(const std::string& name) const { return path / name; }
};

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A file of this header and data; `length` overrules the true length of the header.
std::string file_of(const std::string& header, const std::string& data = "", std::int64_t length = -1) {
  return raw(std::vector<std::int64_t>{length < 0 ? static_cast<std::int64_t>(header.size()) : length}) +
         header + data;
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}";
}

/// The message of the FileError that opening a file of these bytes gives; "" if it is accepted.
std::string refusal(const fs::path& path, const std::string& bytes, const SafetensorsLimits& limits = {}) {
  write(path, bytes);
  try {
    SafetensorsFile(path, limits);
  } catch (const FileError& error) { return error.what(); }
  return "";
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Checks that `action` throws a FileError whose message contains `part`.
void expect_error(const std::function<void()>& action, const std::string& part) {
  const std::string message = message_of<FileError>(action);
  INFO(message);
  CHECK(contains(message, part));
}

void expect_integers(const SafetensorsFile& file, std::string_view name,
                     std::initializer_list<std::int64_t> values) {
  INFO(name);
  CHECK(file.integers(name) == std::vector(values));
}

void expect_bytes(const SafetensorsFile& file, std::string_view name,
                  std::initializer_list<std::uint8_t> values) {
  INFO(name);
  CHECK(file.bytes(name) == std::vector(values));
}

/// Checks that a file of these bytes is refused, by name and for this reason.
void expect_refusal(const fs::path& path, const std::string& bytes, std::string_view reason) {
  const std::string message = refusal(path, bytes);
  INFO(bytes.substr(0, 200), " -> ", message);
  const bool as_expected = message.starts_with(path.string() + ": ") &&
                           message.find(reason) != std::string::npos && message.size() < 600;
  CHECK(as_expected);
}

}  // namespace

TEST_CASE("safetensors: what is saved is read back bit by bit") {
  const TemporaryFolder folder;
  const float values[] = {0.0f,
                          -0.0f,
                          1e-45f,
                          std::numeric_limits<float>::max(),
                          -std::numeric_limits<float>::infinity(),
                          std::bit_cast<float>(0x7FA00001u)};  // a signalling NaN
  SafetensorsWriter writer;
  writer.add_bytes("odd", std::vector<std::uint8_t>{1, 2, 255});
  writer.add("w", Tensor::from({2, 1, 3}, values));
  writer.add("scalar", Tensor::scalar(2.5f));
  writer.add("empty", Tensor::zeros({0, 4}));
  writer.add("six", Tensor::zeros({1, 1, 1, 1, 1, 2}));
  writer.add_integers("step", std::vector<std::int64_t>{INT64_MIN, -1, INT64_MAX});
  writer.add_integers("none", {});
  writer.add("na\"me\n\u00e9", Tensor::scalar(1));
  writer.set_metadata("format", "pt");
  writer.set_metadata("k\u00e9y", "te\"xt\n");
  writer.save(folder / "a.safetensors");
  writer.save(folder / "b.safetensors");
  CHECK(read_file(folder / "a.safetensors", 1 << 20) == read_file(folder / "b.safetensors", 1 << 20));

  const SafetensorsFile file(folder / "a.safetensors");
  CHECK(file.tensors().size() == 8);
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"k\u00e9y", "te\"xt\n"}});
  const Tensor w = file.tensor("w");
  CHECK(w.shape() == Shape{2, 1, 3});
  CHECK(std::memcmp(w.data(), values, sizeof values) == 0);
  CHECK(file.tensor("scalar").rank() == 0);
  CHECK(file.tensor("scalar").item() == 2.5f);
  CHECK(file.tensor("empty").shape() == Shape{0, 4});
  CHECK(file.tensor("six").rank() == 6);
  CHECK(file.tensor("na\"me\n\u00e9").item() == 1.0f);
  expect_integers(file, "step", {INT64_MIN, -1, INT64_MAX});
  CHECK(file.integers("none").empty());
  expect_bytes(file, "odd", {1, 2, 255});
  expect_integers(file, "odd", {1, 2, 255});
  CHECK(file.contains("w"));
  CHECK_FALSE(file.contains("W"));
  CHECK_FALSE(file.contains("__metadata__"));

  const SafetensorsInfo& info = file.info("w");
  CHECK(info.dtype() == "F32");
  CHECK(std::ranges::equal(info.shape(), std::vector<std::int64_t>{2, 1, 3}));
  CHECK(info.numel() == 6);
  CHECK(info.bytes == 24);
  CHECK(info.shape_text() == "(2, 1, 3)");
  for (const SafetensorsInfo& tensor : file.tensors())
    CHECK(tensor.offset % tensor.type->bytes == 0);  // aligned
  CHECK((fs::file_size(folder / "a.safetensors") - 3) % 4 == 0);
}

TEST_CASE("safetensors: the bytes of a small file") {
  const TemporaryFolder folder;
  const NamedTensor tensors[] = {{"b", Tensor::from({2}, {1.0f, 2.0f})}, {"a", Tensor::scalar(3.0f)}};
  save_safetensors(folder / "a", tensors, {{"k", "v"}});
  const std::string header =
      R"({"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[8,12]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  CHECK(read_file(folder / "a", 1000) == file_of(padded, raw(std::vector<float>{1, 2, 3})));
  save_safetensors(folder / "a", {});
  CHECK(read_file(folder / "a", 1000) == file_of("{}      "));
  CHECK(SafetensorsFile(folder / "a").names().empty());
}

TEST_CASE("safetensors: names and texts that could not be read again are not written") {
  SafetensorsWriter writer;
  writer.add("a", Tensor::scalar(1));
  expect_error([&] { writer.add("a", Tensor::scalar(1)); }, "safetensors: there are two tensors named \"a\"");
  expect_error([&] { writer.add_bytes("a", {}); }, "two tensors named \"a\"");
  expect_error([&] { writer.add("\xFF", Tensor::scalar(1)); }, "not valid UTF-8");
  expect_error([&] { writer.add(std::string("a\0", 2), Tensor::scalar(1)); }, "contains a NUL");
  expect_error([&] { writer.add(std::string(1025, 'n'), Tensor::scalar(1)); }, "longer than 1024");
  expect_error([&] { writer.add("__metadata__", Tensor::scalar(1)); }, "cannot be named");
  expect_error([&] { writer.add("u", Tensor()); }, "safetensors: tensor \"u\" is undefined");
  expect_error([&] { writer.set_metadata("k", "\xC3"); }, "not valid UTF-8");
  const TemporaryFolder folder;
  writer.set_metadata("k", std::string(17 << 20, 'x'));
  expect_error([&] { writer.save(folder / "a"); }, "its header would have");
  writer.set_metadata("k", std::string((1 << 19) + 1, '\n'));
  expect_error([&] { writer.save(folder / "a"); },
               "metadata \"k\" would have a string of 1048578 bytes, at most 1048576 can be read again");
  CHECK(fs::is_empty(folder.path));
  const std::string longest(1 << 19, '\n');
  writer.set_metadata("k", longest);
  writer.save(folder / "a");
  CHECK(SafetensorsFile(folder / "a").metadata().at("k") == longest);
}

TEST_CASE("safetensors: every float16 and bfloat16 becomes the float of the same value") {
  const TemporaryFolder folder;
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  write(folder / "a", file_of("{" + entry("h", "F16", "[65536]", "[0,131072]") + "," +
                                  entry("b", "BF16", "[256,256]", "[131072,262144]") + "}",
                              raw(all) + raw(all)));
  const SafetensorsFile file(folder / "a");
  const auto expected = [](std::uint32_t bits, int exponent_bits, int mantissa_bits) {
    const std::uint32_t mantissa = bits & ((1u << mantissa_bits) - 1), most = (1u << exponent_bits) - 1;
    const std::uint32_t exponent = bits >> mantissa_bits & most, sign = bits >> 15;
    const int bias = static_cast<int>(most / 2);
    if (exponent == most)  // infinity, or a NaN that keeps its bits
      return sign << 31 | 0x7F800000u | mantissa << (23 - mantissa_bits);
    const double fraction = std::ldexp(mantissa, -mantissa_bits) + (exponent > 0 ? 1 : 0);
    const double value = std::ldexp(fraction, std::max<int>(static_cast<int>(exponent), 1) - bias);
    return std::bit_cast<std::uint32_t>(static_cast<float>(value)) | sign << 31;
  };
  const Tensor half = file.tensor("h"), brain = file.tensor("b");
  int wrong = 0;
  for (std::uint32_t i = 0; i < 65536; ++i) {
    wrong += std::bit_cast<std::uint32_t>(half.values()[i]) != expected(i, 5, 10);
    wrong += std::bit_cast<std::uint32_t>(brain.values()[i]) != expected(i, 8, 7);
  }
  CHECK(wrong == 0);
  CHECK(half_to_float(0x3C01) == 1.0009765625f);
  CHECK(half_to_float(0x0001) == 0x1p-24f);
  CHECK(half_to_float(0xFBFF) == -65504.0f);
  CHECK(std::isnan(half_to_float(0x7C01)));
  CHECK(bfloat16_to_float(0x3F80) == 1.0f);
}

TEST_CASE("safetensors: other types") {
  const TemporaryFolder folder;
  std::vector<double> doubles(20000, 0.1);  // more than one chunk
  doubles[0] = 1e300;
  doubles[19999] = -3;
  const std::string numbers =
      raw(std::vector<std::int32_t>{-5, 6}) + raw(std::vector<std::uint32_t>{UINT32_MAX, 0}) +
      raw(std::vector<std::int16_t>{-7, 8}) + raw(std::vector<std::uint16_t>{65535, 9}) +
      raw(std::vector<std::int8_t>{-1, 2}) + std::string("\1\0", 2);
  const std::string header =
      "{" + entry("u64", "U64", "[2]", "[0,16]") + "," + entry("f64", "F64", "[2,10000]", "[16,160016]") +
      "," + entry("i32", "I32", "[2]", "[160016,160024]") + "," +
      entry("u32", "U32", "[2]", "[160024,160032]") + "," + entry("i16", "I16", "[2]", "[160032,160036]") +
      "," + entry("u16", "U16", "[2]", "[160036,160040]") + "," +
      entry("i8", "I8", "[2]", "[160040,160042]") + "," + entry("bool", "BOOL", "[2]", "[160042,160044]") +
      "," + entry("f8", "F8_E4M3", "[3]", "[160044,160047]") + "," +
      entry("seven", "F32", "[1,1,1,1,1,1,1]", "[160047,160051]") + "}";
  write(folder / "a", file_of(header, raw(std::vector<std::uint64_t>{1, UINT64_MAX}) + raw(doubles) +
                                          numbers + "\1\2\3" + raw(std::vector<float>{4})));
  const SafetensorsFile file(folder / "a");
  expect_integers(file, "i32", {-5, 6});
  expect_integers(file, "u32", {UINT32_MAX, 0});
  expect_integers(file, "i16", {-7, 8});
  expect_integers(file, "u16", {65535, 9});
  expect_integers(file, "i8", {-1, 2});
  expect_integers(file, "bool", {1, 0});
  expect_bytes(file, "f8", {1, 2, 3});
  expect_bytes(file, "i16", {0xF9, 0xFF, 8, 0});
  const Tensor narrowed = file.tensor("f64");
  CHECK(narrowed(0, 0) == std::numeric_limits<float>::infinity());
  CHECK(narrowed(0, 1) == 0.1f);
  CHECK(narrowed(1, 9999) == -3.0f);

  const std::string name = (folder / "a").string();
  expect_error([&] { file.integers("u64"); },
               name + ": tensor \"u64\" contains 18446744073709551615, at most 2^63 - 1 is supported");
  expect_error([&] { file.integers("f64"); },
               name + ": tensor \"f64\" has dtype F64, expected an integer type");
  expect_error([&] { file.tensor("i32"); },
               name + ": tensor \"i32\" has dtype I32, expected F32, F16, BF16 or F64");
  expect_error([&] { file.tensor("seven"); }, name + ": tensor \"seven\" has rank 7, at most 6 is supported");
  expect_error([&] { file.tensor("x\n"); }, name + ": there is no tensor \"x\\n\"");
  expect_error([&] { file.bytes("x"); }, "there is no tensor");
}

TEST_CASE("safetensors: read_into wants the same shape") {
  const TemporaryFolder folder;
  const NamedTensor tensors[] = {{"w", Tensor::from({2, 2}, {1, 2, 3, 4})}};
  save_safetensors(folder / "a", tensors);
  const SafetensorsFile file(folder / "a");
  Tensor square = Tensor::zeros({2, 2}), flat = Tensor::zeros({4}), undefined;
  file.read_into("w", square);
  CHECK(square(1, 0) == 3.0f);
  const std::string name = (folder / "a").string();
  expect_error([&] { file.read_into("w", flat); }, name + ": tensor \"w\" has shape (2, 2), expected (4)");
  CHECK(flat(0) == 0.0f);
  expect_error([&] { file.read_into("w", undefined); }, "expected a defined tensor");
  expect_error([&] { file.read_into("v", flat); }, "there is no tensor \"v\"");
}

TEST_CASE("safetensors: files whose header has a wrong length are refused") {
  const TemporaryFolder folder;
  const std::string good = "{" + entry("w", "F32", "[2]", "[0,8]") + "}", data(8, '\1');
  REQUIRE(refusal(folder / "evil", file_of(good, data)).empty());  // the file that the others differ from
  const std::uint64_t huge = UINT64_MAX, wraps = UINT64_MAX - 7;
  expect_refusal(folder / "evil", "", "it has 0 bytes, a safetensors file has at least 8");
  expect_refusal(folder / "evil", "1234567", "it has 7 bytes, a safetensors file has at least 8");
  expect_refusal(folder / "evil", file_of("", "", 0), "its header has 0 bytes");
  expect_refusal(folder / "evil", file_of("{", ""), "its header has 1 bytes");
  expect_refusal(folder / "evil", file_of(good, data, 1000), "its header has 1000 bytes, the file only");
  expect_refusal(folder / "evil", file_of("{}", "", 3), "its header has 3 bytes, the file only 2 more");
  expect_refusal(folder / "evil", file_of("{}", "", INT64_MAX),
                 "its header would have 9223372036854775807 bytes, at most 16777216");
  expect_refusal(folder / "evil", raw<std::uint64_t>({huge}) + "{}",
                 "its header would have 18446744073709551615 bytes");
  expect_refusal(folder / "evil", raw<std::uint64_t>({wraps}) + "{}", "its header would have");
  expect_refusal(folder / "evil", file_of("{}", "", (16 << 20) + 1), "its header would have 16777217 bytes");
  expect_refusal(folder / "evil", file_of(good, data, 10), "line 1, column 11");
  std::string big = "{\"__metadata__\":{";
  for (int i = 0; i < 17; ++i)
    big += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":\"" + std::string(1 << 20, 'x') + "\"";
  big += "}}";
  expect_refusal(folder / "evil", file_of(big), "at most 16777216");
  CHECK(refusal(folder / "evil", file_of(big), {.max_header_bytes = 100'000'000}) == "");
  expect_error([&] { SafetensorsFile{folder.path}; }, "expected a file, found a directory");
  expect_error([&] { SafetensorsFile{folder / "none"}; }, "No such file");
  expect_error([&] { SafetensorsFile{"/dev/zero"}; }, "expected a regular file");
}

TEST_CASE("safetensors: a file cut anywhere is refused") {
  const TemporaryFolder folder;
  SafetensorsWriter writer;
  writer.add("w", Tensor::zeros({2, 3}));
  writer.add_bytes("b", std::vector<std::uint8_t>{1});
  writer.set_metadata("k", "v");
  writer.save(folder / "a");
  const std::string whole = read_file(folder / "a", 1000);
  int not_named = 0;
  for (std::size_t size = 0; size < whole.size(); ++size)
    not_named += !contains(refusal(folder / "cut", whole.substr(0, size)), "; it is cut short");
  CHECK(not_named == 0);
  CHECK(refusal(folder / "cut", whole).empty());
}

TEST_CASE("safetensors: a file that shrinks or vanishes while open gives an error, not a crash") {
  const TemporaryFolder folder;
  const NamedTensor tensors[] = {{"w", Tensor::zeros({100000})}};
  save_safetensors(folder / "a", tensors);
  const SafetensorsFile file(folder / "a");
  fs::resize_file(folder / "a", 1000);
  expect_error([&] { file.tensor("w"); }, "it ends at byte 1000");
  expect_error([&] { file.bytes("w"); }, "it ends at byte 1000");
  save_safetensors(folder / "b", tensors);
  const SafetensorsFile other(folder / "b");
  fs::remove(folder / "b");
  CHECK(other.tensor("w").numel() == 100000);
}

TEST_CASE("safetensors: a disk that is full leaves the earlier file") {
  const TemporaryFolder folder;
  const NamedTensor old[] = {{"w", Tensor::full({10}, 1.0f)}}, big[] = {{"w", Tensor::zeros({100000})}};
  save_safetensors(folder / "a", old);
  std::string message;
  {
    const FileSizeLimit limit(65536);
    message = message_of<FileError>([&] { save_safetensors(folder / "a", big); });
  }
  CHECK(message ==
        str_cat("cannot write ", (folder / "a").string(), ": File too large; the earlier file is untouched"));
  CHECK(SafetensorsFile(folder / "a").tensor("w")(9) == 1.0f);
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
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

namespace {

/// Checks that opening a file of these bytes takes no more memory than its size and 16 MiB, in a process of
/// its own that gets no more, and that it is refused for this reason; accepted, if there is none.
void expect_frugal(const fs::path& path, const std::string& bytes, std::string_view reason) {
  enum Exit { as_expected, out_of_memory, another_result, no_statm };
  write(path, bytes);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::malloc_trim(0);  // what earlier tests have freed would come on top
    const int fd = ::open("/proc/self/statm", O_RDONLY);
    char pages[64] = {};
    if (::read(fd, pages, sizeof pages - 1) <= 0) ::_exit(no_statm);
    const rlim_t now = std::strtoull(pages, nullptr, 10) * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
    const rlim_t allowed = now + bytes.size() + (rlim_t{16} << 20);
    const rlimit limit{allowed, allowed};
    ::setrlimit(RLIMIT_AS, &limit);
    std::string message;
    try {
      const SafetensorsFile file(path);
    } catch (const FileError& error) { message = error.what(); } catch (...) {
      ::_exit(out_of_memory);
    }
    ::_exit(message.empty() == reason.empty() && contains(message, reason) && message.size() < 600
                ? as_expected
                : another_result);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  INFO(bytes.substr(8, 40), ": ", reason);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == as_expected);
}

}  // namespace

TEST_CASE("safetensors: opening takes less memory than the file's size and 16 MiB") {
  const TemporaryFolder folder;
  constexpr std::size_t kHeader = std::size_t{16} << 20;
  const auto expect = [&](const std::string& header, std::string_view reason, std::int64_t length = -1) {
    expect_frugal(folder / "a", file_of(header, "", length), reason);
  };
  // A header of 16 MiB: `begin`, `unit` as often as it fits, and `end`.
  const auto filled = [&](const std::string& begin, const std::string& unit, const std::string& end) {
    std::string out = begin;
    out.reserve(kHeader);
    while (out.size() + unit.size() + end.size() <= kHeader) out += unit;
    return out + end;
  };
  const auto tensors = [](int count, const std::string& name_end) {
    std::string out = "{";
    for (int i = 0; i < count; ++i)
      out += (i > 0 ? "," : "") + entry(std::to_string(i) + name_end, "U8", "[0]", "[0,0]");
    return out + "}";
  };
  const auto texts = [](int count) {
    std::string out = "{\"__metadata__\":{";
    for (int i = 0; i < count; ++i) out += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
    return out + "}}";
  };

  // so many of them
  expect(tensors(65536, ""), "");
  expect(tensors(65536, std::string(200, 'x')), "");
  expect(tensors(65537, ""), "more than 65536 tensors");
  const std::string same = entry("a", "U8", "[0]", "[0,0]");
  expect(filled("{" + same, "," + same, "}"), "more than 65536 tensors");
  expect(texts(65536), "");
  expect(texts(65537), "more than 65536 entries");
  expect(filled("{\"w\":{\"shape\":[0", ",0", "]}}"), "more than 8 numbers");
  expect(filled("{\"w\":{\"data_offsets\":[0", ",0", "]}}"), "more than 8 numbers");
  // so long
  constexpr std::string_view kLong = "begins a string or number of more than 1048576 bytes";
  expect(filled("{\"", "n", "\":{}}"), kLong);
  expect(filled("{\"", "\\u006e", "\":{}}"), kLong);
  expect(filled("{\"", "n", ""), kLong);
  expect(filled("{\"w\":{\"", "k", "\":1}}"), kLong);
  expect(filled("{\"w\":{\"dtype\":\"", "F", "\"}}"), kLong);
  expect(filled("{\"w\":{\"shape\":[", "9", "]}}"), kLong);
  expect(filled("{\"__metadata__\":{\"", "k", "\":\"\"}}"), kLong);
  expect(filled("{\"__metadata__\":{\"k\":\"", "\\n", "\"}}"), kLong);
  expect(filled("{\"__metadata__\":{\"", "k", "\":1}}"), kLong);
  expect("{\"__metadata__\":{\"k\":\"" + std::string(1 << 20, 'v') + "\"}}", "");
  expect("{\"" + std::string(1 << 20, 'n') + "\":{}}", "at most 1024 are accepted");
  expect(filled("{", " ", "}"), "");
  expect(filled("{", "\n", "}"), "");
  expect(filled("{}", "\t", ""), "");
  expect(filled("{", " \n", "!"), str_cat("line ", kHeader / 2, ", column 1: syntax error"));
  // so many and so long
  const std::string longest(1 << 20, 'x');
  for (const int count : {1, 65535, 65536}) {
    std::string many = tensors(count, "");
    many.back() = ',';
    many += "\"__metadata__\":{";
    for (int i = 100000; i < 165535; ++i)
      many += str_cat("\"", std::string(10, 'k'), i, "\":\"", std::string(16, 'v'), "\",");
    expect(many + "\"" + longest + "\":\"" + longest + "\"}}", "");
    expect(many + "\"" + longest + "\":\"" + longest, "missing closing quote");
    expect(many + "\"" + longest + "\":\"" + longest.substr(2) + "\\x\"}}",
           "forbidden character after backslash");
    expect(many + "\"k\":\"\"},\"w\":{\"shape\":[" + std::string(1 << 20, '9') + "]}}",
           count < 65536 ? "number is out of the range" : "more than 65536 tensors");
  }
  std::string texts_of_1_mib = "{\"__metadata__\":{";
  for (int i = 0; i < 15; ++i) texts_of_1_mib += str_cat(i > 0 ? ",\"" : "\"", i, "\":\"", longest, "\"");
  expect(texts_of_1_mib + "}}", "");
  // so deep
  expect(filled("{\"w\":", "[", ""), "expected an object, found an array");
  expect(filled("{\"w\":{\"shape\":", "[", ""), "nested deeper than 3 levels");
  expect(filled("{\"__metadata__\":{\"k\":", "[", ""), "expected a string, found an array");
  expect(filled("", "{\"w\":", ""), "unknown key");
  // said to be so long, and not
  expect("{}", "at most 16777216 are accepted", kHeader + 1);
  expect("{}", "at most 16777216 are accepted", INT64_MAX);
  expect("{}", "its header has 16777216 bytes, the file only 2 more", kHeader);
  expect("{" + entry("w", "U8", "[1099511627776]", "[0,1099511627776]") + "}", "the file holds 0");
}

#endif

TEST_CASE("safetensors: files that others have written") {
  const fs::path fixtures = MINIVIT_TEST_DATA;
  const SafetensorsFile ops(fixtures / "ops.fixtures.safetensors");
  CHECK(ops.tensors().size() == 29);
  const Tensor x = ops.tensor("layer_norm.x");
  CHECK(x.shape() == Shape{5, 33});
  for (const float value : x.values()) CHECK(std::isfinite(value));

  const SafetensorsFile vit(fixtures / "vit.fixtures.safetensors");
  CHECK(vit.tensor("images").shape() == Shape{4, 3, 32, 32});
  CHECK(vit.integers("labels").size() == 4);
  for (const std::int64_t label : vit.integers("labels")) CHECK((label >= 0 && label < 7));

  const SafetensorsFile timm(fixtures / "vit_timm" / "model.safetensors");
  const SafetensorsFile hugging_face(fixtures / "vit_hf" / "model.safetensors");
  CHECK(timm.metadata() == std::map<std::string, std::string>{{"format", "pt"}});
  CHECK(timm.tensor("patch_embed.proj.weight").shape() == Shape{48, 3, 8, 8});
  CHECK(timm.bytes("cls_token") == hugging_face.bytes("vit.embeddings.cls_token"));
}
