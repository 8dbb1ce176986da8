// Convolution and pooling, against their definitions.
#include "minivit/ops/conv.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "minivit/autograd/tape.hpp"
#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using kernels::kLanes;
using op_test::check_op;
using op_test::in;
using op_test::spread;
using reference::Array;

namespace {

Array convolution(const Array& x, const Array& weight) {
  const std::int64_t B = x.shape[0], H = x.shape[1], W = x.shape[2], C = x.shape[3], N = weight.shape[0];
  Array y({B, H, W, N});
  reference::for_each_index({B, H, W, N, 3, 3, C}, [&](const reference::Extents& i) {
    const std::int64_t row = i[1] + i[4] - 1, column = i[2] + i[5] - 1;
    if (row >= 0 && row < H && column >= 0 && column < W)
      y.at({i[0], i[1], i[2], i[3]}) += weight.at({i[3], i[4], i[5], i[6]}) * x.at({i[0], row, column, i[6]});
  });
  return y;
}

Array pooled(const Array& x) {
  const std::int64_t B = x.shape[0], H = x.shape[1], W = x.shape[2], C = x.shape[3];
  Array y({B, (H + 1) / 2, (W + 1) / 2, C});
  reference::for_each_index({B, (H + 1) / 2, (W + 1) / 2, C, 3, 3}, [&](const reference::Extents& i) {
    const std::int64_t row = 2 * i[1] + i[4] - 1, column = 2 * i[2] + i[5] - 1;
    double& largest = y.at({i[0], i[1], i[2], i[3]});
    if (row >= 0 && row < H && column >= 0 && column < W)
      largest = std::max(largest, x.at({i[0], row, column, i[3]}));
  });
  return y;
}

void check_conv(std::int64_t B, std::int64_t H, std::int64_t W, std::int64_t C, std::int64_t N) {
  check_op({str_cat("conv3x3 ", Shape{B, H, W, C}, " to ", N),
            {in({B, H, W, C}), in({N, 3, 3, C})},
            [](const std::vector<Var>& x) { return conv3x3(x[0], x[1]); },
            [](const std::vector<Array>& x) { return convolution(x[0], x[1]); }});
}

void check_pool(const Shape& shape) {
  check_op({str_cat("relu_max_pool ", shape),
            {spread(shape)},
            [](const std::vector<Var>& x) { return relu_max_pool(x[0]); },
            [](const std::vector<Array>& x) { return pooled(x[0]); }});
}

}  // namespace

TEST_CASE("conv3x3") {
  check_conv(1, 1, 1, 1, 1);
  check_conv(2, 3, 4, 3, 5);
  check_conv(1, 1, 5, 2, 3);
  check_conv(1, 5, 1, 2, 3);
  check_conv(2, 2, 2, kLanes + 1, 3);
  check_conv(0, 3, 3, 2, 2);
  check_conv(1, 0, 3, 2, 2);
  check_conv(1, 3, 3, 2, 0);
  check_conv(1, 2, 3, 70, 2);  // windows longer than a piece that is computed at once
  check_conv(2, 9, 7, 3, 17);
  for (const std::int64_t C : {2, 7, 13}) check_conv(1, 4, 3, C, C + 1);
}

TEST_CASE("relu_max_pool") {
  check_pool({1, 1, 1, 1});
  check_pool({2, 2, 2, 3});
  check_pool({1, 3, 5, 2});
  check_pool({1, 4, 1, kLanes + 1});
  check_pool({2, 5, 4, 2 * kLanes});
  check_pool({0, 4, 4, 2});
  check_pool({1, 0, 4, 2});
  check_pool({1, 4, 4, 0});
  check_pool({1, 9, 8, 5});
}

TEST_CASE("relu_max_pool: of equal ones the first, of none above 0 none, and what is no number stays") {
  Tensor x = Tensor::zeros({1, 2, 2, 3});
  const float values[] = {1, -1, 0, 1, -2, 0, 1, -3, 0, 1, -4, std::numeric_limits<float>::quiet_NaN()};
  std::copy(std::begin(values), std::end(values), x.data());
  Tensor gradient = Tensor::zeros(x.shape());
  const Var y = relu_max_pool(Var::leaf(x, gradient));
  CHECK(y.value()(0, 0, 0, 0) == 1.0f);
  CHECK(y.value()(0, 0, 0, 1) == 0.0f);
  CHECK(std::isnan(y.value()(0, 0, 0, 2)));
  Tensor ones = Tensor::empty(y.shape());
  ones.fill(1.0f);
  backward(y, ones);
  const float expected[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  for (std::int64_t i = 0; i < 12; ++i) CHECK(gradient.data()[i] == expected[i]);
}

TEST_CASE("shapes that do not fit are refused") {
  const Var image(Tensor::zeros({1, 4, 4, 3})), flat(Tensor::zeros({4, 4, 3}));
  CHECK(message_of<ShapeError>([&] {
          (void)conv3x3(image, Var(Tensor::zeros({5, 3, 3, 2})));
        }) == "conv3x3: weight is (5, 3, 3, 2), expected (N, 3, 3, 3) to match x (1, 4, 4, 3)");
  CHECK(message_of<ShapeError>([&] {
          (void)conv3x3(flat, Var(Tensor::zeros({5, 3, 3, 3})));
        }) == "conv3x3: x is (4, 4, 3), expected (B, H, W, C)");
  CHECK(message_of<ShapeError>([&] { (void)relu_max_pool(flat); }) ==
        "relu_max_pool: x is (4, 4, 3), expected (B, H, W, C)");
}
