#include "minivit/tensor/shape.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "support/message_of.hpp"

using namespace minivit;

TEST_CASE("extents, rank, number of elements, text") {
  const Shape s{8, 65, 384};
  CHECK(s.rank() == 3);
  CHECK(s[0] == 8);
  CHECK(s[-1] == 384);
  CHECK(s[-3] == 8);
  CHECK(s.numel() == 8 * 65 * 384);
  CHECK(s.str() == "(8, 65, 384)");
  CHECK(Shape{}.str() == "()");
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{3, 0, 2}.numel() == 0);
  CHECK(std::vector<std::int64_t>(s.begin(), s.end()) == std::vector<std::int64_t>{8, 65, 384});
}

TEST_CASE("comparison and replacement") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
  CHECK_FALSE(Shape{} == Shape{1});
  CHECK(Shape{2, 3}.with(0, 7) == Shape{7, 3});
  CHECK(Shape{2, 3}.with(-1, 0) == Shape{2, 0});
  CHECK(message_of<ShapeError>([] {
          Shape({2, 3}).with(1, -1);
        }) == "shape: extent is -1, must not be negative");
}

TEST_CASE("axes count from both ends") {
  const Shape s{2, 3};
  CHECK(s.axis(1) == 1);
  CHECK(s.axis(-2) == 0);
  CHECK(message_of<ShapeError>([&] { s.axis(2); }) == "axis 2 is out of range for shape (2, 3)");
  CHECK(message_of<ShapeError>([&] { s.axis(-3); }) == "axis -3 is out of range for shape (2, 3)");
  CHECK(message_of<ShapeError>([] { Shape().axis(0); }) == "axis 0 is out of range for shape ()");
  for (const int axis : {std::numeric_limits<int>::min(), std::numeric_limits<int>::max()})
    CHECK_THROWS_AS(s.axis(axis), ShapeError);
}

TEST_CASE("shapes that cannot be are refused") {
  CHECK(message_of<ShapeError>([] { Shape{2, -3}; }) == "shape: extent is -3, must not be negative");
  CHECK(message_of<ShapeError>([] { Shape{1, 1, 1, 1, 1, 1, 1}; }) ==
        "shape: rank is 7, at most 6 is supported");
  CHECK(message_of<ShapeError>([] {
          Shape s{1, 1, 1, 1, 1, 1};
          s.push_back(1);
        }) == "shape: at most 6 extents are supported");
  const std::int64_t big = std::int64_t{1} << 40;
  CHECK(message_of<ShapeError>([=] { Shape{big, big}; }) == "shape: too many elements");
  CHECK(message_of<ShapeError>([=] { Shape{0, big, big}; }) == "shape: too many elements");
  CHECK(message_of<ShapeError>([=] { Shape{big, big, 0}; }) == "shape: too many elements");
  CHECK_THROWS_AS((Shape{3, std::numeric_limits<std::int64_t>::max()}), ShapeError);
  CHECK(Shape{big, 0}.numel() == 0);
}
