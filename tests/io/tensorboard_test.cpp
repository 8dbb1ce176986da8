// Event files, read by a reader that shares nothing with what writes them.
#include "minivit/io/tensorboard.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "data/fixture.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/data/image.hpp"
#include "support/file_size_limit.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::io;
namespace fs = std::filesystem;
using fixture::TemporaryFolder;

namespace {

static_assert(!std::is_copy_constructible_v<TensorBoard> && std::is_move_constructible_v<TensorBoard>);

std::string content(const fs::path& path) { return read_file(path, 1 << 24); }

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// The masked CRC-32C by its definition: division by the polynomial, bit by bit.
std::uint32_t checksum(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool odd = ((crc ^ (static_cast<unsigned>(static_cast<unsigned char>(c)) >> bit)) & 1) != 0;
      crc = crc >> 1 ^ (odd ? 0x82F63B78u : 0u);
    }
  return std::rotr(~crc, 15) + 0xA282EAD8u;
}

/// The data of each record of a file; every byte belongs to one and every checksum is right.
std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> found;
  std::string_view rest = file;
  while (!rest.empty()) {
    REQUIRE(rest.size() >= 16);
    const std::uint64_t length = little_endian(rest.substr(0, 8));
    REQUIRE(little_endian(rest.substr(8, 4)) == checksum(rest.substr(0, 8)));
    REQUIRE(length <= rest.size() - 16);
    const std::string_view data = rest.substr(12, length);
    REQUIRE(little_endian(rest.substr(12 + length, 4)) == checksum(data));
    found.emplace_back(data);
    rest.remove_prefix(16 + length);
  }
  return found;
}

/// The fields of a message by their numbers: those of 4 and 8 bytes and texts as bytes, varints as 8 bytes.
struct Fields {
  std::multimap<int, std::string> fields;

  explicit Fields(std::string_view in) {
    const auto varint = [&in] {
      std::uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        REQUIRE(!in.empty());
        const auto byte = static_cast<unsigned char>(in[0]);
        in.remove_prefix(1);
        value |= std::uint64_t{byte & 0x7Fu} << shift;
        if (byte < 0x80) return value;
      }
    };
    while (!in.empty()) {
      const std::uint64_t key = varint();
      std::uint64_t size = 0;
      std::string bytes;
      if ((key & 7) == 0) {
        const std::uint64_t value = varint();
        for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
      } else {
        REQUIRE(((key & 7) == 1 || (key & 7) == 2 || (key & 7) == 5));
        size = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : varint();
        REQUIRE(size <= in.size());
        bytes = in.substr(0, size);
        in.remove_prefix(size);
      }
      fields.emplace(static_cast<int>(key >> 3), bytes);
    }
  }
  std::string operator[](int number) const {
    REQUIRE(fields.count(number) == 1);
    return fields.find(number)->second;
  }
  Fields in(int number) const { return Fields((*this)[number]); }
  std::int64_t integer(int number) const { return static_cast<std::int64_t>(little_endian((*this)[number])); }
  float single(int number) const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(little_endian((*this)[number])));
  }
  double real(int number) const { return std::bit_cast<double>(little_endian((*this)[number])); }
  std::vector<double> reals(int number) const {
    const std::string bytes = (*this)[number];
    std::vector<double> out;
    for (std::size_t i = 0; i < bytes.size(); i += 8)
      out.push_back(std::bit_cast<double>(little_endian(std::string_view(bytes).substr(i, 8))));
    return out;
  }
};

/// The events of a file but the first, which names the version.
std::vector<Fields> events(const TensorBoard& board) {
  std::vector<Fields> out;
  for (const std::string& data : records(content(board.path()))) out.emplace_back(data);
  REQUIRE(!out.empty());
  CHECK(out[0][3] == "brain.Event:2");
  out.erase(out.begin());
  return out;
}

Fields value_of(const Fields& event) { return event.in(5).in(1); }

}  // namespace

TEST_CASE("scalars are records with time, step, tag and value") {
  const TemporaryFolder folder;
  TensorBoard board(folder.path());
  const std::string name = board.path().filename().string();
  CHECK(name.starts_with("events.out.tfevents."));
  CHECK(name.ends_with(".minivit"));
  board.scalar("loss/train", 7, 0.1);
  board.scalar(
      "gr\xC3\xB6\xC3\x9F"
      "e",
      -1, std::numeric_limits<double>::infinity());
  board.scalar("bad \xFF\xC3\xA4", std::int64_t{1} << 40, -2);
  const auto found = events(board);
  REQUIRE(found.size() == 3);
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  CHECK(std::abs(found[0].real(1) - now) < 60);
  CHECK(found[0].integer(2) == 7);
  CHECK(value_of(found[0])[1] == "loss/train");
  CHECK(value_of(found[0]).single(2) == 0.1f);
  CHECK(found[1].integer(2) == -1);
  CHECK(value_of(found[1])[1] ==
        "gr\xC3\xB6\xC3\x9F"
        "e");
  CHECK(std::isinf(value_of(found[1]).single(2)));
  CHECK(found[2].integer(2) == std::int64_t{1} << 40);
  CHECK(value_of(found[2])[1] == "bad ???");
  CHECK(board.size() == fs::file_size(board.path()));
}

