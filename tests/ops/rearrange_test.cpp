// Rearrangements of elements, against index arithmetic.
#include "minivit/ops/rearrange.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <span>
#include <vector>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using kernels::kLanes;
using op_test::check_op;
using op_test::in;
using reference::Array;
using reference::Extents;
using reference::for_each_index;

namespace {

void check_reshape(const Shape& from, const Shape& to) {
  check_op({str_cat("reshape ", from, " -> ", to),
            {in(from)},
            [&](const std::vector<Var>& x) { return reshape(x[0], to); },
            [&](const std::vector<Array>& x) {
              Array y = x[0];
              y.shape.assign(to.begin(), to.end());
              return y;
            }});
}

Array permuted(const Array& x, const std::vector<int>& order) {
  Extents shape;
  for (const int axis : order) shape.push_back(x.shape[static_cast<std::size_t>(axis)]);
  Array y(shape);
  for_each_index(shape, [&](const Extents& index) {
    Extents source(index.size());
    for (std::size_t i = 0; i < order.size(); ++i) source[static_cast<std::size_t>(order[i])] = index[i];
    y.at(index) = x.at(source);
  });
  return y;
}

void check_permute(const Shape& shape, const std::vector<int>& order) {
  std::string name = str_cat("permute ", shape, " by");
  for (const int axis : order) name += str_cat(" ", axis);
  check_op({name,
            {in(shape)},
            [&](const std::vector<Var>& x) { return permute(x[0], std::span(order)); },
            [&](const std::vector<Array>& x) { return permuted(x[0], order); }});
}

void check_slice(const Shape& shape, int axis, std::int64_t begin, std::int64_t end) {
  check_op({str_cat("slice ", shape, " axis ", axis, " [", begin, ", ", end, ")"),
            {in(shape)},
            [=](const std::vector<Var>& x) { return slice_axis(x[0], axis, begin, end); },
            [=](const std::vector<Array>& x) {
              const auto a =
                  static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(x[0].shape.size()) : axis);
              const std::int64_t n = x[0].shape[a], first = begin < 0 ? begin + n : begin,
                                 last = end < 0 ? end + n : end;
              Extents out = x[0].shape;
              out[a] = last - first;
              Array y(out);
              for_each_index(out, [&](const Extents& index) {
                Extents source = index;
                source[a] += first;
                y.at(index) = x[0].at(source);
              });
              return y;
            }});
}

void check_concat(const std::vector<Shape>& shapes, int axis) {
  op_test::OpCase c{str_cat("concat of ", shapes.size(), " ", shapes[0], " axis ", axis), {}, {}, {}};
  for (const Shape& s : shapes) c.inputs.push_back(in(s));
  c.op = [=](const std::vector<Var>& x) { return concat(std::span<const Var>(x), axis); };
  c.reference = [=](const std::vector<Array>& x) {
    const auto a = static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(x[0].shape.size()) : axis);
    Extents out = x[0].shape;
    out[a] = 0;
    for (const Array& part : x) out[a] += part.shape[a];
    Array y(out);
    std::int64_t start = 0;
    for (const Array& part : x) {
      for_each_index(part.shape, [&](const Extents& index) {
        Extents target = index;
        target[a] += start;
        y.at(target) = part.at(index);
      });
      start += part.shape[a];
    }
    return y;
  };
  check_op(c);
}

}  // namespace

TEST_CASE("reshape") {
  check_reshape({2, 3, 4}, {6, 4});
  check_reshape({2, 3, 4}, {24});
  check_reshape({24}, {2, 3, 2, 2});
  check_reshape({1, 1}, {});
  check_reshape({}, {1, 1, 1, 1, 1, 1});
  check_reshape({0, 3}, {5, 0});
  check_reshape({5, 7}, {5, 7});
  const Var x = Tensor::zeros({2, 3, 4});
  CHECK(reshape(x, {-1}).shape() == Shape{24});
  CHECK(reshape(x, {4, -1, 2}).shape() == Shape{4, 3, 2});
  CHECK(reshape(x, {6, 4}).data() == x.data());
}

TEST_CASE("permute and transpose") {
  check_permute({}, {});
  check_permute({5}, {0});
  check_permute({3, 4}, {1, 0});
  check_permute({3, 4}, {0, 1});
  check_permute({2, 3, 4}, {2, 0, 1});
  check_permute({2, 3, 4}, {1, 2, 0});
  check_permute({2, 1, 3, 5}, {3, 1, 0, 2});
  check_permute({2, 3, 1, 2, 3, 2}, {5, 3, 1, 4, 2, 0});
  check_permute({2, 0, 3}, {2, 0, 1});
  check_permute({129, 257}, {1, 0});
  check_permute({5, 65, 3, 31}, {2, 0, 3, 1});
  const Var x = op_test::make(in({2, 3, 4}));
  CHECK(transpose(x).shape() == Shape{2, 4, 3});
  CHECK(transpose(x, 0, -1).shape() == Shape{4, 3, 2});
  CHECK(transpose(x, 1, 1).shape() == x.shape());
  CHECK(transpose(x).value()(1, 3, 2) == x.value()(1, 2, 3));
  CHECK(permute(x, {-1, 0, 1}).value()(3, 1, 2) == x.value()(1, 2, 3));
  check_op({"transpose",
            {in({2, 3, 4})},
            [](const std::vector<Var>& v) { return transpose(v[0], 0, -1); },
            [](const std::vector<Array>& v) {
              return permuted(v[0], {2, 1, 0});
            }});
}

