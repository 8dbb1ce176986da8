// Matrix products and linear layers, against loops in double precision.
#include "minivit/ops/matmul.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "minivit/ops/linear.hpp"
#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

/// The shape with these leading axes and, for `swap`, the last two exchanged.
Shape matrices(const Shape& batch, std::int64_t rows, std::int64_t columns, bool swap) {
  Shape s = batch;
  s.push_back(swap ? columns : rows);
  s.push_back(swap ? rows : columns);
  return s;
}

/// a (batch_a, M, K) · b (batch_b, K, N) in all four forms.
void check_matmul(std::int64_t M, std::int64_t N, std::int64_t K, const Shape& batch_a = {},
                  const Shape& batch_b = {}) {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      const Shape a = matrices(batch_a, M, K, ta), b = matrices(batch_b, K, N, tb);
      check_op({str_cat("matmul ", a, ta ? "' " : " ", b, tb ? "'" : ""),
                {in(a), in(b)},
                [=](const std::vector<Var>& x) { return matmul(x[0], x[1], ta, tb); },
                [=](const std::vector<Array>& x) { return reference::matmul(x[0], x[1], ta, tb); }});
    }
}

Array linear_reference(const std::vector<Array>& x) {
  Array flat = x[0];
  const std::int64_t C = flat.shape.back(), N = x[1].shape[0];
  reference::Extents shape = flat.shape;
  shape.back() = 1;
  flat.shape = {reference::count(shape), C};
  Array y = reference::matmul(flat, x[1], false, true);
  y.shape = x[0].shape;
  y.shape.back() = N;
  if (x.size() > 2)
    for (std::size_t i = 0; i < y.values.size(); ++i)
      y.values[i] += x[2].values[i % static_cast<std::size_t>(N)];
  return y;
}

void check_linear(const Shape& x, std::int64_t N) {
  const std::int64_t C = x[-1];
  check_op({str_cat("linear ", x, " -> ", N),
            {in(x), in({N, C}), in({N})},
            [](const std::vector<Var>& v) { return linear(v[0], v[1], v[2]); },
            linear_reference,
            1e-5,
            1e-4,
            {2}});
  check_op({str_cat("linear without bias ", x, " -> ", N),
            {in(x), in({N, C})},
            [](const std::vector<Var>& v) { return linear(v[0], v[1]); },
            linear_reference});
}

}  // namespace

TEST_CASE("matmul of one matrix with another") {
  check_matmul(2, 3, 4);
  for (const std::int64_t n : op_test::odd_sizes()) {
    check_matmul(n, 3, 2);
    check_matmul(2, n, 3);
    check_matmul(3, 2, n);
  }
  for (const std::int64_t m : {6, 7, 12, 13, 71, 72, 73}) check_matmul(m, 5, 3);  // tiles and blocks of rows
  for (const std::int64_t n : {15, 16, 17, 31, 32, 33, 48}) check_matmul(5, n, 3);  // tiles of columns
  for (const std::int64_t k : {255, 256, 257, 513}) check_matmul(7, 17, k);         // passes over the depth
  check_matmul(73, 33, 257);
}

TEST_CASE("matmul of batches") {
  const std::pair<Shape, Shape> kBatches[] = {
      {{2}, {2}},       {{2}, {}},     {{}, {2}},     {{3}, {1}},          {{1}, {3}},
      {{2, 1}, {1, 3}}, {{2, 3}, {3}}, {{3}, {2, 3}}, {{2, 1, 2}, {3, 1}}, {{2, 2, 2, 2}, {2, 2}},
      {{0}, {}},        {{}, {0}},     {{0}, {1}},
  };
  for (const auto& [a, b] : kBatches) {
    check_matmul(2, 3, 4, a, b);
    check_matmul(1, 1, 1, a, b);
  }
  check_matmul(7, 17, 19, {37}, {37});
  check_matmul(7, 17, 19, {37}, {});
}

TEST_CASE("matmul of a matrix with itself") {
  check_op({"x x'",
            {in({5, 3})},
            [](const std::vector<Var>& x) { return matmul(x[0], x[0], false, true); },
            [](const std::vector<Array>& x) { return reference::matmul(x[0], x[0], false, true); }});
}

TEST_CASE("linear") {
  for (const std::int64_t n : op_test::odd_sizes()) {
    check_linear({3, n}, 2);
    check_linear({2, 3}, n);
    check_linear({n, 2}, 3);
  }
  check_linear({5}, 3);
  check_linear({2, 3, 4}, 5);
  check_linear({2, 0, 4}, 5);
  check_linear({2, 1, 2, 1, 2, 3}, 4);
  for (const std::int64_t c : {255, 256, 257}) check_linear({13, c}, 17);
  check_linear({2, 37, 33}, 65);
  check_linear({577, 24}, 40);
}

TEST_CASE("NaN stays in its row and column") {
  Tensor a = Tensor::full({9, 20}, 1.0f);
  a(4, 7) = std::numeric_limits<float>::quiet_NaN();
  const Var y = matmul(a, Tensor::zeros({20, 3})), z = linear(a, Tensor::zeros({3, 20}));
  for (std::int64_t i = 0; i < 9; ++i)
    for (std::int64_t j = 0; j < 3; ++j) {
      CHECK(std::isnan(y.value()(i, j)) == (i == 4));
      CHECK(std::isnan(z.value()(i, j)) == (i == 4));
    }
}

TEST_CASE("matmul names shapes that do not fit") {
  const auto message = [](const Shape& a, const Shape& b, bool ta = false, bool tb = false) {
    return message_of<ShapeError>([&] { return matmul(Tensor::zeros(a), Tensor::zeros(b), ta, tb); });
  };
  CHECK(message({2}, {2, 3}) == "matmul: a is (2) and b is (2, 3), expected at least two axes each");
  CHECK(message({2, 3}, {}) == "matmul: a is (2, 3) and b is (), expected at least two axes each");
  CHECK(message({2, 3}, {4, 5}) ==
        "matmul: a is (2, 3) and b is (4, 5): the inner extents are 3 and 4, expected equal");
  CHECK(message({2, 3}, {4, 5}, true, true) ==
        "matmul: a is (2, 3) transposed and b is (4, 5) transposed: the inner extents are 2 and 5, expected "
        "equal");
  CHECK(message({2, 2, 3}, {3, 3, 4}) ==
        "matmul: shapes (2) and (3) do not broadcast: axis -1 is 2 and 3, expected equal or 1");
}

TEST_CASE("linear names shapes that do not fit") {
  const auto message = [](const Shape& x, const Shape& weight, const Shape& bias) {
    return message_of<ShapeError>(
        [&] { return linear(Tensor::zeros(x), Tensor::zeros(weight), Tensor::zeros(bias)); });
  };
  CHECK(message({8, 65, 384}, {768, 192}, {768}) ==
        "linear: weight is (768, 192), expected (*, 384) to match x (8, 65, 384)");
  CHECK(message({8, 4}, {4}, {4}) == "linear: weight is (4), expected (*, 4) to match x (8, 4)");
  CHECK(message({8, 4}, {5, 4}, {4}) == "linear: bias is (4), expected (5) to match weight (5, 4)");
  CHECK(message({8, 4}, {5, 4}, {1, 5}) == "linear: bias is (1, 5), expected (5) to match weight (5, 4)");
  CHECK(message({}, {5, 4}, {5}) == "linear: x is (), expected (..., C)");
}
