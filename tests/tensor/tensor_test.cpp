#include "minivit/tensor/tensor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "minivit/tensor/eigen.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

Tensor counting(const Shape& shape) {
  Tensor t = Tensor::empty(shape);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.data()[i] = static_cast<float>(i);
  return t;
}

}  // namespace

TEST_CASE("making tensors") {
  const Tensor nothing;
  CHECK_FALSE(nothing.defined());
  CHECK(nothing.numel() == 0);
  CHECK(nothing.values().empty());
  CHECK_FALSE(nothing.clone().defined());

  const Tensor zeros = Tensor::zeros({2, 3});
  CHECK(zeros.shape() == Shape{2, 3});
  for (const float v : zeros.values()) CHECK(v == 0);
  const Tensor full = Tensor::full({5}, 1.5f);
  for (const float v : full.values()) CHECK(v == 1.5f);
  const Tensor t = Tensor::from({2, 2}, {1, 2, 3, 4});
  CHECK(t(0, 1) == 2);
  CHECK(t(1, 0) == 3);
  CHECK(Tensor::from({2}, std::vector<float>{7, 8})(1) == 8);
  CHECK(Tensor::scalar(3).item() == 3);
  CHECK(Tensor::scalar(3).rank() == 0);
  CHECK(Tensor::scalar(3)() == 3);
  CHECK(Tensor::empty({0, 3}).defined());
  CHECK(Tensor::empty({0, 3}).numel() == 0);
  CHECK(message_of<ShapeError>([] {
          Tensor::from({2, 2}, {1, 2, 3});
        }) == "tensor: 3 values given, shape (2, 2) needs 4");
}

TEST_CASE("an element is asked for by as many indices as there are axes, each in range") {
  Tensor t = counting({2, 3});
  const Tensor& constant = t;
  CHECK(message_of<ShapeError>([&] { t(1) = 0; }) == "tensor: 1 indices given for shape (2, 3), expected 2");
  CHECK(message_of<ShapeError>([&] { (void)constant(0, 0, 0); }) ==
        "tensor: 3 indices given for shape (2, 3), expected 2");
  CHECK(message_of<ShapeError>([&] { (void)constant(); }) ==
        "tensor: 0 indices given for shape (2, 3), expected 2");
  CHECK(message_of<ShapeError>([] { (void)Tensor()(); }) ==
        "tensor: an element was asked of an empty tensor");
  CHECK(constant(std::size_t{1}, 2u) == 5);
#if !defined(NDEBUG)
  CHECK(message_of<ShapeError>([&] { t(2, 0) = 1; }) ==
        "tensor: index 2 of axis 0 is out of range for shape (2, 3)");
  CHECK(message_of<ShapeError>([&] { (void)constant(1, 3); }) ==
        "tensor: index 3 of axis 1 is out of range for shape (2, 3)");
  CHECK(message_of<ShapeError>([&] { (void)constant(-1, 0); }) ==
        "tensor: index -1 of axis 0 is out of range for shape (2, 3)");
#endif
}

TEST_CASE("item wants exactly one element") {
  CHECK(Tensor::full({1, 1}, 2).item() == 2);
  CHECK(message_of<ShapeError>([] { Tensor::zeros({2}).item(); }) ==
        "item: tensor of shape (2) does not have exactly one element");
  CHECK(message_of<ShapeError>([] { Tensor::zeros({0}).item(); }) ==
        "item: tensor of shape (0) does not have exactly one element");
  CHECK(message_of<ShapeError>([] { Tensor().item(); }) ==
        "item: tensor of shape () does not have exactly one element");
}

TEST_CASE("copies share, clones do not") {
  Tensor a = counting({2, 3});
  CHECK(a.unique());
  Tensor b = a;
  CHECK_FALSE(a.unique());
  b(1, 2) = 50;
  CHECK(a(1, 2) == 50);
  Tensor c = a.clone();
  CHECK(c.unique());
  c(0, 0) = 9;
  CHECK(a(0, 0) == 0);
  CHECK(c(1, 2) == 50);
}

TEST_CASE("copy_from") {
  Tensor a = Tensor::zeros({2, 3});
  a.copy_from(counting({2, 3}));
  CHECK(a(1, 1) == 4);
  CHECK(message_of<ShapeError>([&] {
          a.copy_from(counting({3, 2}));
        }) == "copy_from: shape is (3, 2), expected (2, 3)");
  Tensor().copy_from(Tensor());  // of nothing: nothing
}

