// TensorBoard's event file, read by a reader that shares nothing with the writer.
#include "minivit/experiment/tensorboard.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "data/fixture.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/data/image.hpp"
#include "support/message_of.hpp"

using namespace minivit;
namespace fs = std::filesystem;

namespace {

/// CRC-32C bit by bit, from its polynomial.
std::uint32_t plain_crc(const std::string& bytes) {
  std::uint32_t c = 0xffffffffu;
  for (const char b : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool feedback = ((c ^ (static_cast<unsigned char>(b) >> bit)) & 1) != 0;
      c = (c >> 1) ^ (feedback ? 0x82F63B78u : 0u);
    }
  return c ^ 0xffffffffu;
}

std::uint32_t unmasked(std::uint32_t masked) {
  const std::uint32_t rotated = masked - 0xA282EAD8u;
  return rotated >> 17 | rotated << 15;
}

/// A protobuf message: for each field number what is there, in order.
struct Message {
  std::map<int, std::vector<std::string>> bytes;    // wire type 2
  std::map<int, std::vector<std::uint64_t>> words;  // wire types 0, 1 and 5

  explicit Message(const std::string& data) {
    std::size_t at = 0;
    const auto varint = [&] {
      std::uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        REQUIRE(at < data.size());
        const auto b = static_cast<unsigned char>(data[at++]);
        value |= std::uint64_t{b & 127u} << shift;
        if (b < 128) return value;
      }
    };
    while (at < data.size()) {
      const std::uint64_t key = varint();
      const int field = static_cast<int>(key >> 3), type = static_cast<int>(key & 7);
      std::uint64_t word = 0;
      if (type == 0) {
        word = varint();
      } else if (type == 2) {
        const std::uint64_t length = varint();
        REQUIRE(length <= data.size() - at);
        bytes[field].push_back(data.substr(at, length));
        at += length;
        continue;
      } else {
        REQUIRE((type == 1 || type == 5));
        const std::size_t width = type == 1 ? 8 : 4;
        REQUIRE(width <= data.size() - at);
        std::memcpy(&word, data.data() + at, width);
        at += width;
      }
      words[field].push_back(word);
    }
  }

  const std::string& text(int field) const { return bytes.at(field).at(0); }
  Message message(int field, std::size_t i = 0) const { return Message(bytes.at(field).at(i)); }
  std::uint64_t word(int field) const { return words.at(field).at(0); }
  double real(int field) const {
    double value = 0;
    std::memcpy(&value, &words.at(field).at(0), 8);
    return value;
  }
  float single(int field) const {
    float value = 0;
    std::memcpy(&value, &words.at(field).at(0), 4);
    return value;
  }
  std::vector<double> reals(int field) const {  // packed
    std::vector<double> values(text(field).size() / 8);
    std::memcpy(values.data(), text(field).data(), values.size() * 8);
    return values;
  }
};

fs::path event_file(const fs::path& folder) {
  fs::path found;
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) found = entry.path(), ++count;
  CHECK(count == 1);
  return found;
}

/// The data of every record; checks lengths and checksums.
std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < file.size();) {
    REQUIRE(file.size() - at >= 16);
    std::uint64_t length = 0;
    std::uint32_t of_length = 0, of_data = 0;
    std::memcpy(&length, &file[at], 8);
    std::memcpy(&of_length, &file[at + 8], 4);
    REQUIRE(length <= file.size() - at - 16);
    CHECK(unmasked(of_length) == plain_crc(file.substr(at, 8)));
    out.push_back(file.substr(at + 12, length));
    std::memcpy(&of_data, &file[at + 12 + length], 4);
    CHECK(unmasked(of_data) == plain_crc(out.back()));
    at += 16 + length;
  }
  return out;
}

std::string content(const fs::path& path) { return read_file(path, 1 << 24); }

/// Everything in the only value of the last record.
Message last_value(const fs::path& folder) {
  return Message(records(content(event_file(folder))).back()).message(5).message(1);
}

}  // namespace

