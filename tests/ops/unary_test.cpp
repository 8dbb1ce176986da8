// Element-wise functions, against the C library in double precision.
#include "minivit/ops/unary.hpp"
#include "minivit/autograd/tape.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "minivit/ops/gelu.hpp"
#include "ops/op_case.hpp"

using namespace minivit;
using kernels::kLanes;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

struct Operation {
  const char* name;
  Var (*op)(const Var&);
  double (*f)(double);
  float low, high;
};

double gelu_with(double x, double phi) { return x * phi; }

const Operation kOperations[] = {
    {"neg", neg, [](double x) { return -x; }, -2, 2},
    {"exp", exp, [](double x) { return std::exp(x); }, -3, 3},
    {"log", log, [](double x) { return std::log(x); }, 0.2f, 4},
    {"sqrt", sqrt, [](double x) { return std::sqrt(x); }, 0.2f, 4},
    {"square", square, [](double x) { return x * x; }, -2, 2},
    {"tanh", tanh, [](double x) { return std::tanh(x); }, -3, 3},
    {"sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -4, 4},
    {"silu", silu, [](double x) { return x / (1 + std::exp(-x)); }, -4, 4},
    {"gelu", gelu, [](double x) { return gelu_with(x, std::erfc(-x / std::numbers::sqrt2) / 2); }, -4, 4},
    {"gelu_tanh", gelu_tanh,
     [](double x) {
       return gelu_with(x, (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))) / 2);
     },
     -4, 4},
};

double relu_of(double x) { return x > 0 ? x : 0; }

void check_unary(const char* name, Var (*op)(const Var&), double (*f)(double), const op_test::Input& input) {
  check_op({str_cat(name, " ", input.shape),
            {input},
            [op](const std::vector<Var>& x) { return op(x[0]); },
            [f](const std::vector<Array>& x) { return each(x[0], f); }});
}

float value(Var (*op)(const Var&), float x) { return op(Tensor::scalar(x)).item(); }

/// The derivative at x.
float slope(Var (*op)(const Var&), float x) {
  const Var leaf = variable(Tensor::scalar(x));
  backward(op(leaf));
  return leaf.grad().item();
}

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("functions of one element") {
  for (const Operation& o : kOperations) {
    for (const std::int64_t n : op_test::odd_sizes()) check_unary(o.name, o.op, o.f, in({n}, o.low, o.high));
    check_unary(o.name, o.op, o.f, in({}, o.low, o.high));
    check_unary(o.name, o.op, o.f, in({2, 3, 4}, o.low, o.high));
    check_unary(o.name, o.op, o.f, in({op_test::kMany}, o.low, o.high));
  }
  check_unary(
      "-x", [](const Var& x) { return -x; }, [](double x) { return -x; }, in({3}));
}

TEST_CASE("relu") {
  for (const std::int64_t n : op_test::odd_sizes()) check_unary("relu", relu, relu_of, op_test::spread({n}));
  check_unary("relu", relu, relu_of, op_test::spread({op_test::kMany}));
  CHECK(slope(relu, 0.0f) == 0.0f);
  CHECK(slope(relu, 1e-30f) == 1.0f);
}

TEST_CASE("NaN goes in, NaN comes out") {
  for (const Operation& o : kOperations) {
    CAPTURE(o.name);
    CHECK(std::isnan(value(o.op, kNan)));
    // Also where a whole vector is worked on, and only there.
    Tensor x = Tensor::full({3 * kLanes}, 1.0f);
    x(kLanes + 1) = kNan;
    const Var y = o.op(x);
    for (std::int64_t i = 0; i < x.numel(); ++i) CHECK(std::isnan(y.data()[i]) == (i == kLanes + 1));
  }
  CHECK(std::isnan(value(relu, kNan)));
}

TEST_CASE("infinities and the ends of the range, as in PyTorch") {
  CHECK(value(exp, kInf) == kInf);
  CHECK(value(exp, -kInf) == 0.0f);
  CHECK(value(exp, 100.0f) == kInf);
  CHECK(value(exp, -200.0f) == 0.0f);
  CHECK(value(log, 0.0f) == -kInf);
  CHECK(value(log, kInf) == kInf);
  CHECK(std::isnan(value(log, -1.0f)));
  CHECK(value(sqrt, kInf) == kInf);
  CHECK(value(sqrt, 0.0f) == 0.0f);
  CHECK(std::isnan(value(sqrt, -1.0f)));
  CHECK(slope(sqrt, 0.0f) == kInf);
  CHECK(value(square, -kInf) == kInf);
  CHECK(value(tanh, kInf) == 1.0f);
  CHECK(value(tanh, -kInf) == -1.0f);
  CHECK(value(sigmoid, kInf) == 1.0f);
  CHECK(value(sigmoid, -kInf) == 0.0f);
  CHECK(value(sigmoid, -1e4f) == 0.0f);
  CHECK(value(relu, kInf) == kInf);
  CHECK(value(relu, -kInf) == 0.0f);
  CHECK(value(silu, 1e4f) == 1e4f);
  CHECK(value(silu, -1e4f) == 0.0f);
  for (const auto op : {gelu, gelu_tanh}) {
    CHECK(value(op, kInf) == kInf);
    CHECK(value(op, 1e4f) == 1e4f);
    CHECK(value(op, -1e4f) == 0.0f);
    CHECK(std::isnan(value(op, -kInf)));  // -inf · 0
    CHECK(slope(op, 1e4f) == 1.0f);
    CHECK(slope(op, -1e4f) == 0.0f);
  }
  for (const auto op : {tanh, sigmoid}) {
    CHECK(slope(op, 1e4f) == 0.0f);
    CHECK(slope(op, -1e4f) == 0.0f);
  }
}

TEST_CASE("the two forms of gelu differ by up to 4.7e-4") {
  double largest = 0;
  for (float x = -5; x < 5; x += 0.01f)
    largest = std::max(largest, std::fabs(double{value(gelu, x)} - value(gelu_tanh, x)));
  CHECK(largest > 4.6e-4);
  CHECK(largest < 4.8e-4);
}
