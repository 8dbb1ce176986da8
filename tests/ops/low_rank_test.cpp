// A weight and a product of thin matrices, against the formula in double precision.
#include "minivit/ops/low_rank.hpp"

#include <doctest/doctest.h>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using op_test::in;
using reference::Array;

namespace {

void check_low_rank(std::int64_t N, std::int64_t C, std::int64_t R) {
  op_test::check_op({str_cat("low_rank_sum ", Shape{N, C}, " rank ", R),
                     {in({N, C}), in({N, R}), in({R, C})},
                     [](const std::vector<Var>& x) { return low_rank_sum(x[0], x[1], x[2], 0.5f); },
                     [=](const std::vector<Array>& x) {
                       Array y({N, C});
                       for (std::int64_t i = 0; i < N; ++i)
                         for (std::int64_t j = 0; j < C; ++j) {
                           double sum = 0;
                           for (std::int64_t k = 0; k < R; ++k) sum += x[1][i * R + k] * x[2][k * C + j];
                           y[i * C + j] = x[0][i * C + j] + 0.5 * sum;
                         }
                       return y;
                     }});
}

}  // namespace

TEST_CASE("low_rank_sum: odd sizes") {
  for (const std::int64_t C : op_test::odd_sizes())
    if (C > 0) check_low_rank(5, C, 3);
  check_low_rank(1, 1, 1);
  check_low_rank(65, 48, 4);
}

TEST_CASE("low_rank_sum says what does not fit") {
  CHECK(message_of<ShapeError>([] {
          return low_rank_sum(Tensor::zeros({4, 3}), Tensor::zeros({4, 2}), Tensor::zeros({1, 3}), 1.0f);
        }) == "low_rank_sum: weight is (4, 3), b (4, 2), a (1, 3), expected (N, C), (N, R), (R, C)");
}
