// Center crops of an odd rest: torchvision's and transformers' rules. Extreme normalization.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "minivit/data/preprocess.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

/// An image whose every pixel says its column and row.
Image numbered(int width, int height) {
  Image image = image::make_image(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      image.row(y)[3 * x] = static_cast<std::uint8_t>(x);
      image.row(y)[3 * x + 1] = static_cast<std::uint8_t>(y);
    }
  return image;
}

}  // namespace

TEST_CASE("center crop: half the rest, rounded to even or down") {
  using enum CropRounding;
  for (const auto& [rest, to_even, to_lower] : {std::array{0, 0, 0},
                                                {1, 0, 0},
                                                {2, 1, 1},
                                                {3, 2, 1},
                                                {4, 2, 2},
                                                {5, 2, 2},
                                                {7, 4, 3},
                                                {71, 36, 35}}) {
    CHECK(image::detail::center_start(32 + rest, 32, even) == to_even);
    CHECK(image::detail::center_start(32 + rest, 32, down) == to_lower);
  }
}

TEST_CASE("center crop: the rule of the settings decides about the pixels") {
  for (const auto& [width, height] : {std::array{35, 32}, {32, 35}, {39, 32}}) {
    const Image image = numbered(width, height);
    Preprocess p{.height = 32, .width = 32, .fit = Preprocess::Fit::crop};
    const auto first = [&] { return fit_image(image, p).pixels; };
    const auto even = first();
    CHECK(even[0] == (width > 32 ? (width - 31) / 2 : 0));
    CHECK(even[1] == (height > 32 ? (height - 31) / 2 : 0));
    p.crop_rounding = CropRounding::down;
    const auto down = first();
    CHECK(down[0] == (width - 32) / 2);
    CHECK(down[1] == (height - 32) / 2);
  }
}

TEST_CASE("normalization that makes numbers out of all range is refused when it is set") {
  const auto complaint = [](const Preprocess& p) { return message_of<ConfigError>([&] { p.validate(); }); };
  CHECK(complaint({.std = {0.2f, 1e-45f, 0.2f}}).find("preprocess: std[1] is 1e-45, expected ") == 0);
  CHECK(complaint({.mean = {0, 0, 3e38f}}) == "preprocess: mean[2] is 3e+38, expected -1000 to 1000");
  CHECK(complaint({.std = {2000, 1, 1}}).find("preprocess: std[0] is 2000, expected ") == 0);
  CHECK(complaint({.mean = {0.5f, 0.5f, 0.5f}, .std = {1.0f / 255, 1.0f / 255, 1.0f / 255}}) ==
        "nothing was thrown");
  CHECK(complaint({.mean = {123.7f, 116.3f, 103.5f}, .std = {58, 57, 57}}) == "nothing was thrown");
}

TEST_CASE("a sample is written only where there is room for all of it") {
  const Image image = numbered(8, 4);
  const Preprocess p{.height = 4, .width = 8};
  std::vector<float> room(3 * 4 * 8, 7.0f);
  to_tensor(image, p, std::span<float>(room));
  CHECK(room[0] != 7.0f);
  for (const std::size_t size : {room.size() - 1, std::size_t{0}}) {
    std::vector<float> small(size, 7.0f);
    CHECK(message_of<ShapeError>([&] { to_tensor(image, p, std::span<float>(small)); }) ==
          str_cat("to_tensor: there is room for ", size, " numbers, a sample is (3, 4, 8)"));
  }
}
