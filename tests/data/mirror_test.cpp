// Images from right to left.
#include "minivit/data/mirror.hpp"

#include <doctest/doctest.h>

#include "support/message_of.hpp"

using namespace minivit;

TEST_CASE("columns are in reverse order, rows and channels are not") {
  Tensor x = Tensor::empty({2, 3, 4, 5});
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = static_cast<float>(i);
  const Tensor y = mirrored(x);
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t h = 0; h < 4; ++h)
        for (std::int64_t w = 0; w < 5; ++w) CHECK(y(b, c, h, w) == x(b, c, h, 4 - w));
  CHECK(mirrored(Tensor::zeros({0, 3, 4, 5})).numel() == 0);
  CHECK(message_of<ShapeError>([&] {
          static_cast<void>(mirrored(Tensor::zeros({3, 4})));
        }) == "mirrored: images are (3, 4), expected (B, C, H, W)");
}

TEST_CASE("the answer for both is the mean") {
  Tensor x = Tensor::zeros({1, 1, 1, 2});
  x(0, 0, 0, 0) = 3, x(0, 0, 0, 1) = 5;
  const auto first_pixel = [](const Tensor& images) {
    return Tensor::from({1, 1}, std::vector{images.data()[0]});
  };
  CHECK(with_mirrored(first_pixel, x)(0, 0) == 4.0f);
}
