// Fused operations against what they stand for: the separate operations, in double precision and as they are.
#include "minivit/ops/linear_fused.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/rearrange.hpp"
#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using kernels::kLanes, kernels::kTileColumns;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

Array gelu_reference(Array x) {
  for (double& v : x.values) v = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
  return x;
}

/// x (..., C) · Wᵀ + b [+ residual]
Array affine_map(const Array& x, const Array& w, const Array* b = nullptr, const Array* residual = nullptr) {
  Array flat = x;
  const std::int64_t C = x.shape.back(), N = w.shape[0];
  reference::Extents rows = x.shape;
  rows.back() = 1;
  flat.shape = {reference::count(rows), C};
  Array y = reference::matmul(flat, w, false, true);
  y.shape = x.shape;
  y.shape.back() = N;
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    if (b) y.values[i] += (*b)[static_cast<std::int64_t>(i) % N];
    if (residual) y.values[i] += residual->values[i];
  }
  return y;
}

void check_norm_linear(const Shape& shape, std::int64_t N) {
  const std::int64_t C = shape[-1];
  check_op({str_cat("norm_linear ", shape, " to ", N),
            {in(shape), in({C}, 0.5f, 1.5f), in({C}), in({N, C}), in({N})},
            [](const std::vector<Var>& x) { return norm_linear(x[0], x[1], x[2], 0.1f, x[3], x[4]); },
            [](const std::vector<Array>& x) {
              return affine_map(reference::layer_norm(x[0], x[1], x[2], 0.1f), x[3], &x[4]);
            },
            1e-5,
            1e-4,
            {4}});
}

void check_gelu_linear(const Shape& shape, std::int64_t N) {
  const std::int64_t C = shape[-1];
  const Shape result = shape.with(-1, N);
  check_op({str_cat("gelu_linear ", shape, " to ", N),
            {in(shape, -3, 3), in({N, C}), in({N}), in(result)},
            [](const std::vector<Var>& x) { return gelu_linear(x[0], x[1], x[2], x[3]); },
            [](const std::vector<Array>& x) { return affine_map(gelu_reference(x[0]), x[1], &x[2], &x[3]); },
            1e-5,
            1e-4,
            {2, 3}});
}

void check_patch_linear(const Shape& images, std::int64_t P, std::int64_t C) {
  check_op({str_cat("patch_linear ", images, " patches of ", P, " to ", C),
            {in(images), in({C, images[1], P, P}), in({C})},
            [](const std::vector<Var>& x) { return patch_linear(x[0], x[1], x[2]); },
            [=](const std::vector<Array>& x) {
              const std::int64_t B = images[0], channels = images[1], H = images[2], W = images[3];
              Array y({B, H / P * (W / P), C});
              for (std::int64_t b = 0; b < B; ++b)
                for (std::int64_t n = 0; n < y.shape[1]; ++n)
                  for (std::int64_t o = 0; o < C; ++o) {
                    double sum = x[2][o];
                    for (std::int64_t c = 0; c < channels; ++c)
                      for (std::int64_t i = 0; i < P; ++i)
                        for (std::int64_t j = 0; j < P; ++j)
                          sum +=
                              x[0][((b * channels + c) * H + n / (W / P) * P + i) * W + n % (W / P) * P + j] *
                              x[1][((o * channels + c) * P + i) * P + j];
                    y[(b * y.shape[1] + n) * C + o] = sum;
                  }
              return y;
            },
            1e-5,
            1e-4,
            {2}});
}

}  // namespace

TEST_CASE("linear adds a residual") {
  for (const std::int64_t n : {1, 7, kLanes + 1, 2 * kTileColumns + 3})
    check_op({str_cat("linear with residual, width ", n),
              {in({2, 3, 5}), in({n, 5}), in({n}), in({2, 3, n})},
              [](const std::vector<Var>& x) { return linear(x[0], x[1], x[2], x[3]); },
              [](const std::vector<Array>& x) { return affine_map(x[0], x[1], &x[2], &x[3]); },
              1e-5,
              1e-4,
              {2, 3}});
}

TEST_CASE("a residual that is the input gets both gradients") {
  check_op({"x Wᵀ + x",
            {in({4, 6}), in({6, 6})},
            [](const std::vector<Var>& x) { return linear(x[0], x[1], {}, x[0]); },
            [](const std::vector<Array>& x) { return affine_map(x[0], x[1], nullptr, &x[0]); }});
}

TEST_CASE("norm_linear") {
  for (const std::int64_t n : op_test::odd_sizes()) {
    if (n > 1) check_norm_linear({3, n}, 5);  // a single element is its own mean: there is no gradient
    check_norm_linear({n, 4}, 3);
    check_norm_linear({2, 3}, n);
  }
  check_norm_linear({2, 3, 40}, 33);
  check_norm_linear({201, 65}, 70);
  check_norm_linear({3, 771}, 5);
}

