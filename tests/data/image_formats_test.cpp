// The image formats that need a library of their own, against what Pillow makes of the same files, and what
// is said about files that are not read.
#include "minivit/data/image_formats.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/core/check.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/data/image.hpp"

using namespace minivit;
using namespace minivit::image;

namespace {

using Bytes = std::vector<std::uint8_t>;

std::filesystem::path further(const std::string& name) { return fixture::path("image_formats/" + name); }

struct File {
  std::string name;
  int tolerance = 0;  // largest difference from Pillow's pixels
  int orientation = 1;
};

/// Files of the formats that this build reads.
std::vector<File> files() {
  std::vector<File> files;
#if defined(MINIVIT_WITH_LIBWEBP)
  for (const std::string name : {"lossless.webp", "lossy.webp", "alpha.webp", "animated.webp"})
    files.push_back({name});
  files.push_back({"turned.webp", 0, 6});
#endif
#if defined(MINIVIT_WITH_GIFLIB)
  for (const std::string name : {"plain.gif", "interlaced.gif", "animated.gif", "gray.gif"})
    files.push_back({name});
#endif
#if defined(MINIVIT_WITH_LIBTIFF)
  for (const std::string name : {"raw.tif", "tiff_lzw.tif", "tiff_adobe_deflate.tif", "packbits.tif",
                                 "fax.tif", "gray.tif", "palette.tif", "alpha.tif", "gray16.tif"})
    files.push_back({name});
  files.push_back({"jpeg.tif", 2});  // another libjpeg's interpolation of color
  for (int orientation = 1; orientation <= 8; ++orientation)
    files.push_back({str_cat("turned_", orientation, ".tif"), 0, orientation});
#endif
#if defined(MINIVIT_WITH_LIBAVIF)
  files.push_back({"plain.avif", 6});  // other arithmetic from YUV to RGB
  for (int orientation = 2; orientation <= 8; ++orientation)
    files.push_back({str_cat("turned_", orientation, ".avif"), 3, orientation});
#endif
#if defined(MINIVIT_WITH_LIBHEIF)
  files.push_back({"plain.heic", 6});
  files.push_back({"turned.heic", 24});  // the reference is the picture before it was coded
#endif
  return files;
}

/// Decodes, and demands either a whole image or a FileError that names the file.
bool decodes(const Bytes& bytes) {
  try {
    const Image image = decode_image(bytes, "the file");
    REQUIRE(image.pixels.size() == image.stride() * static_cast<std::size_t>(image.height));
    return true;
  } catch (const FileError& error) {
    REQUIRE(std::string_view(error.what()).starts_with("the file: "));
    return false;
  }
}

}  // namespace

TEST_CASE("further formats are decoded as Pillow does, upright") {
  for (const File& file : files()) {
    CAPTURE(file.name);
    const Decoded decoded = decode_image(further(file.name), DecodeOptions{});
    const int d = fixture::difference(decoded.image, decode_image(further(file.name + ".rgb.png")));
    CHECK(d <= file.tolerance);
    CHECK(decoded.orientation == file.orientation);
    const Decoded stored = decode_image(further(file.name), DecodeOptions{.apply_orientation = false});
    const bool always_turned = file.name == "turned.heic";
    CHECK(stored.image.width == (always_turned ? 17 : 23));
    CHECK(stored.image.height == (always_turned ? 23 : 17));
    const ImageInfo info = image_info(further(file.name));
    CHECK(info.width == decoded.width);
    CHECK(info.height == decoded.height);
    CHECK(has_image_suffix(file.name));
    CHECK_FALSE(has_unread_image_suffix(file.name));
  }
}

TEST_CASE("further formats obey the limit on pixels") {
  for (const File& file : files()) {
    CAPTURE(file.name);
    const auto decode = [&](std::int64_t limit) {
      return message_of<FileError>(
          [&] { return decode_image(further(file.name), DecodeOptions{.max_pixels = limit}); });
    };
    CHECK(decode(23 * 17 - 1).ends_with(", expected at least 1x1 and at most 390 pixels"));
    CHECK_NOTHROW(static_cast<void>(decode_image(further(file.name), DecodeOptions{.max_pixels = 391})));
  }
}

TEST_CASE("a file of a further format cut anywhere or changed is an error or an image, never a crash") {
  for (const File& file : files()) {
    CAPTURE(file.name);
    const Bytes bytes = fixture::read(further(file.name));
    REQUIRE(decodes(bytes));
    std::size_t errors = 0;
    for (std::size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 200)
      errors += !decodes(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)));
    CHECK(errors > 50);  // the later pictures of an animation do not matter
    Rng rng(7);
    for (std::size_t i = 0; i < bytes.size(); i += 1 + bytes.size() / 300) {
      Bytes changed = bytes;
      changed[i] ^= static_cast<std::uint8_t>(1 + rng.below(255));
      decodes(changed);
    }
  }
}

TEST_CASE("the content counts, not the suffix") {
  const fixture::TemporaryFolder folder;
  for (const File& file : files()) {
    CAPTURE(file.name);
    const auto renamed = folder.path() / (file.name + ".jpg");
    std::filesystem::copy_file(further(file.name), renamed);
    CHECK(decode_image(renamed) == decode_image(further(file.name)));
  }
}

TEST_CASE("what is not read is said by its content, and its suffix is known") {
  const auto message = [](std::string start) {
    start.resize(64);
    const Bytes bytes(start.begin(), start.end());
    return message_of<FileError>([&] { return decode_image(bytes, "the file"); });
  };
  CHECK(message("8BPS").ends_with(" image but a Photoshop image; convert it to one of these"));
  CHECK(message("P6\n4 4\n255\n").ends_with(" image but a PPM image; convert it to one of these"));
  CHECK(message("<!DOCTYPE html>").ends_with(" image but a web page; convert it to one of these"));
#if !defined(MINIVIT_WITH_LIBWEBP)
  CHECK(
      message("RIFF1234WEBP")
          .ends_with(" image but a WebP image, and this program was built without libwebp; convert it to one "
                     "of these"));
  CHECK(has_unread_image_suffix("a.WebP"));
#endif
  for (const std::string name : {"a.ppm", "a.PSD", "b/c.jxl", "a.svg"}) {
    CHECK(has_unread_image_suffix(name));
    CHECK_FALSE(has_image_suffix(name));
  }
  for (const std::string name : {"a.txt", "a.jpg", "a", "a.csv", ".psd"})
    CHECK_FALSE(has_unread_image_suffix(name));
}
