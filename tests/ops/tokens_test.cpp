// The sequence of tokens: assembled and pooled, against the formulas in double precision.
#include "minivit/ops/tokens.hpp"

#include <doctest/doctest.h>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using kernels::kLanes;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

/// Tokens of B images: `first` and `second` of any number in front, positions added to all
/// or to the patches alone.
void check_assemble(std::int64_t B, std::int64_t N, std::int64_t C, std::int64_t first, std::int64_t second,
                    bool all = true) {
  const std::int64_t T = first + second + N, S = all ? 0 : T - N;
  std::vector<op_test::Input> inputs{in({B, N, C}), in({1, T - S, C})};
  if (first > 0) inputs.push_back(in({1, first, C}));
  if (second > 0) inputs.push_back(in({1, second, C}));
  const std::size_t at_second = first > 0 ? 3 : 2;
  check_op({str_cat("assemble_tokens ", Shape{B, N, C}, " behind ", first, " and ", second),
            inputs,
            [=](const std::vector<Var>& x) {
              return assemble_tokens(x[0], first > 0 ? x[2] : Var(), second > 0 ? x[at_second] : Var(), x[1]);
            },
            [=](const std::vector<Array>& x) {
              Array y({B, T, C});
              std::int64_t i = 0;
              for (std::int64_t b = 0; b < B; ++b)
                for (std::int64_t t = 0; t < T; ++t)
                  for (std::int64_t c = 0; c < C; ++c) {
                    const double token = t < first            ? x[2][t * C + c]
                                         : t < first + second ? x[at_second][(t - first) * C + c]
                                                              : x[0][(b * N + t - first - second) * C + c];
                    y[i++] = token + (t < S ? 0.0 : x[1][(t - S) * C + c]);
                  }
              return y;
            },
            1e-5,
            1e-4,
            {2, 3}});
}

void check_pool(std::int64_t B, std::int64_t T, std::int64_t C, std::int64_t begin, std::int64_t count,
                bool and_first = false) {
  check_op({str_cat("pool_tokens ", Shape{B, T, C}, " from ", begin, ": ", count),
            {in({B, T, C})},
            [=](const std::vector<Var>& x) { return pool_tokens(x[0], begin, count, and_first); },
            [=](const std::vector<Array>& x) {
              const std::int64_t M = and_first ? C : 0, width = M + C;
              Array y({B, width});
              for (std::int64_t b = 0; b < B; ++b)
                for (std::int64_t c = 0; c < C; ++c) {
                  double sum = 0;
                  for (std::int64_t t = begin; t < begin + count; ++t) sum += x[0][(b * T + t) * C + c];
                  if (and_first) y[b * width + c] = x[0][b * T * C + c];
                  y[b * width + M + c] = sum / static_cast<double>(count);
                }
              return y;
            }});
}

}  // namespace

TEST_CASE("assemble_tokens: any number of tokens, odd sizes") {
  for (const std::int64_t C : {1, 5, 2 * int{kLanes} + 1}) {
    check_assemble(2, 3, C, 0, 0);
    check_assemble(3, 4, C, 1, 0);
    check_assemble(2, 5, C, 0, 4);
    check_assemble(2, 3, C, 1, 3);
    check_assemble(2, 3, C, 1, 3, false);
  }
  check_assemble(0, 3, 4, 1, 2);
  check_assemble(1, 1, 7, 2, 2);
  check_assemble(1, 2, 5, 2, 2, false);  // four inputs of one shape
  check_assemble(9, 64, 48, 1, 4);
}