TEST_CASE("reshape shares, and computes one extent") {
  const Tensor a = counting({2, 3, 4});
  CHECK(a.reshape({6, 4}).data() == a.data());
  CHECK(a.reshape({-1, 4}).shape() == Shape{6, 4});
  CHECK(a.reshape({2, -1}).shape() == Shape{2, 12});
  CHECK(a.reshape(Shape{24}).shape() == Shape{24});
  CHECK(counting({0, 3}).reshape({-1, 3}).shape() == Shape{0, 3});
  CHECK(Tensor::scalar(1).reshape({-1}).shape() == Shape{1});
  const auto message = [&](std::initializer_list<std::int64_t> extents) {
    return message_of<ShapeError>([&] { a.reshape(extents); });
  };
  CHECK(message({5, 5}) == "reshape: (2, 3, 4) has 24 elements, (5, 5) has 25");
  CHECK(message({7, -1}) == "reshape: (2, 3, 4) has 24 elements, (7, 3) has 21");
  CHECK(message({0, -1}) == "shape: extent is -1, must not be negative");
  CHECK(message({-2, 12}) == "shape: extent is -2, must not be negative");
  CHECK_THROWS_AS(a.reshape({-1, -1}), ShapeError);
}

TEST_CASE("rows and views share") {
  Tensor a = counting({4, 3});
  Tensor middle = a.rows(1, 3);
  CHECK(middle.shape() == Shape{2, 3});
  CHECK(middle(0, 0) == 3);
  middle(1, 2) = 77;
  CHECK(a(2, 2) == 77);
  CHECK(a.rows(4, 4).numel() == 0);
  CHECK(counting({0, 3}).rows(0, 0).numel() == 0);
  CHECK(middle.clone().data() != middle.data());
  CHECK(middle.clone()(0, 1) == 4);
  CHECK(message_of<ShapeError>([&] { a.rows(2, 5); }) == "rows: [2, 5) is out of range for shape (4, 3)");
  CHECK(message_of<ShapeError>([&] { a.rows(3, 2); }) == "rows: [3, 2) is out of range for shape (4, 3)");
  CHECK(message_of<ShapeError>([&] { a.rows(-1, 2); }) == "rows: [-1, 2) is out of range for shape (4, 3)");
  CHECK_THROWS_AS(Tensor::scalar(1).rows(0, 0), ShapeError);

  const Tensor view = a.view(4, {2, 2});
  CHECK(view(0, 0) == 4);
  CHECK(view.data() == a.data() + 4);
  CHECK(a.view(12, {0}).numel() == 0);
  CHECK(message_of<ShapeError>([&] {
          a.view(9, {2, 2});
        }) == "view: (2, 2) at element 9 does not fit into (4, 3)");
  CHECK_THROWS_AS(a.view(-1, {1}), ShapeError);
  CHECK_THROWS_AS(a.view(std::numeric_limits<std::int64_t>::max(), {1}), ShapeError);

  // The memory lives as long as the last that looks at it.
  a = Tensor();
  middle = Tensor();
  CHECK(view(1, 1) == 7);
}

TEST_CASE("Eigen sees the same elements") {
  Tensor a = counting({2, 3, 4});
  CHECK(as_matrix(a).rows() == 6);
  CHECK(as_matrix(a).cols() == 4);
  CHECK(as_matrix(a)(4, 1) == 17);
  as_matrix(a)(0, 0) = 5;
  CHECK(a(0, 0, 0) == 5);
  as_array(a) += 1;
  CHECK(a(1, 2, 3) == 24);
  const Tensor& constant = a;
  CHECK(as_matrix(constant).data() == a.data());
  CHECK(as_array(constant).sum() == as_array(a.data(), 24).sum());
  Tensor none = Tensor::empty({3, 0});
  CHECK(as_matrix(none).size() == 0);
  Tensor scalar = Tensor::scalar(1);
  CHECK_THROWS_AS(as_matrix(scalar), ShapeError);
}

