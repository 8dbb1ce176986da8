// The gate of SwiGLU, against the formula in double precision.
#include "minivit/ops/swiglu.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using reference::Array;

namespace {

void check_swiglu(std::int64_t rows, std::int64_t H) {
  op_test::check_op({str_cat("swiglu ", Shape{rows, 2 * H}),
                     {op_test::in({rows, 2 * H}, -4, 4)},
                     [](const std::vector<Var>& x) { return swiglu(x[0]); },
                     [=](const std::vector<Array>& x) {
                       Array y({rows, H});
                       for (std::int64_t i = 0; i < rows; ++i)
                         for (std::int64_t j = 0; j < H; ++j) {
                           const double a = x[0][2 * i * H + j], b = x[0][2 * i * H + H + j];
                           y[i * H + j] = a / (1 + std::exp(-a)) * b;
                         }
                       return y;
                     }});
}

}  // namespace

TEST_CASE("swiglu: silu(a) b, odd sizes") {
  for (const std::int64_t H : op_test::odd_sizes()) check_swiglu(3, H);
  check_swiglu(0, 4);
  check_swiglu(129, 65);
}

TEST_CASE("swiglu wants two halves") {
  CHECK(message_of<ShapeError>([] {
          return swiglu(Tensor::zeros({2, 5}));
        }) == "swiglu: x is (2, 5), expected an even number of columns");
}
