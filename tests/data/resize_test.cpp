#include "minivit/data/resize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "../support/message_of.hpp"
#include "fixture.hpp"

using namespace minivit;
using namespace minivit::image;

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

TEST_CASE("resize keeps one color, and the same size changes nothing") {
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

TEST_CASE("resizing is the weighted sums, for every size and number of channels") {
  // Slow and plain: one value after the other.
  const auto sum_up = [](const image::detail::ResizeWeights& w, int o, const auto& value) {
    std::int32_t sum = 1 << (image::detail::kWeightBits - 1);
    const std::size_t place = static_cast<std::size_t>(o);
    for (int k = 0; k < w.count[place]; ++k) sum += value(w.first[place] + k) * w.of(o)[k];
    return static_cast<std::uint8_t>(std::clamp(sum >> image::detail::kWeightBits, 0, 255));
  };
  Rng rng(8);
  for (int round = 0; round < 200; ++round) {
    const auto draw = [&](std::uint32_t n) { return static_cast<int>(1 + rng.below(n)); };
    const int w = draw(70), h = draw(70), to_w = draw(50), to_h = draw(50), channels = draw(4);
    const Image image = fixture::noise(w, h, channels, static_cast<std::uint64_t>(round));
    for (const Filter filter : {Filter::bilinear, Filter::bicubic}) {
      Image expected = image;
      if (to_w != w) {
        const auto weights = image::detail::resize_weights(image::detail::Axis::whole(w, to_w), filter);
        expected = make_image(to_w, h, channels);
        for (int y = 0; y < h; ++y)
          for (int i = 0; i < to_w * channels; ++i)
            expected.row(y)[i] = sum_up(weights, i / channels,
                                        [&](int x) { return image.row(y)[x * channels + i % channels]; });
      }
      if (to_h != h) {
        const Image narrow = expected;
        const auto weights = image::detail::resize_weights(image::detail::Axis::whole(h, to_h), filter);
        expected = make_image(to_w, to_h, channels);
        for (int y = 0; y < to_h; ++y)
          for (int i = 0; i < to_w * channels; ++i)
            expected.row(y)[i] = sum_up(weights, y, [&](int from) { return narrow.row(from)[i]; });
      }
      REQUIRE(resize(image, to_w, to_h, filter) == expected);
    }
  }
}

TEST_CASE("a region of whole pixels is crop and resize") {
  const Image image = fixture::noise(40, 30);
  for (const Filter filter : {Filter::nearest, Filter::bilinear, Filter::bicubic})
    for (const auto& [x, y, w, h] : {std::array{0, 0, 40, 30}, {3, 5, 20, 11}, {39, 29, 1, 1}, {0, 7, 16, 9}})
      for (const auto& [to_w, to_h] : {std::pair{16, 9}, {20, 3}, {5, 11}, {50, 50}}) {
        const Region region{static_cast<double>(x), static_cast<double>(y), static_cast<double>(w),
                            static_cast<double>(h)};
        CHECK(resize(image, region, to_w, to_h, filter) ==
              resize(crop(image, x, y, w, h), to_w, to_h, filter));
      }
}

TEST_CASE("a region of broken pixels lies where it says") {
  // On a ramp every pixel shows where it was taken from.
  Image ramp = make_image(100, 4);
  for (int y = 0; y < 4; ++y)
    for (int i = 0; i < 300; ++i) ramp.row(y)[i] = static_cast<std::uint8_t>(2 * (i / 3));
  for (const double left : {10.0, 10.25, 10.5, 33.75}) {
    const Image part = resize(ramp, Region{left, 0.5, 40.5, 3}, 9, 3, Filter::bilinear);
    for (int x = 1; x < 8; ++x)  // at the edges half of the filter is missing
      CHECK(std::abs(part.row(1)[3 * x] - 2 * (left + (x + 0.5) * 4.5 - 0.5)) < 1);
  }
  CHECK(resize(fixture::plain(9, 9, 4, 5, 6), Region{0.5, 0.25, 8.5, 8.75}, 3, 4, Filter::bicubic) ==
        fixture::plain(3, 4, 4, 5, 6));
  for (const Region& bad : {Region{-0.5, 0, 4, 4}, {0, 0, 0, 4}, {97, 0, 3.5, 4}, {0, 1, 4, NAN}})
    CHECK(message_of<ShapeError>([&] {
            return resize(ramp, bad, 2, 2, Filter::bicubic);
          }).starts_with("resize: "));
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
    CHECK(message_of<ShapeError>([&] { return resize(image, 0, 4, filter); }) ==
          "resize: size is 0x4, expected at least 1x1 and at most 64000000 pixels");
    CHECK(message_of<ShapeError>([&] {
            return resize(image, 1 << 20, 1 << 20, filter);
          }).starts_with("resize: size is 1048576x"));
  }
  CHECK(message_of<ShapeError>([&] { return crop(image, 4, 0, 4, 5); }) ==
        "crop: 4x5 at (4, 0) is not within an image of 7x5");
  CHECK(message_of<ShapeError>([&] { return crop(image, -1, 0, 4, 5); }).starts_with("crop: 4x5 at (-1, 0)"));
  CHECK(message_of<ShapeError>([&] {
          return crop(image, 0, 0, 2147483647, 5);
        }).starts_with("crop: 2147483647x5"));
  CHECK(message_of<ShapeError>([] {
          return resize(Image{}, 3, 3, Filter::bilinear);
        }).starts_with("resize: image of 0x0"));
  CHECK(message_of<ShapeError>([] { return flip(Image{}); }).starts_with("flip: image of 0x0"));
}

TEST_CASE("a region too narrow for numbers is made of the pixel in which it lies") {
  const Image image = fixture::noise(6, 5);
  for (const Filter filter : {Filter::nearest, Filter::bilinear, Filter::bicubic})
    for (const int x : {0, 2, 5})
      for (const int y : {0, 3, 4}) {
        const Region region{static_cast<double>(x), static_cast<double>(y), 1e-300, 1e-300};
        CHECK(resize(image, region, 2, 3, filter) == resize(crop(image, x, y, 1, 1), 2, 3, filter));
      }
  // At the far edge, where there is no pixel behind it.
  for (const Filter filter : {Filter::nearest, Filter::bilinear, Filter::bicubic})
    CHECK(resize(image, Region{6, 5, 1e-300, 1e-300}, 2, 2, filter) ==
          resize(crop(image, 5, 4, 1, 1), 2, 2, filter));
}
