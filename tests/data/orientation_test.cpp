// EXIF orientation: the eight ways to store an image, in the files that state one, and where it is applied.
#include "minivit/data/orientation.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/core/check.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/data/image.hpp"
#include "minivit/data/image_folder.hpp"
#include "minivit/data/image_formats.hpp"

using namespace minivit;
using namespace minivit::image;

namespace {

using Bytes = std::vector<std::uint8_t>;

std::filesystem::path further(const std::string& name) { return fixture::path("image_formats/" + name); }

/// A TIFF directory with the tag Orientation alone.
Bytes exif_of(int orientation, bool big_endian, std::uint8_t type = 3) {
  const std::uint8_t o = static_cast<std::uint8_t>(orientation), kind = type;
  if (!big_endian)
    return {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 1, kind, 0, 1, 0, 0, 0, o, 0, 0, 0, 0, 0, 0, 0};
  Bytes exif{'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0, kind, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  exif[type == 4 ? 21 : type == 3 ? 19 : 18] = o;
  return exif;
}

/// `jpeg` with EXIF data behind its first marker.
Bytes with_exif(const Bytes& jpeg, const Bytes& exif) {
  Bytes out(jpeg.begin(), jpeg.begin() + 2);
  const std::size_t length = 2 + 6 + exif.size();
  for (const std::size_t value : {std::size_t{0xFF}, std::size_t{0xE1}, length >> 8, length & 255})
    out.push_back(static_cast<std::uint8_t>(value));
  for (const char c : {'E', 'x', 'i', 'f', '\0', '\0'}) out.push_back(static_cast<std::uint8_t>(c));
  out.insert(out.end(), exif.begin(), exif.end());
  out.insert(out.end(), jpeg.begin() + 2, jpeg.end());
  return out;
}

}  // namespace

TEST_CASE("the eight orientations, as Pillow's exif_transpose has them") {
  const Image stored{3, 2, 1, {1, 2, 3, 4, 5, 6}};
  const std::array<Image, 8> expected{{{3, 2, 1, {1, 2, 3, 4, 5, 6}},
                                       {3, 2, 1, {3, 2, 1, 6, 5, 4}},
                                       {3, 2, 1, {6, 5, 4, 3, 2, 1}},
                                       {3, 2, 1, {4, 5, 6, 1, 2, 3}},
                                       {2, 3, 1, {1, 4, 2, 5, 3, 6}},
                                       {2, 3, 1, {4, 1, 5, 2, 6, 3}},
                                       {2, 3, 1, {6, 3, 5, 2, 4, 1}},
                                       {2, 3, 1, {3, 6, 2, 5, 1, 4}}}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    CHECK(upright(stored, orientation) == expected[static_cast<std::size_t>(orientation - 1)]);
  }
  for (const int bad : {0, 9, -1})
    CHECK(message_of<Error>([&] { return upright(stored, bad); }) ==
          str_cat("upright: orientation is ", bad, ", expected 1 to 8"));
}

TEST_CASE("turning back gives the image again, at sizes around the squares in which it is turned") {
  constexpr int kBack[] = {1, 2, 3, 4, 5, 8, 7, 6};
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 200}, {63, 65}, {64, 128}, {130, 67}})
    for (const int channels : {1, 3, 4})
      for (int orientation = 1; orientation <= 8; ++orientation) {
        const Image image = fixture::noise(width, height, channels);
        CHECK(upright(upright(image, orientation), kBack[orientation - 1]) == image);
      }
}

TEST_CASE("JPEG and PNG are set upright as Pillow does") {
#if defined(MINIVIT_WITH_LIBJPEG)
  const int tolerance = 0;
#else
  const int tolerance = 6;
#endif
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const std::string name = str_cat("turned_", orientation, ".jpg");
    const Image expected = decode_image(further(name + ".rgb.png"));
    const Decoded turned = decode_image(further(name), DecodeOptions{});
    CHECK(turned.orientation == orientation);
    CHECK(turned.width == turned.image.width);
    CHECK(turned.height == turned.image.height);
    CHECK(fixture::difference(turned.image, expected) <= tolerance);
    CHECK(decode_image(further(name)) == turned.image);

    const Decoded stored = decode_image(further(name), DecodeOptions{.apply_orientation = false});
    CHECK(stored.orientation == orientation);
    CHECK(stored.image.width == 23);
    CHECK(upright(stored.image, orientation) == turned.image);

    const ImageInfo info = image_info(further(name)),
                    raw = image_info(further(name), {.apply_orientation = false});
    CHECK(info.format == "JPEG");
    CHECK(info.orientation == orientation);
    CHECK(info.width == turned.width);
    CHECK(info.height == turned.height);
    CHECK(raw.width == 23);
    CHECK(raw.height == 17);
  }
  const Decoded png = decode_image(further("turned.png"), DecodeOptions{});
  CHECK(png.orientation == 8);
  CHECK(png.image == decode_image(further("turned.png.rgb.png")));
}