TEST_CASE("a tensor is made from any Eigen expression") {
  Eigen::MatrixXf a(2, 3), b(3, 2);  // column by column in memory
  a << 1, 2, 3, 4, 5, 6;
  b << 1, 0, 0, 1, 1, 1;
  const Eigen::MatrixXf c = Eigen::MatrixXf::Constant(2, 2, 10);
  const auto holds = [](const Tensor& t, const Shape& shape, std::vector<float> values) {
    return t.shape() == shape && std::ranges::equal(t.values(), values);
  };
  const Tensor sum = a * b + c;
  CHECK(holds(sum, {2, 2}, {14, 15, 20, 21}));
  CHECK(holds(a, {2, 3}, {1, 2, 3, 4, 5, 6}));
  CHECK(holds(a * b, {2, 2}, {4, 5, 10, 11}));
  CHECK(holds(a.transpose(), {3, 2}, {1, 4, 2, 5, 3, 6}));
  CHECK(holds(a.col(1), {2}, {2, 5}));
  CHECK(holds(a.row(1), {3}, {4, 5, 6}));
  CHECK(holds(a.rowwise().sum(), {2}, {6, 15}));
  CHECK(holds(a.colwise().sum(), {3}, {5, 7, 9}));
  CHECK(holds(a.array().square() - 1, {2, 3}, {0, 3, 8, 15, 24, 35}));
  CHECK(holds(Eigen::ArrayXf::LinSpaced(3, 0, 2), {3}, {0, 1, 2}));
  CHECK(holds(a.cast<double>() * 0.5, {2, 3}, {0.5, 1, 1.5, 2, 2.5, 3}));
  CHECK(holds(Eigen::Vector3i(1, 2, 3), {3}, {1, 2, 3}));
  CHECK(holds(Eigen::MatrixXf(0, 3), {0, 3}, {}));
  CHECK(holds(Eigen::MatrixXd::Identity(2, 2), {2, 2}, {1, 0, 0, 1}));
  Tensor assigned;
  assigned = a.topRows(1) * b;
  CHECK(holds(assigned, {1, 2}, {4, 5}));
  // From what is itself a tensor: the values are copied.
  Tensor t = sum.matrix().transpose();
  CHECK(holds(t, {2, 2}, {14, 20, 15, 21}));
  t = t.matrix() * t.matrix();
  CHECK(holds(t, {2, 2}, {496, 700, 525, 741}));
}

TEST_CASE("a tensor shows its elements as matrix, array and vector") {
  Tensor a = counting({2, 3, 4});
  a.matrix().row(5).setConstant(-1);
  CHECK(a(1, 2, 3) == -1);
  a.array() = a.array().max(0) + 1;
  CHECK(a(1, 2, 3) == 1);
  a.vector().head(2) *= 3;
  CHECK(a(0, 0, 1) == 6);
  const Tensor& constant = a;
  CHECK(constant.vector().dot(constant.vector()) == constant.array().square().sum());
  // A view that begins anywhere.
  Tensor view = a.view(1, {3, 5});
  view.array() += 1;
  CHECK(a(0, 0, 1) == 7);
  CHECK(view.matrix()(2, 4) == a.data()[15]);
  static_assert(std::is_const_v<std::remove_pointer_t<decltype(constant.matrix().data())>>);
  CHECK(Tensor().array().size() == 0);
  CHECK(Tensor().vector().size() == 0);
  CHECK_THROWS_AS((void)Tensor().matrix(), ShapeError);
}

TEST_CASE("a tensor that was moved from is empty") {
  Tensor a = counting({2, 3});
  const Tensor b = std::move(a);
  CHECK_FALSE(a.defined());  // NOLINT: that is the question
  CHECK(a.numel() == 0);
  CHECK(b(1, 2) == 5);
  a = counting({4});
  Tensor c;
  c = std::move(a);
  CHECK_FALSE(a.defined());  // NOLINT
  CHECK(c(3) == 3);
}

TEST_CASE("tensors whose size in bytes overflows are refused") {
  CHECK_THROWS(Tensor::empty({std::int64_t{1} << 62}));  // 2^64 bytes
  CHECK_THROWS(
      Tensor::empty({(std::int64_t{1} << 62) - 17}));  // 2^64 bytes when header and rounding are added
}

TEST_CASE("reshape to extents whose product overflows") {
  const std::int64_t big = std::int64_t{1} << 40;
  CHECK_THROWS_AS(counting({2}).reshape({big, big, -1}), ShapeError);
}