TEST_CASE("CRC-32C: the examples of RFC 3720") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62A8AB43u);
  std::string rising(32, '\0'), falling(32, '\0');
  for (int i = 0; i < 32; ++i)
    rising[static_cast<std::size_t>(i)] = static_cast<char>(i),
    falling[static_cast<std::size_t>(i)] = static_cast<char>(31 - i);
  CHECK(crc32c(rising) == 0x46DD794Eu);
  CHECK(crc32c(falling) == 0x113FDB5Cu);
  CHECK(crc32c("123456789") == 0xE3069283u);
  CHECK(crc32c("") == 0u);
  CHECK(plain_crc("123456789") == 0xE3069283u);
}

TEST_CASE("scalars: tag, step, value, time") {
  const fixture::TemporaryFolder folder;
  TensorBoard board(folder.path());
  board.scalar("loss/train", 7, 0.25);
  board.scalar("größe", 1234567890123, std::numeric_limits<double>::infinity());
  const auto all = records(content(event_file(folder.path())));
  REQUIRE(all.size() == 3);
  CHECK(Message(all[0]).text(3) == "brain.Event:2");
  CHECK(Message(all[0]).real(1) > 1.7e9);
  const Message event(all[1]), value = event.message(5).message(1);
  CHECK(event.word(2) == 7);
  CHECK(event.real(1) >= Message(all[0]).real(1));
  CHECK(value.text(1) == "loss/train");
  CHECK(value.single(2) == 0.25f);
  const Message second(all[2]);
  CHECK(second.word(2) == 1234567890123);
  CHECK(second.message(5).message(1).text(1) == "größe");
  CHECK(std::isinf(second.message(5).message(1).single(2)));
}

TEST_CASE("histograms: moments, and every value in the bucket that it belongs to") {
  const fixture::TemporaryFolder folder;
  TensorBoard board(folder.path());
  std::vector<float> values{0.0f, -0.0f, 1e-12f, -1e-12f, 1e-30f, -1e-30f, 1.0f, -1.0f, 3e38f, -3e38f, 1e20f};
  Rng rng(3);
  for (int i = 0; i < 500; ++i) values.push_back(rng.normal() * std::pow(10.0f, rng.uniform(-10, 10)));
  const std::size_t finite = values.size();
  values.push_back(std::numeric_limits<float>::infinity());
  values.push_back(std::numeric_limits<float>::quiet_NaN());
  board.histogram("w", 3, values);
  const Message histo = last_value(folder.path()).message(5);
  double sum = 0, squares = 0, low = 0, high = 0;
  for (std::size_t i = 0; i < finite; ++i) {
    const double v = values[i];
    sum += v, squares += v * v, low = std::min(low, v), high = std::max(high, v);
  }
  CHECK(histo.real(1) == low);
  CHECK(histo.real(2) == high);
  CHECK(histo.real(3) == static_cast<double>(finite));
  CHECK(histo.real(4) == doctest::Approx(sum));
  CHECK(histo.real(5) == doctest::Approx(squares));
  const std::vector<double> limits = histo.reals(6), counts = histo.reals(7);
  REQUIRE(limits.size() == counts.size());
  std::vector<double> expected(limits.size());
  for (std::size_t i = 0; i < finite; ++i) {
    std::size_t bucket = 0;
    while (values[i] > limits[bucket]) ++bucket;
    ++expected[bucket];
  }
  for (std::size_t i = 0; i + 1 < limits.size(); ++i) CHECK(limits[i] < limits[i + 1]);
  // A negative value on a limit may count on either side of it: nothing shows.
  double total = 0;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    total += counts[i];
    CHECK_MESSAGE(std::abs(counts[i] - expected[i]) <= 1.0, "bucket up to ", limits[i]);
  }
  CHECK(total == static_cast<double>(finite));
  const std::uint64_t before = board.size();
  board.histogram("empty", 3, {});
  CHECK(board.size() == before);
}

