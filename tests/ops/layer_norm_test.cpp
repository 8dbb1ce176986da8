// Layer normalization, against the formula in double precision.
#include "minivit/ops/layer_norm.hpp"
#include "minivit/autograd/tape.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using kernels::kLanes;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

void check_layer_norm(const Shape& shape, float low = -1, float high = 1, float eps = 1e-6f) {
  const std::int64_t C = shape[-1];
  check_op({str_cat("layer_norm ", shape, " in ", low, " to ", high, ", eps ", eps),
            {in(shape, low, high), in({C}, 0.5f, 1.5f), in({C})},
            [=](const std::vector<Var>& x) { return layer_norm(x[0], x[1], x[2], eps); },
            [=](const std::vector<Array>& x) { return reference::layer_norm(x[0], x[1], x[2], eps); }});
}

}  // namespace

TEST_CASE("layer_norm") {
  for (const std::int64_t n : op_test::odd_sizes()) {
    check_layer_norm({3, n}, -1, 1, 0.5f);
    check_layer_norm({n, 3}, -1, 1, 0.5f);
  }
  for (const std::int64_t n : {31, 2 * kLanes + 1})
    check_layer_norm({4, n});  // enough elements for a smooth variance
  check_layer_norm({40});
  check_layer_norm({2, 3, 40}, 10, 12);
  check_layer_norm({2, 0, 4});
  check_layer_norm({301, 129});
  check_layer_norm({5, 771});
}

TEST_CASE("a large offset costs no more than its own rounding") {
  const std::int64_t C = 96;
  const Tensor gamma = Tensor::full({C}, 1), beta = Tensor::zeros({C});
  for (const float offset : {1e2f, 1e3f, 1e4f}) {
    const Tensor x = op_test::make(in({8, C}, offset - 1, offset + 1));
    const Array expected = reference::layer_norm(op_test::to_reference(x), Array({C}, 1), Array({C}), 1e-6);
    const Var y = layer_norm(x, gamma, beta);
    // The mean is a float, so it is known to half an ulp at best; allow two. 1.9 is 1 / the standard
    // deviation, with room.
    const double ulp = std::nextafter(offset, 1e9f) - double{offset};
    for (std::int64_t i = 0; i < y.numel(); ++i) {
      CAPTURE(offset);
      CHECK(std::fabs(y.data()[i] - expected[i]) <= 1.9 * 2 * ulp + 1e-6);
    }
  }
}

TEST_CASE("a constant row becomes beta, as in PyTorch") {
  for (const std::int64_t C : {1, 7, 31, 33, 96, 768})
    for (const float value : {0.0f, 0.1f, -3.3f, 10000.1f}) {
      const Var x = variable(Tensor::full({2, C}, value));
      const Var y = layer_norm(x, Tensor::full({C}, 2), Tensor::full({C}, 0.25f));
      CAPTURE(C);
      CAPTURE(value);
      float worst = 0;
      for (std::int64_t i = 0; i < y.numel(); ++i) worst = std::max(worst, std::fabs(y.data()[i] - 0.25f));
      CHECK(worst <= 1e-3f);
      backward(y, Tensor::full(y.shape(), 1));
      for (const float g : x.grad().values()) CHECK(std::isfinite(g));
    }
}

TEST_CASE("NaN fills its row and no other") {
  Tensor x = op_test::make(in({3, 20}));
  x(1, 7) = std::numeric_limits<float>::quiet_NaN();
  const Var y = layer_norm(x, Tensor::full({20}, 1), Tensor::zeros({20}));
  for (std::int64_t i = 0; i < 60; ++i) CHECK(std::isnan(y.data()[i]) == (i / 20 == 1));
}

TEST_CASE("layer_norm names shapes that do not fit") {
  const auto message = [](const Shape& x, const Shape& gamma, const Shape& beta) {
    return message_of<ShapeError>(
        [&] { return layer_norm(Tensor::zeros(x), Tensor::zeros(gamma), Tensor::zeros(beta)); });
  };
  CHECK(message({}, {1}, {1}) == "layer_norm: x is (), expected (..., C)");
  CHECK(message({2, 3}, {2}, {3}) == "layer_norm: gamma is (2), expected (3) to match x (2, 3)");
  CHECK(message({2, 3}, {3}, {1, 3}) == "layer_norm: beta is (1, 3), expected (3) to match x (2, 3)");
}