TEST_CASE("a histogram has the sums of its values, and each is in the bucket whose limits are around it") {
  const TemporaryFolder folder;
  TensorBoard board(folder.path());
  constexpr float kInf = std::numeric_limits<float>::infinity(), kMax = std::numeric_limits<float>::max();
  std::vector<float> values{0.f, -0.f, 1.f, -1.f, 1e-20f, -1e-45f, 1e30f, -1e30f, kMax, -kMax};
  Rng rng(3);
  for (int i = 0; i < 5000; ++i)
    values.push_back((rng.uniform() - 0.5f) * std::pow(10.f, 30 * rng.uniform() - 15));
  std::vector<float> with_others = values;
  with_others.insert(with_others.end(), {kInf, -kInf, std::numeric_limits<float>::quiet_NaN()});
  CHECK(board.histogram("w", 4, with_others) == 3);
  CHECK(board.histogram("nothing", 4, {}) == 0);
  const auto found = events(board);
  REQUIRE(found.size() == 2);
  const Fields histogram = value_of(found[0]).in(5);
  double sum = 0, squares = 0;
  for (const float value : values) sum += value, squares += double{value} * value;
  CHECK(histogram.real(1) == -kMax);
  CHECK(histogram.real(2) == kMax);
  CHECK(histogram.real(3) == static_cast<double>(values.size()));
  CHECK(histogram.real(4) == doctest::Approx(sum));
  CHECK(histogram.real(5) == doctest::Approx(squares));
  const auto limits = histogram.reals(6), counts = histogram.reals(7);
  REQUIRE(limits.size() == counts.size());
  CHECK(limits.back() == std::numeric_limits<double>::max());
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const double low = i == 0 ? -std::numeric_limits<double>::infinity() : limits[i - 1];
    CHECK(low < limits[i]);
    const auto inside = [&](float x) { return low <= x && x < limits[i]; };
    REQUIRE(counts[i] == static_cast<double>(std::count_if(values.begin(), values.end(), inside)));
    if (counts[i] > 0 && low > 0 && limits[i] < 1e20 && low >= 1e-12)
      CHECK(limits[i] / low == doctest::Approx(1.1));
  }
  CHECK(value_of(found[1]).in(5).real(3) == 0);
  CHECK(value_of(found[1]).in(5).reals(7) == std::vector<double>{0});
}

TEST_CASE("a histogram begins and ends with a bucket that has values; empty ones between them are one") {
  const Histogram two = histogram_of(std::vector<float>{0.5f, 7.f, 0.5f});
  REQUIRE(two.counts == std::vector<double>{2, 0, 1});
  CHECK(two.limits[0] > 0.5);
  CHECK(two.limits[0] < 0.5 * 1.1001);
  CHECK(two.limits[1] <= 7);
  CHECK(two.limits[2] > 7);
  CHECK(two.limits[2] == doctest::Approx(two.limits[1] * 1.1));
  CHECK(histogram_of(std::vector<float>{0.f, -0.f}).counts == std::vector<double>{2});
}

TEST_CASE("images come back from their PNG") {
  const TemporaryFolder folder;
  TensorBoard board(folder.path());
  const std::vector<Image> images{fixture::noise(9, 5), fixture::plain(3, 2, 10, 20, 30)};
  board.images("samples", 2, images);
  board.image("gray", 2, fixture::noise(4, 6, 1));
  CHECK(message_of<ShapeError>([&] { board.image("x", 2, fixture::noise(4, 6, 4)); }).find("4 channels") !=
        std::string::npos);
  const auto found = events(board);
  REQUIRE(found.size() == 3);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(value_of(found[i])[1] == str_cat("samples/", i));
    const Fields image = value_of(found[i]).in(4);
    CHECK(image.integer(1) == images[i].height);
    CHECK(image.integer(2) == images[i].width);
    CHECK(image.integer(3) == 3);
    const std::string png = image[4];
    CHECK(decode_image({reinterpret_cast<const std::uint8_t*>(png.data()), png.size()}, "png") == images[i]);
  }
  CHECK(value_of(found[2]).in(4).integer(3) == 1);
}