TEST_CASE("images, texts, hyper-parameters") {
  const fixture::TemporaryFolder folder;
  TensorBoard board(folder.path());
  Image picture = make_image(5, 3);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i)
    picture.pixels[i] = static_cast<std::uint8_t>(i * 5);
  board.image("samples/0", 2, picture);
  const Message image = last_value(folder.path()).message(4);
  CHECK(image.word(1) == 3);
  CHECK(image.word(2) == 5);
  CHECK(image.word(3) == 3);
  write_file_atomically(folder.path() / "x.png", image.text(4));
  CHECK(decode_image(folder.path() / "x.png") == picture);

  board.text("summary", 0, "*hello*");
  const Message text = last_value(folder.path());
  CHECK(text.message(8).word(1) == 7);
  CHECK(text.message(8).text(8) == "*hello*");
  CHECK(text.message(8).message(2).message(2).word(1) == 1);
  CHECK(text.message(9).message(1).text(1) == "text");

  const std::vector<Hyperparameter> parameters{{"lr", 0.5}, {"name", "x"}, {"flip", true}};
  const std::vector<std::string> metrics{"accuracy/validation"};
  board.hyperparameters(parameters, metrics);
  const auto all = records(content(event_file(folder.path())));
  const auto plugin = [&](std::size_t i) {
    const Message value = Message(all[i]).message(5).message(1);
    CHECK(value.message(9).message(1).text(1) == "hparams");
    return Message(value.message(9).message(1).text(2));
  };
  REQUIRE(all.size() == 5);
  const Message experiment = plugin(3).message(2), session = plugin(4).message(3);
  REQUIRE(experiment.bytes.at(5).size() == 3);
  CHECK(experiment.message(5, 0).text(1) == "lr");
  CHECK(experiment.message(5, 0).word(4) == 3);
  CHECK(experiment.message(5, 1).word(4) == 1);
  CHECK(experiment.message(5, 2).word(4) == 2);
  CHECK(experiment.message(6).message(1).text(2) == "accuracy/validation");
  CHECK(session.message(1, 0).message(2).real(2) == 0.5);
  CHECK(session.message(1, 1).message(2).text(3) == "x");
  CHECK(session.message(1, 2).message(2).word(4) == 1);
  board.end(true);
  CHECK(Message(last_value(folder.path()).message(9).message(1).text(2)).message(4).word(1) == 1);
}

TEST_CASE("a run that goes on: the same bytes up to the checkpoint, what came later is cut off") {
  const fixture::TemporaryFolder folder;
  std::uint64_t at = 0;
  {
    TensorBoard board(folder.path());
    for (int i = 0; i < 5; ++i) board.scalar("a", i, i);
    at = board.size();
    board.sync();
    board.scalar("lost", 5, 5);
  }
  const fs::path path = event_file(folder.path());
  std::string before = content(path);
  write_file_atomically(path, before + "torn");
  {
    TensorBoard board(folder.path(), at);
    CHECK(board.size() == at);
    board.scalar("a", 5, 5);
  }
  const std::string after = content(event_file(folder.path()));
  CHECK(after.substr(0, at) == before.substr(0, at));
  CHECK(records(after).size() == 7);
  CHECK(message_of<FileError>([&] { TensorBoard(folder.path(), at + 1); }) ==
        path.string() + ": no record ends at byte " + std::to_string(at + 1));
  CHECK(message_of<FileError>([&] { TensorBoard(folder.path(), 1 << 20); }) ==
        path.string() + ": has " + std::to_string(after.size()) + " bytes, expected at least 1048576");
  CHECK(content(event_file(folder.path())) == after);
  { TensorBoard anew(folder.path()); }
  CHECK(records(content(event_file(folder.path()))).size() == 1);
  const fixture::TemporaryFolder empty;
  CHECK(message_of<FileError>([&] { TensorBoard(empty.path(), 5); }).ends_with("to go on with"));
}

TEST_CASE("a full disk: an error, and whole records") {
  if (!fs::exists("/dev/full")) return;
  CHECK(message_of<FileError>([] {
          EventFile file("/dev/full", 0);
          file.append("x");
        }).starts_with("cannot write /dev/full: "));
}
