#include "minivit/data/resize.hpp"

#include <doctest/doctest.h>

#include <string>

#include "../support/message_of.hpp"
#include "fixture.hpp"

using namespace minivit;

namespace {

Image reference(const std::string& name) { return decode_image(fixture::path("resize/" + name + ".png")); }

}  // namespace

TEST_CASE("resize gives Pillow's bytes") {
  const Image photo = reference("photo"), tiny = reference("tiny");
  struct {
    const char* name;
    Filter filter;
  } const filters[] = {
      {"nearest", Filter::nearest}, {"bilinear", Filter::bilinear}, {"bicubic", Filter::bicubic}};
  for (const auto& [name, filter] : filters) {
    const std::string prefix = name;
    CAPTURE(prefix);
    CHECK(fixture::difference(resize(photo, 64, 48, filter), reference(prefix + "_64x48")) == 0);
    CHECK(fixture::difference(crop(resize(photo, 400, 500, filter), 150, 200, 80, 60),
                              reference(prefix + "_400x500_at_150_200")) == 0);
    CHECK(fixture::difference(resize(tiny, 11, 7, filter), reference("tiny_" + prefix + "_11x7")) == 0);
    if (filter == Filter::nearest) continue;
    CHECK(fixture::difference(resize(photo, 32, 32, filter), reference(prefix + "_32x32")) == 0);
    CHECK(fixture::difference(crop(resize(photo, 224, 224, filter), 64, 0, 64, 224),
                              reference(prefix + "_224x224_at_64_0")) == 0);
  }
}

TEST_CASE("resize keeps one colour, and the same size changes nothing") {
  for (const Filter filter : {Filter::nearest, Filter::bilinear, Filter::bicubic})
    for (const auto& [w, h] : {std::pair{1, 1}, {2, 9}, {37, 3}, {100, 80}}) {
      CHECK(resize(fixture::plain(17, 13, 255, 0, 130), w, h, filter) == fixture::plain(w, h, 255, 0, 130));
      const Image image = fixture::noise(w, h);
      CHECK(resize(image, w, h, filter) == image);
    }
}

TEST_CASE("resize treats channels alike and apart") {
  const Image rgb = fixture::noise(29, 23);
  for (const Filter filter : {Filter::nearest, Filter::bilinear, Filter::bicubic})
    for (const int channels : {1, 2, 4}) {
      Image image = make_image(29, 23, channels);
      for (std::size_t i = 0; i < 29 * 23; ++i)
        for (int c = 0; c < channels; ++c)
          image.pixels[i * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)] =
              rgb.pixels[i * 3 + static_cast<std::size_t>(c % 3)];
      const Image expected = resize(rgb, 12, 31, filter), found = resize(image, 12, 31, filter);
      REQUIRE(found.channels == channels);
      for (std::size_t i = 0; i < 12 * 31; ++i)
        for (int c = 0; c < channels; ++c)
          REQUIRE(found.pixels[i * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)] ==
                  expected.pixels[i * 3 + static_cast<std::size_t>(c % 3)]);
    }
}

TEST_CASE("crop and flip") {
  const Image image = fixture::noise(7, 5);
  const Image part = crop(image, 2, 1, 4, 3);
  for (int y = 0; y < 3; ++y)
    for (int i = 0; i < 12; ++i) CHECK(part.row(y)[i] == image.row(y + 1)[6 + i]);
  const Image mirrored = flip(image);
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 7; ++x)
      for (int c = 0; c < 3; ++c) CHECK(mirrored.row(y)[x * 3 + c] == image.row(y)[(6 - x) * 3 + c]);
  CHECK(flip(mirrored) == image);
}

TEST_CASE("sizes that make no sense are refused") {
  const Image image = fixture::noise(7, 5);
  for (const Filter filter : {Filter::nearest, Filter::bicubic}) {
    CHECK(message_of<ShapeError>([&] { resize(image, 0, 4, filter); }) ==
          "resize: size is 0x4, expected at least 1x1 and at most 64000000 pixels");
    CHECK(message_of<ShapeError>([&] {
            resize(image, 1 << 20, 1 << 20, filter);
          }).starts_with("resize: size is 1048576x"));
  }
  CHECK(message_of<ShapeError>([&] { crop(image, 4, 0, 4, 5); }) ==
        "crop: 4x5 at (4, 0) is not within an image of 7x5");
  CHECK(message_of<ShapeError>([&] { crop(image, -1, 0, 4, 5); }).starts_with("crop: 4x5 at (-1, 0)"));
  CHECK(message_of<ShapeError>([&] { crop(image, 0, 0, 2147483647, 5); }).starts_with("crop: 2147483647x5"));
  CHECK(message_of<ShapeError>([] {
          resize(Image{}, 3, 3, Filter::bilinear);
        }).starts_with("resize: image of 0x0"));
  CHECK(message_of<ShapeError>([] { flip(Image{}); }).starts_with("flip: image of 0x0"));
}