TEST_CASE("gelu_linear") {
  for (const std::int64_t n : op_test::odd_sizes()) {
    check_gelu_linear({3, n}, 5);
    check_gelu_linear({n, 4}, 3);
    check_gelu_linear({2, 3}, n);
  }
  check_gelu_linear({2, 3, 40}, 33);
  check_gelu_linear({201, 65}, 70);
  check_gelu_linear({3, 771}, 5);
}

TEST_CASE("patch_linear") {
  check_patch_linear({1, 1, 1, 1}, 1, 1);
  check_patch_linear({2, 3, 8, 12}, 4, 5);
  check_patch_linear({1, 2, 6, 3}, 3, kLanes + 1);
  check_patch_linear({2, 1, 14, 7}, 7, 2);
  check_patch_linear({1, 3, 48, 16}, 16, 3);  // a patch longer than what is packed at once
  check_patch_linear({0, 3, 4, 4}, 2, 3);
}

TEST_CASE("fused operations equal the separate ones") {
  const Var x(op_test::make(in({37, 50}, -2, 2))), gamma(op_test::make(in({50}, 0.5f, 1.5f), 2)),
      beta(op_test::make(in({50}), 3)), w(op_test::make(in({45, 50}), 4)), b(op_test::make(in({45}), 5)),
      r(op_test::make(in({37, 45}), 6));
  const auto same = [](const Var& a, const Var& e) {
    double worst = 0;
    for (std::int64_t i = 0; i < a.numel(); ++i)
      worst = std::max(worst, std::fabs(double{a.data()[i]} - e.data()[i]));
    CHECK(worst <= 1e-5);
  };
  same(norm_linear(x, gamma, beta, 1e-6f, w, b), linear(layer_norm(x, gamma, beta), w, b));
  same(gelu_linear(x, w, b, r), linear(gelu(x), w, b) + r);
  const Var images(op_test::make(in({2, 3, 8, 8}), 7)), kernel(op_test::make(in({6, 3, 4, 4}), 8));
  same(patch_linear(images, kernel), linear(patchify(images, 4), reshape(kernel, {6, -1})));
}

TEST_CASE("fused operations: shapes that do not fit") {
  const Var x(Tensor::zeros({2, 3})), v(Tensor::zeros({3})), w(Tensor::zeros({4, 3})), b(Tensor::zeros({4}));
  CHECK(message_of<ShapeError>([&] { return norm_linear(x, b, v, 1e-6f, w); }) ==
        "norm_linear: gamma is (4), expected (3) to match x (2, 3)");
  CHECK(message_of<ShapeError>([&] { return norm_linear(x, v, b, 1e-6f, w); }) ==
        "norm_linear: beta is (4), expected (3) to match x (2, 3)");
  CHECK(message_of<ShapeError>([&] {
          return norm_linear(x, v, v, 1e-6f, Var(Tensor::zeros({4, 2})));
        }) == "norm_linear: weight is (4, 2), expected (*, 3) to match x (2, 3)");
  CHECK(message_of<ShapeError>([&] { return norm_linear(x, v, v, 1e-6f, w, v); }) ==
        "norm_linear: bias is (3), expected (4) to match weight (4, 3)");
  CHECK(message_of<ShapeError>([&] { return gelu_linear(x, w, b, x); }) ==
        "gelu_linear: residual is (2, 3), expected (2, 4) to match x (2, 3) and weight (4, 3)");
  CHECK(message_of<ShapeError>([&] { return linear(x, w, b, x); }) ==
        "linear: residual is (2, 3), expected (2, 4) to match x (2, 3) and weight (4, 3)");
  CHECK(message_of<ShapeError>([&] { return gelu_linear(x, Var(Tensor::zeros({3}))); }) ==
        "gelu_linear: weight is (3), expected (*, 3) to match x (2, 3)");
  const Var images(Tensor::zeros({1, 3, 4, 6}));
  CHECK(message_of<ShapeError>([&] { return patch_linear(images, w); }) ==
        "patch_linear: weight is (4, 3), expected (C, channels, P, P)");
  CHECK(message_of<ShapeError>([&] {
          return patch_linear(images, Var(Tensor::zeros({2, 3, 4, 4})));
        }) ==
        "patch_linear: x is (1, 3, 4, 6), expected (B, C, H, W) with H and W divisible by the patch size 4");
  CHECK(message_of<ShapeError>([&] {
          return patch_linear(images, Var(Tensor::zeros({2, 1, 2, 2})));
        }) == "patch_linear: weight is (2, 1, 2, 2), expected (*, 3, P, P) to match images (1, 3, 4, 6)");
}
