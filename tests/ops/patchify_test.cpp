// Patches of images, against their definition and against a convolution.
#include "minivit/ops/patchify.hpp"

#include <doctest/doctest.h>

#include "minivit/ops/linear.hpp"
#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using kernels::kLanes;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

/// A convolution of kernel and stride P with weight (N, C, P, P), as (B, positions, N).
Array convolution(const Array& x, const Array& weight) {
  const std::int64_t B = x.shape[0], C = x.shape[1], H = x.shape[2], W = x.shape[3], N = weight.shape[0],
                     P = weight.shape[2];
  Array y({B, (H / P) * (W / P), N});
  reference::for_each_index({B, H / P, W / P, N, C, P, P}, [&](const reference::Extents& i) {
    y.at({i[0], i[1] * (W / P) + i[2], i[3]}) +=
        weight.at({i[3], i[4], i[5], i[6]}) * x.at({i[0], i[4], i[1] * P + i[5], i[2] * P + i[6]});
  });
  return y;
}

Array patches(const Array& x, std::int64_t P) {
  const std::int64_t B = x.shape[0], C = x.shape[1], H = x.shape[2], W = x.shape[3];
  Array y({B, (H / P) * (W / P), C * P * P});
  std::int64_t at = 0;
  reference::for_each_index({B, H / P, W / P, C, P, P}, [&](const reference::Extents& i) {
    y[at++] = x.at({i[0], i[3], i[1] * P + i[4], i[2] * P + i[5]});
  });
  return y;
}

void check_patchify(const Shape& shape, std::int64_t P) {
  check_op({str_cat("patchify ", shape, " by ", P),
            {in(shape)},
            [=](const std::vector<Var>& x) { return patchify(x[0], P); },
            [=](const std::vector<Array>& x) { return patches(x[0], P); }});
}

}  // namespace

TEST_CASE("patchify") {
  check_patchify({2, 3, 4, 6}, 2);
  check_patchify({1, 1, 3, 3}, 3);
  check_patchify({1, 2, 3, 5}, 1);
  check_patchify({2, 1, 7, 14}, 7);
  check_patchify({0, 3, 4, 4}, 2);
  check_patchify({2, 0, 4, 4}, 2);
  check_patchify({1, 3, 0, 4}, 2);
  check_patchify({1, 1, 2 * (kLanes + 1), kLanes + 1}, kLanes + 1);
  check_patchify({3, 3, 64, 48}, 16);
  check_patchify({9, 3, 52, 39}, 13);
}

TEST_CASE("a linear layer on patches is a convolution") {
  const std::int64_t N = 5, C = 3, P = 4;
  check_op({"patch embedding",
            {in({2, C, 8, 12}), in({N, C * P * P})},
            [=](const std::vector<Var>& x) { return linear(patchify(x[0], P), x[1]); },
            [=](const std::vector<Array>& x) {
              Array weight = x[1];
              weight.shape = {N, C, P, P};
              return convolution(x[0], weight);
            }});
}

TEST_CASE("patchify names what does not fit") {
  const auto message = [](const Shape& x, std::int64_t P) {
    return message_of<ShapeError>([&] { return patchify(Tensor::zeros(x), P); });
  };
  const std::string rest = ", expected (B, C, H, W) with H and W divisible by the patch size ";
  CHECK(message({3, 4, 4}, 2) == "patchify: x is (3, 4, 4)" + rest + "2");
  CHECK(message({1, 3, 5, 4}, 2) == "patchify: x is (1, 3, 5, 4)" + rest + "2");
  CHECK(message({1, 3, 4, 5}, 2) == "patchify: x is (1, 3, 4, 5)" + rest + "2");
  CHECK(message({1, 3, 4, 4}, 0) == "patchify: x is (1, 3, 4, 4)" + rest + "0");
  CHECK(message({1, 3, 4, 4}, -2) == "patchify: x is (1, 3, 4, 4)" + rest + "-2");
}