TEST_CASE("texts and hyper-parameters are for the plugins that show them") {
  const TemporaryFolder folder;
  TensorBoard board(folder.path());
  board.text("notes", 1, "**bold**");
  const std::vector<Hyperparameter> parameters{
      {"lr", 0.5}, {"layers", 8}, {"ema", true}, {"name", "x\xFF"}, {"inf", HUGE_VAL}};
  board.hparams(parameters, std::vector<std::string>{"accuracy/val"});
  board.end_hparams(false);
  const auto found = events(board);
  REQUIRE(found.size() == 4);
  CHECK(value_of(found[0]).in(8).integer(1) == 7);
  CHECK(value_of(found[0]).in(8)[8] == "**bold**");
  CHECK(value_of(found[0]).in(9).in(1)[1] == "text");

  const auto hparams = [&](std::size_t i, int field) {
    CHECK(value_of(found[i]).in(9).in(1)[1] == "hparams");
    return value_of(found[i]).in(9).in(1).in(2).in(field);
  };
  CHECK(value_of(found[1])[1] == "_hparams_/experiment");
  CHECK(value_of(found[2])[1] == "_hparams_/session_start_info");
  CHECK(value_of(found[3])[1] == "_hparams_/session_end_info");
  std::map<std::string, std::int64_t> types;
  const Fields experiment = hparams(1, 2), start = hparams(2, 3);
  for (auto [at, end] = experiment.fields.equal_range(4); at != end; ++at)
    types[Fields(at->second)[1]] = Fields(at->second).integer(4);
  CHECK(types ==
        std::map<std::string, std::int64_t>{{"lr", 3}, {"layers", 3}, {"ema", 2}, {"name", 1}, {"inf", 1}});
  CHECK(experiment.in(5).in(1)[2] == "accuracy/val");
  std::map<std::string, std::string> values;
  for (auto [at, end] = start.fields.equal_range(1); at != end; ++at)
    values.emplace(Fields(at->second)[1], Fields(at->second)[2]);
  REQUIRE(values.size() == 5);
  CHECK(Fields(values["lr"]).real(2) == 0.5);
  CHECK(Fields(values["layers"]).real(2) == 8);
  CHECK(Fields(values["ema"]).integer(4) == 1);
  CHECK(Fields(values["name"])[3] == "x?");
  CHECK(Fields(values["inf"])[3] == "inf");
  CHECK(hparams(3, 4).integer(1) == 2);
}

TEST_CASE("a file goes on where its size was noted; what came later, torn or whole, is removed") {
  const TemporaryFolder folder;
  std::uint64_t noted = 0;
  std::string before;
  {
    TensorBoard board(folder.path());
    board.scalar("a", 1, 1);
    board.sync();
    noted = board.size();
    before = content(board.path());
    board.scalar("a", 2, 2);
    CHECK(message_of<FileError>([&] { TensorBoard(folder.path(), noted); }).find("another process") !=
          std::string::npos);
  }
  const fs::path path = fs::directory_iterator(folder.path())->path();
  fs::resize_file(path, fs::file_size(path) - 5);  // torn
  {
    TensorBoard board(folder.path(), noted);
    CHECK(board.size() == noted);
    CHECK(content(path) == before);
    board.scalar("a", 2, 3);
  }
  CHECK(content(path).starts_with(before));
  CHECK(records(content(path)).size() == 3);

  const std::string whole = content(path);
  const auto refused = [&](std::uint64_t at) {
    return message_of<FileError>([&] { TensorBoard(folder.path(), at); });
  };
  CHECK(refused(noted - 1).find("no record ends there") != std::string::npos);
  CHECK(refused(noted + 1).find(str_cat("ends at byte ", noted)) != std::string::npos);
  CHECK(refused(whole.size() + 1)
            .find(str_cat("it has ", whole.size(), " bytes, at least ", whole.size() + 1)) !=
        std::string::npos);
  CHECK(refused(0).find("choose another folder") != std::string::npos);
  CHECK(content(path) == whole);  // none of these has changed it

  for (const std::size_t at :
       {noted - 6, std::uint64_t{3}, std::uint64_t{9}}) {  // data, length, its checksum
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    fixture::write(path, damaged);
    CHECK(refused(noted).find("is damaged") != std::string::npos);
    CHECK(content(path) == damaged);
  }
  fs::remove(path);
  CHECK(refused(noted).find("found 0") != std::string::npos);
  CHECK(message_of<FileError>([&] { TensorBoard(folder.path() / "none"); }).find("No such file") !=
        std::string::npos);
}

TEST_CASE("on a full disk nothing is half-written, and writing goes on when there is room") {
  const TemporaryFolder folder;
  TensorBoard board(folder.path());
  board.scalar("a", 1, 1);
  const std::string before = content(board.path());
  std::string message;
  {
    const FileSizeLimit limit(before.size() + 20);  // room for a part of the record
    message = message_of<FileError>([&] { board.scalar("a", 2, 2); });
  }
  CHECK(message.find("File too large; the records before are untouched") != std::string::npos);
  CHECK(content(board.path()) == before);
  CHECK(board.size() == before.size());
  board.scalar("a", 2, 2);
  CHECK(events(board).size() == 2);
}
