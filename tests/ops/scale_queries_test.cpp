// Queries times a factor of their head, against the formula in double precision.
#include "minivit/ops/scale_queries.hpp"

#include <doctest/doctest.h>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using op_test::in;
using reference::Array;

namespace {

void check_scale_queries(std::int64_t B, std::int64_t T, std::int64_t H, std::int64_t D) {
  op_test::check_op({str_cat("scale_queries of ", B, " samples, ", T, " tokens, ", H, " heads of ", D),
                     {in({B, T, 3 * H * D}), in({H}, -2, 2)},
                     [](const std::vector<Var>& x) { return scale_queries(x[0], x[1]); },
                     [=](const std::vector<Array>& x) {
                       Array y = x[0];
                       reference::for_each_index({B, T, H, D}, [&](const reference::Extents& i) {
                         y.at({i[0], i[1], i[2] * D + i[3]}) *= x[1][i[2]];
                       });
                       return y;
                     }});
}

}  // namespace

TEST_CASE("scale_queries") {
  for (const std::int64_t n : op_test::odd_sizes()) {
    check_scale_queries(2, n, 2, 3);
    if (n > 0) check_scale_queries(1, 3, n, 2), check_scale_queries(1, 3, 2, n);
  }
  check_scale_queries(0, 3, 2, 4);
  check_scale_queries(9, 65, 3, 32);
}

TEST_CASE("scale_queries says what does not fit") {
  const auto message = [](const Shape& qkv, const Shape& factors) {
    return message_of<ShapeError>([&] { return scale_queries(Tensor::zeros(qkv), Tensor::zeros(factors)); });
  };
  CHECK(message({1, 2, 12}, {2, 1}) == "scale_queries: factors are (2, 1), expected (H)");
  CHECK(message({2, 12}, {2}) ==
        "scale_queries: qkv is (2, 12), expected (B, T, 3C) with C divisible by 2 heads");
  CHECK(message({1, 2, 12}, {3}) ==
        "scale_queries: qkv is (1, 2, 12), expected (B, T, 3C) with C divisible by 3 heads");
  CHECK(message({1, 2, 12}, {0}) ==
        "scale_queries: qkv is (1, 2, 12), expected (B, T, 3C) with C divisible by 0 heads");
}
