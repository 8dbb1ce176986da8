// Maps of an image as pictures.
#include "overlay.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "minivit/data/image.hpp"
#include "sample_images.hpp"

namespace minivit::cli {

namespace {

constexpr int kLeastEdge = 256, kGap = 6, kScaleWidth = 14;
constexpr float kOpacity = 0.55f;

using Color = std::array<float, 3>;

/// Color of a value in [0, 1]: viridis at nine places, straight in between.
Color color_of(float value) {
  static constexpr Color kViridis[] = {{68, 1, 84},    {71, 45, 123},  {59, 82, 139},
                                       {44, 114, 142}, {33, 145, 140}, {40, 174, 128},
                                       {94, 201, 98},  {173, 220, 48}, {253, 231, 37}};
  const float at = std::clamp(value, 0.0f, 1.0f) * 8;
  const auto below = std::min<std::size_t>(static_cast<std::size_t>(at), 7);
  const float rest = at - static_cast<float>(below);
  Color c;
  for (std::size_t i = 0; i < 3; ++i) c[i] = kViridis[below][i] * (1 - rest) + kViridis[below + 1][i] * rest;
  return c;
}

/// The map at (y, x) in units of patches from its corner, bilinear between the middles of patches.
float at(const Tensor& map, float y, float x) {
  const auto rows = map.size(0), columns = map.size(1);
  const auto place = [](float v, std::int64_t n) {
    return std::clamp(v - 0.5f, 0.0f, static_cast<float>(n - 1));
  };
  const float py = place(y, rows), px = place(x, columns);
  const auto top = static_cast<std::int64_t>(py), left = static_cast<std::int64_t>(px);
  const std::int64_t bottom = std::min(top + 1, rows - 1), right = std::min(left + 1, columns - 1);
  const float down = py - static_cast<float>(top), across = px - static_cast<float>(left);
  return (map(top, left) * (1 - across) + map(top, right) * across) * (1 - down) +
         (map(bottom, left) * (1 - across) + map(bottom, right) * across) * down;
}

}  // namespace

Image overlay(const Tensor& image, const Tensor& map, const Preprocess& preprocess) {
  const int H = static_cast<int>(image.size(2)), W = static_cast<int>(image.size(3));
  const int zoom = std::max(1, (kLeastEdge + std::min(H, W) - 1) / std::min(H, W));
  const int height = H * zoom, width = W * zoom;
  Image picture = image::make_image(width + kGap + kScaleWidth, height);
  std::ranges::fill(picture.pixels, std::uint8_t{255});
  draw_planes(picture, 0, 0, zoom, image.data(), H, W, preprocess);
  const auto [least, most] = std::ranges::minmax(map.values());
  const float range = most - least;
  const auto put = [&](int y, int x, const Color& color, float opacity) {
    std::uint8_t* const pixel = picture.row(y) + 3 * x;
    for (std::size_t c = 0; c < 3; ++c)
      pixel[c] = static_cast<std::uint8_t>(
          std::lround(static_cast<float>(pixel[c]) * (1 - opacity) + color[c] * opacity));
  };
  for (int y = 0; y < height; ++y) {
    const float row =
        (static_cast<float>(y) + 0.5f) * static_cast<float>(map.size(0)) / static_cast<float>(height);
    for (int x = 0; x < width; ++x) {
      const float column =
          (static_cast<float>(x) + 0.5f) * static_cast<float>(map.size(1)) / static_cast<float>(width);
      const float value = range > 0 ? (at(map, row, column) - least) / range : 0.0f;
      put(y, x, color_of(value), kOpacity);
    }
    const float value = 1 - (static_cast<float>(y) + 0.5f) / static_cast<float>(height);
    for (int x = width + kGap; x < picture.width; ++x) put(y, x, color_of(value), 1);
  }
  return picture;
}

}  // namespace minivit::cli
