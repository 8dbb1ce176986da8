// Reductions, against loops in double precision.
#include "minivit/ops/reductions.hpp"
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
using op_test::spread;
using reference::Array;
using reference::Extents;
using reference::for_each_index;

namespace {

using Reduction = Var (*)(const Var&, Axes, bool);

/// The operation with the axes whose bits are set (Axes is an initializer_list: it cannot be made at run
/// time).
Var reduce(Reduction f, const Var& x, unsigned axes, bool keep) {
  switch (axes) {
    case 0b000:
      return f(x, {}, keep);
    case 0b001:
      return f(x, {0}, keep);
    case 0b010:
      return f(x, {1}, keep);
    case 0b011:
      return f(x, {1, 0}, keep);
    case 0b100:
      return f(x, {-1}, keep);
    case 0b101:
      return f(x, {0, -1}, keep);
    case 0b110:
      return f(x, {-1, -2}, keep);
    default:
      return f(x, {0, 1, 2}, keep);
  }
}

enum class Kind { kSum, kMean, kMax };

Array reduced(const Array& x, unsigned axes, bool keep, Kind kind) {
  Extents kept = x.shape, squeezed;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (axes == 0 || axes >> i & 1)
      kept[i] = 1;
    else
      squeezed.push_back(kept[i]);
  }
  Array y(kept, kind == Kind::kMax ? -HUGE_VAL : 0.0);
  for_each_index(x.shape, [&](const Extents& index) {
    double& to = y.at(index);
    to = kind == Kind::kMax ? std::max(to, x.at(index)) : to + x.at(index);
  });
  if (kind == Kind::kMean)
    for (double& v : y.values)
      v /= static_cast<double>(x.values.size()) / static_cast<double>(y.values.size());
  if (!keep) y.shape = squeezed;
  return y;
}

void check_reduction(const char* name, Reduction f, Kind kind, const op_test::Input& input, unsigned axes) {
  for (const bool keep : {false, true})
    check_op({str_cat(name, " ", input.shape, " axes ", axes, keep ? " keep" : ""),
              {input},
              [=](const std::vector<Var>& x) { return reduce(f, x[0], axes, keep); },
              [=](const std::vector<Array>& x) { return reduced(x[0], axes, keep, kind); }});
}

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("sum, mean and max over every choice of axes") {
  for (unsigned axes = 0; axes < 8; ++axes)
    for (const Shape& shape :
         {Shape{2, 3, 4}, Shape{1, 5, 1}, Shape{3, 1, kLanes + 1}, Shape{2, kLanes - 1, 3}}) {
      check_reduction("sum", sum, Kind::kSum, in(shape), axes);
      check_reduction("mean", mean, Kind::kMean, in(shape), axes);
      check_reduction("max", max, Kind::kMax, spread(shape), axes);
    }
}

TEST_CASE("sum, mean and max of odd sizes") {
  for (const std::int64_t n : op_test::odd_sizes())
    for (const unsigned axes : {0b00u, 0b01u, 0b10u}) {
      check_reduction("sum", sum, Kind::kSum, in({n, 3}), axes);
      check_reduction("sum", sum, Kind::kSum, in({3, n}), axes);
      if (n == 0) continue;
      check_reduction("mean", mean, Kind::kMean, in({3, n}), axes);
      check_reduction("max", max, Kind::kMax, spread({n, 3}), axes);
      check_reduction("max", max, Kind::kMax, spread({3, n}), axes);
    }
  check_reduction("sum", sum, Kind::kSum, in({}), 0);
  check_reduction("mean", mean, Kind::kMean, in({}), 0);
  check_reduction("max", max, Kind::kMax, in({}), 0);
}

TEST_CASE("sum, mean and max of many elements") {
  for (const unsigned axes : {0b000u, 0b001u, 0b010u, 0b100u, 0b101u}) {
    check_reduction("sum", sum, Kind::kSum, in({9, 65, 83}), axes);
    check_reduction("mean", mean, Kind::kMean, in({9, 65, 83}), axes);
    check_reduction("max", max, Kind::kMax, spread({9, 65, 83}), axes);
  }
  check_reduction("sum", sum, Kind::kSum, in({op_test::kMany}), 0);
}

TEST_CASE("of no elements") {
  const Tensor x = Tensor::zeros({2, 0});
  CHECK(sum(x).item() == 0.0f);
  CHECK(sum(x, {1}).shape() == Shape{2});
  CHECK(sum(x, {1}).data()[1] == 0.0f);
  CHECK(sum(x, {0}).shape() == Shape{0});
  CHECK(std::isnan(mean(x).item()));
  CHECK(max(x, {0}).shape() == Shape{0});
}

TEST_CASE("equal largest elements share the gradient, as in torch.amax") {
  const Var x = variable(Tensor::from({2, 4}, {3, 1, 3, 3, 2, 5, 4, 5}));
  backward(max(x, {1}), Tensor::from({2}, {6, 8}));
  const float expected[] = {2, 0, 2, 2, 0, 4, 0, 4};
  for (std::int64_t i = 0; i < 8; ++i) CHECK(x.grad().data()[i] == expected[i]);
}

TEST_CASE("max passes NaN on, wherever it stands") {
  const Tensor x = Tensor::from({3, 3}, {kNan, 1, 2, 1, kNan, 2, 1, 2, kNan});
  for (std::int64_t i = 0; i < 3; ++i) {
    CHECK(std::isnan(max(x, {1}).data()[i]));
    CHECK(std::isnan(max(x, {0}).data()[i]));
  }
  CHECK(std::isnan(max(x).item()));
  CHECK(std::isnan(sum(x).item()));
  CHECK(std::isnan(mean(x).item()));
  CHECK(max(Tensor::full({5}, -kInf)).item() == -kInf);
}

TEST_CASE("reductions say what does not fit") {
  const Var x = Tensor::zeros({2, 3});
  CHECK(message_of<ShapeError>([&] { return sum(x, {0, -2}); }) == "sum: axis -2 is named twice");
  CHECK(message_of<ShapeError>([&] { return mean(x, {1, 1}); }) == "mean: axis 1 is named twice");
  CHECK(message_of<ShapeError>([&] { return max(x, {1, 1}); }) == "max: axis 1 is named twice");
  CHECK(message_of<ShapeError>([&] { return sum(x, {2}); }) == "axis 2 is out of range for shape (2, 3)");
  CHECK(message_of<ShapeError>([&] {
          return max(Tensor::zeros({2, 0}), {1});
        }) == "max: x is (2, 0), expected at least one element along the reduced axes");
}
