#include "minivit/data/image.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/data/image_formats.hpp"

using namespace minivit;
using namespace minivit::image;

namespace {

std::string decode_message(std::vector<std::uint8_t> bytes) {
  return message_of<FileError>([&] { return decode_image(bytes, "the file"); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Decodes, and demands either a whole image or a FileError that names the file.
bool decodes(std::span<const std::uint8_t> bytes) {
  try {
    const Image image = decode_image(bytes, "the file");
    REQUIRE(image.pixels.size() ==
            static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
    return true;
  } catch (const FileError& error) {
    REQUIRE(contains(error.what(), "the file: "));
    return false;
  }
}

void put32(std::vector<std::uint8_t>& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace

TEST_CASE("lossless images are decoded as Pillow does") {
  for (const std::string name :
       {"gray.png", "bits1.png", "palette.png", "rgba.png", "gray_alpha.png", "palette_transparent.png",
        "rgb16.png", "gray16.png", "interlaced.png", "bits24.bmp", "bits32.bmp", "palette.bmp", "bits1.bmp",
        "gray.bmp", "bits16_565.bmp", "top_down.bmp", "bits4.bmp"}) {
    CAPTURE(name);
    const Image image = decode_image(fixture::path("data_decode/" + name));
    CHECK(image.channels == 3);
    CHECK(image.width == 23);
    CHECK(image.height == 17);
    const int d = fixture::difference(image, decode_image(fixture::path("data_decode/" + name + ".rgb.png")));
    CHECK(d == 0);
  }
}

TEST_CASE("JPEG is decoded as Pillow does") {
#if defined(MINIVIT_WITH_LIBJPEG)
  const int tolerance = 0;  // the same library
#else
  const int tolerance = 6;  // another inverse transform, other interpolation of color
#endif
  for (const std::string name : {"baseline.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg", "rotated.jpg"}) {
    CAPTURE(name);
    // Pillow's convert("RGB") does not turn it.
    const Image image =
        decode_image(fixture::path("data_decode/" + name), DecodeOptions{.apply_orientation = false}).image;
    const int d = fixture::difference(image, decode_image(fixture::path("data_decode/" + name + ".rgb.png")));
    CHECK(d <= tolerance);
  }
}

TEST_CASE("an encoded PNG decodes to the same image") {
  for (const int channels : {1, 3})
    for (const int width : {1, 2, 7, 64}) {
      const Image image = fixture::noise(width, 5, channels);
      const Image back = decode_image(encode_png(image), "memory");
      REQUIRE(back.width == width);
      REQUIRE(back.height == 5);
      for (std::size_t i = 0; i < back.pixels.size(); ++i)
        REQUIRE(back.pixels[i] == image.pixels[channels == 1 ? i / 3 : i]);
    }
}

TEST_CASE("a PNG file is written whole and replaces what was there") {
  const fixture::TemporaryFolder folder;
  const auto file = folder.path() / "image.png";
  fixture::write(file, "old");
  const Image image = fixture::noise(9, 4);
  encode_png(file, image);
  CHECK(decode_image(file) == image);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);

  const auto nowhere = folder.path() / "missing" / "image.png";
  const std::string message = message_of<FileError>([&] { encode_png(nowhere, image); });
  CHECK(contains(message, "cannot write " + nowhere.string()));
  CHECK(contains(message, "No such file or directory"));

  std::filesystem::create_directories(folder.path() / "taken" / "x");
  CHECK(contains(message_of<FileError>([&] { encode_png(folder.path() / "taken", image); }),
                 "cannot write " + (folder.path() / "taken").string()));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
}

TEST_CASE("what cannot be encoded is refused") {
  CHECK(message_of<ShapeError>([] { return encode_png(fixture::noise(2, 2, 4)); }) ==
        "encode_png: image has 4 channels, expected 1 (gray) or 3 (RGB)");
  Image broken = fixture::noise(3, 3);
  broken.pixels.pop_back();
  CHECK(contains(message_of<ShapeError>([&] { return encode_png(broken); }),
                 "encode_png: image of 3x3 with 3 channels has 26 bytes"));
  CHECK(contains(message_of<ShapeError>([] { return make_image(0, 4); }), "size is 0x4"));
  CHECK(contains(message_of<ShapeError>([] { return make_image(1 << 30, 1 << 30); }),
                 "at most 1000000000 pixels"));
  CHECK(contains(message_of<ShapeError>([] { return make_image(4, 4, 5); }), "5 channels"));
}

TEST_CASE("files that are no images are refused by name") {
  const fixture::TemporaryFolder folder;
  const auto message = [&](const std::string& name) {
    return message_of<FileError>([&] { return decode_image(folder.path() / name); });
  };
  const std::string start = folder.str() + "/", cannot = "cannot read " + start;
  CHECK(message_of<AccessError>([&] { return decode_image(folder.path() / "missing.png"); }) ==
        cannot + "missing.png: No such file or directory");
  CHECK(message("") == cannot + ": expected a file, found a directory");
  REQUIRE(::mkfifo((folder.path() / "pipe.png").c_str(), 0600) == 0);
  CHECK(message("pipe.png") == cannot + "pipe.png: expected a regular file, found a device, pipe or socket");
  fixture::write(folder.path() / "empty.png", "");
  CHECK(message("empty.png") == start + "empty.png: the file is empty, expected an image");
  const std::string formats = image::detail::format_names();
  fixture::write(folder.path() / "text.png", "words and more");
  CHECK(message("text.png") == start + "text.png: not a " + formats + " image; convert it to one of these");
  fixture::write(folder.path() / "page.jpg", "<!DOCTYPE html><title>404</title>");
  CHECK(message("page.jpg") ==
        start + "page.jpg: not a " + formats + " image but a web page; convert it to one of these");
  fixture::write(folder.path() / "huge.png", "x");
  std::filesystem::resize_file(folder.path() / "huge.png", kMaxImageFile + 1);
  CHECK(message("huge.png") == cannot + "huge.png: it has 536870913 bytes, at most 536870912 are accepted");
}

TEST_CASE("a size beyond the limit is refused before memory is asked for") {
  auto png = encode_png(fixture::noise(4, 4));
  // Width and height of a PNG are covered by a checksum, so libpng may object to that instead.
  png[16] = 0x00, png[17] = 0x00, png[18] = 0xFF, png[19] = 0xFF;
  CHECK_FALSE(decodes(png));

  auto bmp = fixture::read(fixture::path("data_decode/bits24.bmp"));
  put32(bmp, 18, 13378);
  put32(bmp, 22, 13377);
  CHECK(decode_message(bmp) ==
        "the file: the image is 13378x13377, expected at least 1x1 and at most 178956970 pixels");
  put32(bmp, 22, 0x80000000u);
  CHECK(contains(decode_message(bmp), "the image is 13378x2147483648"));
  put32(bmp, 22, 0);
  CHECK(contains(decode_message(bmp), "the image is 13378x0"));

  auto jpeg = fixture::read(fixture::path("data_decode/baseline.jpg"));
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i)
    if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) jpeg[i + 5] = jpeg[i + 7] = 0xFF;
  CHECK(contains(decode_message(jpeg), "expected at least 1x1 and at most 178956970 pixels"));
}

TEST_CASE("BMP variants that are not supported say so") {
  const auto good = fixture::read(fixture::path("data_decode/palette.bmp"));
  auto bmp = good;
  put32(bmp, 30, 1);
  CHECK(decode_message(bmp) ==
        "the file: compressed BMP (type 1) is not supported; save it uncompressed or as PNG");
  bmp = good;
  bmp[28] = 7;
  CHECK(decode_message(bmp) == "the file: BMP of 7 bits a pixel, expected 1, 4, 8, 16, 24 or 32");
  bmp = good;
  put32(bmp, 14, 41000);
  CHECK(decode_message(bmp) == "the file: BMP header of 41000 bytes, expected 12 or 40 to 124");
  bmp = good;
  put32(bmp, 46, 257);
  CHECK(decode_message(bmp) == "the file: damaged BMP: a palette of 257 colors for 8 bits a pixel");
  bmp = good;
  put32(bmp, 46, 1);  // most pixels now point behind the palette
  CHECK(contains(decode_message(bmp), "of a palette of 1"));
  bmp = good;
  put32(bmp, 10, 0xFFFFFFF0u);
  CHECK(contains(decode_message(bmp), "do not hold 23x17 pixels"));
}

TEST_CASE("a file cut anywhere is an error or an image, never a crash") {
  for (const std::string name :
       {"baseline.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg", "palette.png", "interlaced.png",
        "rgb16.png", "bits24.bmp", "bits1.bmp", "bits4.bmp", "bits16_565.bmp"}) {
    CAPTURE(name);
    const auto bytes = fixture::read(fixture::path("data_decode/" + name));
    REQUIRE(decodes(bytes));
    std::size_t images = 0;
    for (std::size_t length = 0; length < bytes.size(); ++length)
      images += decodes(std::vector(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)));
    CHECK(images <= 24);  // what is missing then is the end mark at most
    const std::vector half(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() * 7 / 8));
    CHECK(contains(decode_message(half), "damaged"));
  }
}

TEST_CASE("a file with any byte changed is an error or an image, never a crash") {
  for (const std::string name :
       {"baseline.jpg", "progressive.jpg", "palette.png", "interlaced.png", "bits24.bmp", "bits4.bmp"}) {
    CAPTURE(name);
    const auto bytes = fixture::read(fixture::path("data_decode/" + name));
    Rng rng(7);
    std::size_t errors = 0;
    for (std::size_t i = 2; i < bytes.size(); ++i)
      for (const std::uint8_t change : {std::uint8_t{0xFF}, static_cast<std::uint8_t>(1 + rng.below(255))}) {
        auto changed = bytes;
        changed[i] ^= change;
        errors += !decodes(changed);
      }
    CHECK(errors > 0);
  }
}

TEST_CASE("the list of formats: every file belongs to one of them, by its first bytes and by its name") {
  std::set<std::string_view> names, suffixes;
  for (const ImageFormat& format : image_formats()) {
    CHECK(names.insert(format.name).second);
    CHECK_FALSE(format.suffixes[0].empty());
    for (const std::string_view suffix : format.suffixes)
      if (!suffix.empty()) CHECK(suffixes.insert(suffix).second);
  }
  for (const auto& [name, format] : {std::pair<std::string, std::string_view>{"baseline.jpg", "JPEG"},
                                     {"rgba.png", "PNG"},
                                     {"gray.bmp", "BMP"}}) {
    const auto bytes = fixture::read(fixture::path("data_decode/" + name));
    const ImageFormat* const found = find_image_format(bytes);
    REQUIRE(found != nullptr);
    CHECK(found->name == format);
    CHECK(found->size(bytes, name, kDefaultMaxPixels).width == 23);
    CHECK(found->size(bytes, name, kDefaultMaxPixels).height == 17);
    for (std::size_t length = 0; length < 2; ++length)
      CHECK(find_image_format(std::span(bytes).first(length)) == nullptr);
    CHECK(has_image_suffix(name));
  }
  for (const std::string name : {"a.JPG", "b/c.jpeg", "x.y.Png", "z.bmp", "a.jfif", "a.jpe", "a.pjpeg"})
    CHECK(has_image_suffix(name));
  for (const std::string name : {"a.psd", "jpg", ".jpg", "a.jpg.txt", "a.", "", "b.png/c"})
    CHECK_FALSE(has_image_suffix(name));
}