TEST_CASE("slice_axis") {
  for (const int axis : {0, 1, 2, -1, -2, -3}) {
    check_slice({3, 4, 5}, axis, 0, 3);
    check_slice({3, 4, 5}, axis, 1, 2);
    check_slice({3, 4, 5}, axis, 2, 2);
    check_slice({3, 4, 5}, axis, -2, -1);
  }
  check_slice({7}, 0, 3, 7);
  check_slice({0, 3}, 1, 1, 2);
  check_slice({2, kLanes + 3}, 1, 1, kLanes + 2);
  check_slice({9, 21, 301}, 1, 1, 21);
}

TEST_CASE("concat") {
  for (const int axis : {0, 1, 2, -1, -2}) {
    check_concat({{2, 3, 4}}, axis);
    check_concat({{2, 3, 4}, {2, 3, 4}, {2, 3, 4}}, axis);
  }
  check_concat({{2, 1, 4}, {2, 5, 4}}, 1);
  check_concat({{2, 0, 4}, {2, 5, 4}, {2, 0, 4}}, 1);
  check_concat({{3}, {5}, {kLanes + 1}}, 0);
  check_concat({{0, 2}, {0, 3}}, 1);
  check_concat({{9, 1, 301}, {9, 20, 301}}, 1);
  check_op({"concat of x and x",
            {in({2, 3})},
            [](const std::vector<Var>& x) {
              return concat({x[0], x[0]}, 0);
            },
            [](const std::vector<Array>& x) {
              Array y({4, 3});
              for (std::int64_t i = 0; i < 12; ++i) y[i] = x[0][i % 6];
              return y;
            }});
}

TEST_CASE("concat takes what holds variables") {
  const Var x = Tensor::from({2}, {1, 2}), y = Tensor::from({1}, {3});
  const std::vector<Var> vector{x, y};
  const std::array<Var, 2> array{x, y};
  const Var plain[] = {x, y};
  for (const Var& z :
       {concat(vector, 0), concat(std::vector<Var>{x, y}, 0), concat(array, 0), concat(plain, 0),
        concat(std::span(vector), 0), concat(std::span(plain), 0), concat({x, y}, 0)}) {
    CHECK(z.shape() == Shape{3});
    CHECK(z.value()(0) + 10 * z.value()(1) + 100 * z.value()(2) == 321);
  }
}

TEST_CASE("rearranging says what does not fit") {
  const Var x = Tensor::zeros({2, 3, 4});
  const auto message = [](const std::function<void()>& f) { return message_of<ShapeError>(f); };
  CHECK(message([&] {
          return reshape(x, Shape{5, 5});
        }) == "reshape: (2, 3, 4) has 24 elements, (5, 5) has 25");
  CHECK(message([&] { return reshape(x, {5, -1}); }) == "reshape: (2, 3, 4) has 24 elements, (5, 4) has 20");
  CHECK(message([&] { return permute(x, {0, 1}); }) == "permute: 2 axes given, x is (2, 3, 4)");
  CHECK(message([&] { return permute(x, {0, 1, -2}); }) == "permute: axis -2 is named twice");
  CHECK(message([&] { return permute(x, {0, 1, 3}); }) == "axis 3 is out of range for shape (2, 3, 4)");
  CHECK(message([&] { return transpose(x, 0, 3); }) == "axis 3 is out of range for shape (2, 3, 4)");
  CHECK(message([&] { return slice_axis(x, 1, 2, 1); }) ==
        "slice_axis: [2, 1) of axis 1 is out of range for x (2, 3, 4)");
  CHECK(message([&] { return slice_axis(x, -2, 0, 4); }) ==
        "slice_axis: [0, 4) of axis 1 is out of range for x (2, 3, 4)");
  CHECK(message([&] { return slice_axis(x, 1, -4, 1); }) ==
        "slice_axis: [-4, 1) of axis 1 is out of range for x (2, 3, 4)");
  CHECK(message([&] { return slice_axis(x, 3, 0, 1); }) == "axis 3 is out of range for shape (2, 3, 4)");
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min(),
                 kMax = std::numeric_limits<std::int64_t>::max();
  CHECK(message([&] { return slice_axis(x, 0, kMin, kMax); }) ==
        str_cat("slice_axis: [", kMin, ", ", kMax, ") of axis 0 is out of range for x (2, 3, 4)"));
  CHECK(message([&] { return concat(std::span<const Var>(), 0); }) == "concat: no tensors given");
  CHECK(message([&] {
          return concat({x, Tensor::zeros({2, 3, 5})}, 1);
        }) == "concat: x is (2, 3, 5), expected (2, 3, 4) but for axis 1");
  CHECK(message([&] {
          return concat({x, Tensor::zeros({2, 3})}, 1);
        }) == "concat: x is (2, 3), expected (2, 3, 4) but for axis 1");
  CHECK(message([&] { return concat({x, x}, 3); }) == "axis 3 is out of range for shape (2, 3, 4)");
}
