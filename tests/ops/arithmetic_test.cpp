// Sums, differences, products and quotients with broadcasting, against double precision.
#include "minivit/ops/arithmetic.hpp"

#include <doctest/doctest.h>

#include <utility>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using kernels::kLanes;
using op_test::check_op;
using op_test::in;
using op_test::Input;
using op_test::OpCase;
using reference::Array;
using reference::Extents;
using reference::for_each_index;

namespace {

using Scalar = double (*)(double, double);
struct Operation {
  const char* name;
  Var (*op)(const Var&, const Var&);
  Scalar f;
};

const Operation kOperations[] = {
    {"add", add, [](double a, double b) { return a + b; }},
    {"sub", sub, [](double a, double b) { return a - b; }},
    {"mul", mul, [](double a, double b) { return a * b; }},
    {"div", div, [](double a, double b) { return a / b; }},
};

/// f of two arrays, broadcast.
Array combine(const Array& a, const Array& b, Scalar f) {
  Extents shape(std::max(a.shape.size(), b.shape.size()));
  for (std::size_t i = 1; i <= shape.size(); ++i) {
    const std::int64_t m = i <= a.shape.size() ? a.shape[a.shape.size() - i] : 1;
    const std::int64_t n = i <= b.shape.size() ? b.shape[b.shape.size() - i] : 1;
    shape[shape.size() - i] = m == 1 ? n : m;
  }
  Array y(shape);
  for_each_index(shape, [&](const Extents& index) { y.at(index) = f(a.at(index), b.at(index)); });
  return y;
}

void check_pair(const Shape& a, const Shape& b) {
  for (const Operation& o : kOperations)
    check_op({str_cat(o.name, " ", a, " ", b),
              {in(a), in(b, 0.5f, 2)},
              [&](const std::vector<Var>& x) { return o.op(x[0], x[1]); },
              [&](const std::vector<Array>& x) { return combine(x[0], x[1], o.f); }});
}

}  // namespace

TEST_CASE("operands of equal shape") {
  for (const std::int64_t n : op_test::odd_sizes()) check_pair({n}, {n});
  check_pair({}, {});
  check_pair({2, 3, 4}, {2, 3, 4});
  check_pair({op_test::kMany}, {op_test::kMany});
}

TEST_CASE("one operand is repeated") {
  const std::pair<Shape, Shape> kShapes[] = {
      {{3, 4}, {}},               // a scalar
      {{3, 4}, {1}},              //
      {{1}, {1, 1, 1}},           //
      {{2, 3, 4}, {4}},           // a suffix
      {{2, 3, 4}, {3, 4}},        //
      {{2, 3, 4}, {2, 1, 4}},     // ones in the middle
      {{2, 3, 4}, {2, 3, 1}},     // at the end
      {{2, 3, 4}, {1, 3, 1}},     // on both sides
      {{2, 3, 4}, {1, 1, 4}},     //
      {{3, 2, 2, 5}, {2, 1, 5}},  //
      {{2, 2, 2, 2, 2, 3}, {1, 2, 1, 2, 1, 3}},
      {{5, kLanes + 1}, {kLanes + 1}},
      {{5, kLanes + 1}, {5, 1}},
      {{3, 2 * kLanes + 1}, {1, 1}},
      {{0, 3}, {3}},  // no elements
      {{3, 0}, {3, 1}},
      {{1, 0}, {2, 1}},
      {{0}, {}},
      {{41, 1023}, {1023}},  // several chunks
      {{41, 1023}, {41, 1}},
      {{7, 3, 2049}, {7, 1, 2049}},
      {{op_test::kMany}, {}},
  };
  for (const auto& [a, b] : kShapes) {
    check_pair(a, b);
    check_pair(b, a);
  }
}

TEST_CASE("both operands are repeated") {
  check_pair({3, 1}, {1, 4});
  check_pair({3, 1}, {4});
  check_pair({2, 1, 3, 1}, {1, 5, 1, 4});
  check_pair({1, 3}, {2, 1});
  check_pair({300, 1}, {1, 301});
}

TEST_CASE("both operands are the same variable") {
  for (const Operation& o : kOperations)
    check_op({str_cat(o.name, " of x and x"),
              {in({3, 5}, 0.5f, 2)},
              [&](const std::vector<Var>& x) { return o.op(x[0], x[0]); },
              [&](const std::vector<Array>& x) { return combine(x[0], x[0], o.f); }});
}

TEST_CASE("operators, with tensors and with numbers") {
  const auto each_with = [](const char* name, const op_test::Op& op, double (*f)(double)) {
    check_op({name, {in({3, 5}, 0.5f, 2)}, op, [f](const std::vector<Array>& x) { return each(x[0], f); }});
  };
  each_with(
      "x + 3", [](const auto& x) { return x[0] + 3.0f; }, [](double v) { return v + 3; });
  each_with(
      "x - 3", [](const auto& x) { return x[0] - 3.0f; }, [](double v) { return v - 3; });
  each_with(
      "x * 3", [](const auto& x) { return x[0] * 3.0f; }, [](double v) { return v * 3; });
  each_with(
      "x / 3", [](const auto& x) { return x[0] / 3.0f; }, [](double v) { return v / 3; });
  each_with(
      "3 + x", [](const auto& x) { return 3.0f + x[0]; }, [](double v) { return 3 + v; });
  each_with(
      "3 - x", [](const auto& x) { return 3.0f - x[0]; }, [](double v) { return 3 - v; });
  each_with(
      "3 * x", [](const auto& x) { return 3.0f * x[0]; }, [](double v) { return 3 * v; });
  each_with(
      "3 / x", [](const auto& x) { return 3.0f / x[0]; }, [](double v) { return 3 / v; });
  check_op({"(a + b) * (a - b) / b",
            {in({2, 3}), in({3}, 0.5f, 2)},
            [](const auto& x) { return (x[0] + x[1]) * (x[0] - x[1]) / x[1]; },
            [](const std::vector<Array>& x) {
              return combine(x[0], x[1], [](double a, double b) { return (a + b) * (a - b) / b; });
            }});
}

TEST_CASE("shapes that do not fit are named") {
  const Var a = Tensor::zeros({2, 3}), b = Tensor::zeros({4, 2, 4});
  const std::string rest =
      ": shapes (2, 3) and (4, 2, 4) do not broadcast: axis -1 is 3 and 4, expected equal or 1";
  for (const Operation& o : kOperations) CHECK(message_of<ShapeError>([&] { o.op(a, b); }) == o.name + rest);
  CHECK(message_of<ShapeError>([&] { return add(Tensor::zeros({0}), Tensor::zeros({2})); }) ==
        "add: shapes (0) and (2) do not broadcast: axis -1 is 0 and 2, expected equal or 1");
}
