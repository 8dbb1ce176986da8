// Softmax and its logarithm, against double precision.
#include "minivit/ops/softmax.hpp"
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

void check_softmax(const op_test::Input& input, int axis) {
  const auto a = static_cast<std::size_t>(axis < 0 ? axis + input.shape.rank() : axis);
  check_op({str_cat("softmax ", input.shape, " axis ", axis),
            {input},
            [=](const std::vector<Var>& x) { return softmax(x[0], axis); },
            [=](const std::vector<Array>& x) { return reference::softmax(x[0], a); }});
  check_op({str_cat("log_softmax ", input.shape, " axis ", axis),
            {input},
            [=](const std::vector<Var>& x) { return log_softmax(x[0], axis); },
            [=](const std::vector<Array>& x) { return reference::softmax(x[0], a, true); }});
}

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("softmax and log_softmax along every axis") {
  for (int axis = -3; axis < 3; ++axis) {
    check_softmax(in({2, 3, 5}, -3, 3), axis);
    check_softmax(in({1, 4, 1}, -3, 3), axis);
  }
  check_softmax(in({0, 3}), 0);
  check_softmax(in({0, 3}), 1);
}

TEST_CASE("softmax and log_softmax of odd sizes") {
  for (const std::int64_t n : op_test::odd_sizes()) check_softmax(in({3, n}, -3, 3), -1);
  check_softmax(in({7}), 0);
  check_softmax(in({211, 197}, -3, 3), -1);
  check_softmax(in({13, 130, 7}, -3, 3), 1);
}

TEST_CASE("large values do not overflow") {
  const Var x = variable(Tensor::from({3, 3}, {1e4f, -1e4f, 0, 1e4f, 1e4f, -1e4f, -1e4f, -1e4f, -1e4f}));
  const Var p = softmax(x), log_p = log_softmax(x);
  const float half = std::log(2.0f), third = std::log(3.0f);
  const float expected[] = {1, 0, 0, 0.5f, 0.5f, 0, 1 / 3.0f, 1 / 3.0f, 1 / 3.0f};
  const float logarithms[] = {0, -2e4f, -1e4f, -half, -half, -2e4f - half, -third, -third, -third};
  for (std::int64_t i = 0; i < 9; ++i) {
    CHECK(std::fabs(p.data()[i] - expected[i]) <= 1e-6f);
    CHECK(std::fabs(log_p.data()[i] - logarithms[i]) <= 1e-6f);
  }
  backward(log_p, Tensor::from({3, 3}, {0, 0, 1, 0, 0, 1, 0, 0, 1}));
  for (std::int64_t i = 0; i < 9; ++i)
    CHECK(std::fabs(x.grad().data()[i] - ((i % 3 == 2 ? 1.0f : 0.0f) - expected[i])) <= 1e-6f);
}

TEST_CASE("infinities and NaN, as in PyTorch") {
  for (const std::int64_t n : {2, kLanes, 2 * kLanes + 1}) {
    Tensor x = Tensor::zeros({4, n});
    x(0, 1) = kInf;                                        // all NaN
    for (std::int64_t j = 0; j < n; ++j) x(1, j) = -kInf;  // all NaN
    x(2, 0) = -kInf;                                       // probability 0
    x(3, n - 1) = kNan;                                    // all NaN
    const Var p = softmax(x), log_p = log_softmax(x);
    for (const std::int64_t row : {0, 1, 3})
      for (std::int64_t j = 0; j < n; ++j) {
        CHECK(std::isnan(p.value()(row, j)));
        CHECK(std::isnan(log_p.value()(row, j)));
      }
    CHECK(p.value()(2, 0) == 0.0f);
    CHECK(log_p.value()(2, 0) == -kInf);
    CHECK(std::fabs(p.value()(2, 1) - 1.0f / static_cast<float>(n - 1)) <= 1e-6f);
  }
}

TEST_CASE("softmax needs an axis") {
  CHECK(message_of<ShapeError>([] { return softmax(Tensor::zeros({})); }) ==
        "axis -1 is out of range for shape ()");
  CHECK(message_of<ShapeError>([] {
          return log_softmax(Tensor::zeros({2, 3}), 2);
        }) == "axis 2 is out of range for shape (2, 3)");
}
