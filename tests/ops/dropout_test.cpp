// Dropout and drop path: masks, rates, gradients.
#include "minivit/ops/dropout.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using op_test::check_op;
using op_test::in;
using reference::Array;

namespace {

/// 0 or 1 / (1 - p) for the element at this position of the stream.
double mask(std::int64_t i, float p, const Rng& stream) {
  const std::uint32_t word = stream.at(static_cast<std::uint64_t>(i / 4))[static_cast<std::size_t>(i % 4)];
  return word < double{p} * 0x1p32 ? 0 : 1 / (1 - double{p});
}

/// Both operations on x, the mask being that of element i / period.
void check_dropout(const char* name, Var (*op)(const Var&, float), const Shape& shape, float p,
                   std::int64_t period) {
  check_op({str_cat(name, " ", shape, " p ", p),
            {in(shape)},
            [=](const std::vector<Var>& x) {
              manual_seed(5, 2);
              const Training scope;
              return op(x[0], p);
            },
            [=](const std::vector<Array>& x) {
              Array y = x[0];
              for (std::int64_t i = 0; i < static_cast<std::int64_t>(y.values.size()); ++i)
                y[i] *= mask(i / period, p, Generator(5, 2).stream(Generator::Purpose::dropout));
              return y;
            }});
}

Tensor dropped(Var (*op)(const Var&, float), const Tensor& x, float p) {
  const Training scope;
  return op(x, p).value();
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.numel()) * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("dropout and drop_path, forward and backward with the same mask") {
  for (const float p : {0.0f, 0.1f, 0.5f, 0.99f}) {
    for (const std::int64_t n : op_test::odd_sizes()) {
      check_dropout("dropout", dropout, {n}, p, 1);
      check_dropout("drop_path", drop_path, {n}, p, 1);
      check_dropout("drop_path", drop_path, {5, n}, p, std::max<std::int64_t>(n, 1));
    }
    check_dropout("dropout", dropout, {}, p, 1);
    check_dropout("dropout", dropout, {2, 3, 4}, p, 1);
    check_dropout("dropout", dropout, {op_test::kMany}, p, 1);
    check_dropout("drop_path", drop_path, {37, 11, 101}, p, 11 * 101);
  }
}

TEST_CASE("as many are dropped as asked for, and the mean stays") {
  constexpr std::int64_t n = 200'000;
  for (const auto op : {dropout, drop_path})
    for (const float p : {0.05f, 0.1f, 0.5f, 0.9f}) {
      CAPTURE(p);
      manual_seed(1);
      const Tensor y = dropped(op, Tensor::full({n}, 3.0f), p);
      double kept = 0, total = 0;
      for (const float v : y.values()) {
        if (v != 0) {
          ++kept;
          CHECK(std::fabs(v - 3.0f / (1 - p)) <= 1e-5f);
        }
        total += v;
      }
      const double sigma = std::sqrt(double{p} * (1 - p) / n);  // of the rate
      CHECK(std::fabs(kept / n - (1 - double{p})) <= 4 * sigma);
      CHECK(std::fabs(total / n - 3) <= 3 * 4 * sigma / (1 - double{p}));
    }
}

TEST_CASE("outside of a Training scope nothing is done") {
  const Tensor x = op_test::make(in({3, 4}));
  for (const auto op : {dropout, drop_path}) {
    manual_seed(1);
    const Rng before = Generator::local().stream(Generator::Purpose::dropout);
    manual_seed(1);
    CHECK(op(x, 0.5f).data() == x.data());
    const Training training;
    CHECK(op(x, 0.0f).data() == x.data());
    {
      const Training evaluating(false);
      CHECK(op(x, 0.5f).data() == x.data());
    }
    CHECK(op(x, 0.5f).data() != x.data());
    // Only the last call has drawn.
    manual_seed(1);
    CHECK(Generator::local().stream(Generator::Purpose::dropout).at(0) == before.at(0));
  }
}

TEST_CASE("another mask each time, the same after manual_seed") {
  const Tensor x = Tensor::full({64}, 1);
  for (const auto op : {dropout, drop_path}) {
    manual_seed(7);
    const Tensor first = dropped(op, x, 0.5f), second = dropped(op, x, 0.5f);
    manual_seed(7, 1);
    const Tensor next_step = dropped(op, x, 0.5f);
    manual_seed(7);
    CHECK(equal(dropped(op, x, 0.5f), first));
    CHECK(equal(dropped(op, x, 0.5f), second));
    CHECK_FALSE(equal(first, second));
    CHECK_FALSE(equal(first, next_step));
  }
}

TEST_CASE("dropout and drop_path of nothing, in training or not") {
  for (const bool training : {false, true}) {
    const Training scope(training);
    CHECK(message_of<ShapeError>([] { return dropout({}, 0.5f); }) ==
          "dropout: x is empty, expected a tensor");
    CHECK(message_of<ShapeError>([] { return drop_path({}, 0.5f); }) ==
          "drop_path: x is empty, expected a tensor");
  }
}

TEST_CASE("dropout and drop_path say what is out of range") {
  for (const float p : {-0.5f, 1.0f, 2.0f, std::numeric_limits<float>::quiet_NaN()}) {
    CHECK(message_of<ConfigError>([&] { return dropout(Tensor::zeros({3}), p); }) ==
          str_cat("dropout: p is ", p, ", expected 0 ≤ p < 1"));
    CHECK(message_of<ConfigError>([&] { return drop_path(Tensor::zeros({3}), p); }) ==
          str_cat("drop_path: p is ", p, ", expected 0 ≤ p < 1"));
  }
  CHECK(message_of<ShapeError>([] { return drop_path(Tensor::zeros({}), 0.5f); }) ==
        "drop_path: x is (), expected (B, ...)");
}
