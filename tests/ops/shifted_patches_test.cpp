// Patches with what lies half a patch away, against their definition.
#include "minivit/ops/shifted_patches.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using kernels::kLanes;
using op_test::in;
using reference::Array;

namespace {

/// As the paper's authors do it: the image is padded by half a patch on all sides, then cut out again at the
/// four corners.
Array shifted(const Array& x, std::int64_t P) {
  const std::int64_t B = x.shape[0], C = x.shape[1], H = x.shape[2], W = x.shape[3], half = P / 2;
  Array padded({B, C, H + 2 * half, W + 2 * half});
  reference::for_each_index(x.shape, [&](const reference::Extents& i) {
    padded.at({i[0], i[1], i[2] + half, i[3] + half}) = x.at(i);
  });
  const std::int64_t top[] = {half, 0, 0, 2 * half, 2 * half}, left[] = {half, 0, 2 * half, 0, 2 * half};
  Array y({B, (H / P) * (W / P), 5 * C * P * P});
  std::int64_t at = 0;
  reference::for_each_index({B, H / P, W / P, 5, C, P, P}, [&](const reference::Extents& i) {
    y[at++] = padded.at({i[0], i[4], i[1] * P + i[5] + top[i[3]], i[2] * P + i[6] + left[i[3]]});
  });
  return y;
}

void check_shifted_patches(const Shape& shape, std::int64_t P) {
  op_test::check_op({str_cat("shifted patches ", shape, " by ", P),
                     {in(shape)},
                     [=](const std::vector<Var>& x) { return shifted_patches(x[0], P); },
                     [=](const std::vector<Array>& x) { return shifted(x[0], P); }});
}

}  // namespace

TEST_CASE("shifted_patches") {
  check_shifted_patches({2, 3, 4, 6}, 2);
  check_shifted_patches({1, 1, 3, 3}, 3);  // one patch
  check_shifted_patches({1, 2, 6, 9}, 3);
  check_shifted_patches({1, 2, 3, 5}, 1);
  check_shifted_patches({2, 1, 7, 14}, 7);
  check_shifted_patches({0, 3, 4, 4}, 2);
  check_shifted_patches({2, 0, 4, 4}, 2);
  check_shifted_patches({1, 3, 0, 4}, 2);
  check_shifted_patches({1, 1, 2 * (kLanes + 1), kLanes + 1}, kLanes + 1);
  check_shifted_patches({3, 3, 64, 48}, 16);
  check_shifted_patches({9, 3, 52, 39}, 13);
}

TEST_CASE("each patch is followed by what is left above, right above, left below and right below of it") {
  Tensor x = Tensor::empty({1, 1, 4, 4});
  std::iota(x.values().begin(), x.values().end(), 1.0f);
  const Tensor y = shifted_patches(x, 2).value();
  const std::vector<float> expected{
      1,  2,  5,  6,  0, 0, 0,  1,  0, 0, 2,  3,  0,  5,  0,  9,  6,  7,  10, 11,  //
      3,  4,  7,  8,  0, 0, 2,  3,  0, 0, 4,  0,  6,  7,  10, 11, 8,  0,  12, 0,   //
      9,  10, 13, 14, 0, 5, 0,  9,  6, 7, 10, 11, 0,  13, 0,  0,  14, 15, 0,  0,   //
      11, 12, 15, 16, 6, 7, 10, 11, 8, 0, 12, 0,  14, 15, 0,  0,  16, 0,  0,  0};
  CHECK(y.shape() == Shape{1, 4, 20});
  CHECK(std::ranges::equal(y.values(), expected));
}

TEST_CASE("shifted_patches names what does not fit") {
  const auto message = [](const Shape& x, std::int64_t P) {
    return message_of<ShapeError>([&] { return shifted_patches(Tensor::zeros(x), P); });
  };
  const std::string rest = ", expected (B, C, H, W) with H and W divisible by the patch size ";
  CHECK(message({3, 4, 4}, 2) == "shifted_patches: x is (3, 4, 4)" + rest + "2");
  CHECK(message({1, 3, 5, 4}, 2) == "shifted_patches: x is (1, 3, 5, 4)" + rest + "2");
  CHECK(message({1, 3, 4, 4}, 0) == "shifted_patches: x is (1, 3, 4, 4)" + rest + "0");
}