TEST_CASE("EXIF data are read in both byte orders and types, and never make a bad image") {
  const Bytes jpeg = fixture::read(fixture::path("data_decode/baseline.jpg"));
  const Image stored = decode_image(jpeg, "the file");
  for (const bool big_endian : {false, true})
    for (const std::uint8_t type : {std::uint8_t{1}, std::uint8_t{3}, std::uint8_t{4}})
      for (int orientation = 0; orientation <= 9; ++orientation) {
        const Decoded d = decode_image(with_exif(jpeg, exif_of(orientation, big_endian, type)), "the file",
                                       DecodeOptions{});
        const int expected = orientation >= 1 && orientation <= 8 ? orientation : 1;
        CHECK(d.orientation == expected);
        CHECK(d.image == upright(stored, expected));
      }
  const Bytes good = exif_of(6, false);
  for (std::size_t length = 0; length < good.size(); ++length) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    const int orientation = decode_image(with_exif(jpeg, cut), "the file", DecodeOptions{}).orientation;
    CHECK(orientation == (length < 22 ? 1 : 6));
  }
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    Bytes changed = good;
    changed[rng.below(static_cast<std::uint32_t>(changed.size()))] ^=
        static_cast<std::uint8_t>(1 + rng.below(255));
    const int orientation = decode_image(with_exif(jpeg, changed), "the file", DecodeOptions{}).orientation;
    CHECK((orientation >= 1 && orientation <= 8));
  }
  CHECK(decode_image(with_exif(jpeg, exif_of(3, false, 5)), "the file", DecodeOptions{}).orientation ==
        1);  // a ratio
  // The first EXIF segment counts; the tag of a second directory, of the thumbnail, does not.
  CHECK(decode_image(with_exif(with_exif(jpeg, exif_of(3, false)), exif_of(8, true)), "the file",
                     DecodeOptions{})
            .orientation == 8);
}

TEST_CASE("a reduction is chosen for the upright size, and whole blocks begin where the image begins") {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const bool swaps = orientation >= 5;
    std::vector<std::pair<int, int>> asked;
    const Decoded d =
        decode_image(further(str_cat("turned_", orientation, ".jpg")), [&](int width, int height) {
          asked.emplace_back(width, height);
          return 2;
        });
    CHECK(d.width == (swaps ? 17 : 23));
    CHECK(d.height == (swaps ? 23 : 17));
    if (!d.reducible) continue;
    CHECK(asked == std::vector<std::pair<int, int>>{{d.width, d.height}});
    CHECK(d.reduction == (orientation == 1 ? 2 : 1));  // neither 23 nor 17 is even
    CHECK(d.image.width == (d.width - 1) / d.reduction + 1);
    CHECK(d.image.height == (d.height - 1) / d.reduction + 1);
  }
}

TEST_CASE("an image folder sees the images upright") {
  const fixture::TemporaryFolder folder;
  for (const std::string name : {"a", "b"}) std::filesystem::create_directories(folder.path() / name);
  std::filesystem::copy_file(further("turned_6.jpg"), folder.path() / "a" / "6.jpg");
  std::filesystem::copy_file(further("turned_3.jpg"), folder.path() / "b" / "3.jpg");
  const Preprocess p{.height = 16, .width = 16};
  const ImageFolder data(folder.path(), p);
  std::vector<float> found(3 * 16 * 16), expected(found.size());
  Rng rng;
  for (std::size_t i = 0; i < data.size(); ++i) {
    data.load(i, rng, found.data());
    preprocess(decode_image(data.paths()[i]), p, expected.data());
    CHECK(found == expected);
    preprocess(decode_image(data.paths()[i], DecodeOptions{.apply_orientation = false}).image, p,
               expected.data());
    CHECK(found != expected);
  }
}
