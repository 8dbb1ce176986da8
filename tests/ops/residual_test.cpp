// The end of a residual branch, against its parts.
#include "minivit/ops/residual.hpp"
#include "minivit/autograd/tape.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/dropout.hpp"
#include "minivit/ops/reductions.hpp"
#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

void check_residual(const Shape& shape, bool scaled) {
  const std::int64_t C = shape[-1];
  std::vector<op_test::Input> inputs{in(shape), in(shape)};
  if (scaled) inputs.push_back(in({C}));
  check_op({str_cat("residual ", shape, scaled ? " with gamma" : ""),
            inputs,
            [=](const std::vector<Var>& x) { return residual(x[0], x[1], scaled ? x[2] : Var(), 0.3f); },
            [=](const std::vector<Array>& x) {
              Array y = x[0];
              for (std::size_t i = 0; i < y.values.size(); ++i)
                y.values[i] += x[1].values[i] * (scaled ? x[2].values[i % static_cast<std::size_t>(C)] : 1.0);
              return y;
            },
            1e-5,
            1e-4,
            {2}});
}

}  // namespace

TEST_CASE("residual: x + gamma branch, odd sizes") {
  for (const bool scaled : {false, true}) {
    for (const std::int64_t C : op_test::odd_sizes())
      if (C > 0) check_residual({3, 2, C}, scaled);
    check_residual({4, 5}, scaled);
    check_residual({1, 5}, scaled);
    check_residual({0, 3, 4}, scaled);
    check_residual({7, 65, 48}, scaled);
  }
}

TEST_CASE("residual in training is what its parts are, with the same mask") {
  const Shape shape{6, 3, 10};
  const Tensor x = op_test::make(in(shape), 1), branch = op_test::make(in(shape), 2),
               gamma = op_test::make(in({10}), 3), dy = op_test::make(in(shape), 4);
  const auto gradients = [&](bool fused) {
    std::vector<Tensor> grads{Tensor::zeros(shape), Tensor::zeros(shape), Tensor::zeros({10})};
    const Var a = Var::leaf(x, grads[0]), v = Var::leaf(branch, grads[1]), g = Var::leaf(gamma, grads[2]);
    const Training training;
    manual_seed(5);
    const Var y = fused ? residual(a, v, g, 0.5f) : a + drop_path(v * g, 0.5f);
    grads.push_back(y.value().clone());
    backward(sum(y * Var(dy)));
    return grads;
  };
  const std::vector<Tensor> ours = gradients(true), parts = gradients(false);
  int dropped = 0;
  for (std::size_t i = 0; i < ours.size(); ++i)
    for (std::int64_t j = 0; j < ours[i].numel(); ++j)
      CHECK(ours[i].data()[j] == doctest::Approx(parts[i].data()[j]).epsilon(1e-5));
  for (std::int64_t b = 0; b < 6; ++b)
    dropped += std::equal(ours[3].data() + b * 30, ours[3].data() + (b + 1) * 30, x.data() + b * 30);
  CHECK(dropped > 0);
  CHECK(dropped < 6);
}

TEST_CASE("residual says what does not fit") {
  const Var x = Tensor::zeros({2, 3, 4});
  CHECK(message_of<ShapeError>([&] {
          return residual(x, Tensor::zeros({2, 3, 5}), {}, 0.0f);
        }) == "residual: branch is (2, 3, 5), expected (2, 3, 4) to match x");
  CHECK(message_of<ShapeError>([&] { return residual(x, x, Tensor::zeros({3}), 0.0f); }) ==
        "residual: gamma is (3), expected (4) to match x (2, 3, 4)");
  CHECK(message_of<ShapeError>([&] { return residual(Tensor::zeros({5}), Tensor::zeros({5}), {}, 0.0f); }) ==
        "residual: x is (5), expected (B, ..., C)");
  CHECK(message_of<ConfigError>([&] { return residual(x, x, {}, 1.0f); }) ==
        "residual: p is 1, expected 0 ≤ p < 1");
}