TEST_CASE("assemble_tokens says what does not fit") {
  const Var x = Tensor::zeros({2, 3, 4});
  CHECK(message_of<ShapeError>([&] {
          return assemble_tokens(Tensor::zeros({3, 4}), {}, {}, x);
        }) == "assemble_tokens: patches are (3, 4), expected (B, N, C)");
  CHECK(message_of<ShapeError>([&] {
          return assemble_tokens(x, Tensor::zeros({1, 1, 5}), {}, x);
        }) == "assemble_tokens: a token is (1, 1, 5), expected (1, p, 4)");
  CHECK(
      message_of<ShapeError>([&] {
        return assemble_tokens(x, Tensor::zeros({1, 1, 4}), {}, Tensor::zeros({1, 2, 4}));
      }) ==
      "assemble_tokens: positions are (1, 2, 4), expected (1, 4, 4) or (1, 3, 4) for patches (2, 3, 4) and 1 "
      "tokens");
}

TEST_CASE("select_tokens: other ones of each image, one of them twice") {
  const std::int64_t B = 2, T = 4, C = kLanes + 3;
  const std::vector<int> tokens{3, 0, 3, 1, 2, 0};
  check_op({"select_tokens",
            {in({B, T, C})},
            [=](const std::vector<Var>& x) { return select_tokens(x[0], tokens); },
            [=](const std::vector<Array>& x) {
              Array y({B, 3, C});
              for (std::int64_t i = 0; i < B * 3; ++i)
                for (std::int64_t c = 0; c < C; ++c)
                  y[i * C + c] = x[0][(i / 3 * T + tokens[static_cast<std::size_t>(i)]) * C + c];
              return y;
            }});
  const Tensor x = Tensor::zeros({2, 3, 4});
  CHECK(message_of<ShapeError>([&] {
          return select_tokens(x, std::vector<int>{0, 3});
        }) == "select_tokens: token 3 of x (2, 3, 4)");
  CHECK(message_of<ShapeError>([&] {
          return select_tokens(x, std::vector<int>{0, 1, 2});
        }) == "select_tokens: 3 tokens of x (2, 3, 4), expected as many for each image");
  CHECK(message_of<ShapeError>([&] {
          return select_tokens(Tensor::zeros({3, 4}), {});
        }) == "select_tokens: x is (3, 4), expected (B, T, C)");
}

TEST_CASE("pool_tokens: one, some, all") {
  for (const std::int64_t C : {1, 5, 2 * int{kLanes} + 1}) {
    check_pool(2, 4, C, 0, 1);
    check_pool(3, 5, C, 4, 1);
    check_pool(2, 6, C, 1, 5);
    check_pool(1, 3, C, 0, 3);
    check_pool(2, 6, C, 2, 4, true);
    check_pool(3, 3, C, 0, 3, true);
  }
  check_pool(0, 3, 4, 1, 2);
  check_pool(17, 65, 48, 1, 64);
  const Var x = Tensor::zeros({2, 3, 4});
  CHECK(message_of<ShapeError>([&] { return pool_tokens(x, 2, 2); }) ==
        "pool_tokens: 2 tokens from 2 on of x (2, 3, 4)");
  CHECK(message_of<ShapeError>([&] { return pool_tokens(x, 0, 0); }).starts_with("pool_tokens: 0 tokens"));
  CHECK(message_of<ShapeError>([&] {
          return pool_tokens(Tensor::zeros({3, 4}), 0);
        }) == "pool_tokens: x is (3, 4), expected (B, T, C)");
}

TEST_CASE("mean_of: half the sum") {
  for (const std::int64_t n : op_test::odd_sizes())
    check_op({str_cat("mean_of ", n),
              {in({2, n}), in({2, n})},
              [](const std::vector<Var>& x) { return mean_of(x[0], x[1]); },
              [=](const std::vector<Array>& x) {
                Array y({2, n});
                for (std::int64_t i = 0; i < 2 * n; ++i) y[i] = (x[0][i] + x[1][i]) / 2;
                return y;
              }});
  CHECK(message_of<ShapeError>([] {
          return mean_of(Tensor::zeros({2, 3}), Tensor::zeros({3, 2}));
        }) == "mean_of: a is (2, 3), b (3, 2), expected the same shape");
}
