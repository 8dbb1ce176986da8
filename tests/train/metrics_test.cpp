// Top-1, top-5 and loss, also of logits that are equal or no numbers.
#include "minivit/train/metrics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace minivit;

namespace {

Metrics metrics_of(std::int64_t K, std::vector<float> logits, const std::vector<int>& labels) {
  Metrics m;
  m.add(Tensor::from({static_cast<std::int64_t>(labels.size()), K}, logits), labels);
  return m;
}

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(),
                kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("nothing measured is 0") {
  const Metrics m;
  CHECK(m.samples == 0);
  CHECK(m.loss() == 0.0);
  CHECK(m.top1() == 0.0);
  CHECK(m.top5() == 0.0);
}

TEST_CASE("rates and loss are means over all samples added") {
  Metrics m;
  m.add(Tensor::from({2, 3}, {1, 2, 3, 3, 2, 1}), std::vector<int>{2, 1});
  m.add(Tensor::from({1, 3}, {0, 0, 1}), std::vector<int>{0});
  CHECK(m.samples == 3);
  CHECK(m.correct == 1);
  CHECK(m.top1() == doctest::Approx(1.0 / 3));
  CHECK(m.top5() == 1.0);  // fewer classes than five
  const double e = std::exp(1.0), big = std::log(std::exp(3.0) + std::exp(2.0) + e);
  CHECK(m.loss() == doctest::Approx((big - 3 + big - 2 + std::log(2 + e)) / 3));
}

TEST_CASE("top five of seven") {
  for (int label = 0; label < 7; ++label) {
    const Metrics m = metrics_of(7, {7, 6, 5, 4, 3, 2, 1}, {label});
    CHECK(m.correct == (label == 0));
    CHECK(m.correct5 == (label < 5));
  }
}

TEST_CASE("of equal logits the lower class counts as larger") {
  CHECK(metrics_of(3, {1, 1, 1}, {0}).correct == 1);
  CHECK(metrics_of(3, {1, 1, 1}, {1}).correct == 0);
  CHECK(metrics_of(3, {0, 1, 1}, {1}).correct == 1);
  CHECK(metrics_of(7, {1, 1, 1, 1, 1, 1, 1}, {4}).correct5 == 1);
  CHECK(metrics_of(7, {1, 1, 1, 1, 1, 1, 1}, {5}).correct5 == 0);
}

TEST_CASE("a model that computes NaN is never right") {
  for (int label = 0; label < 3; ++label) {
    const Metrics all = metrics_of(3, {kNaN, kNaN, kNaN}, {label});
    CHECK(all.correct == 0);
    CHECK(std::isnan(all.loss()));
    CHECK(metrics_of(3, {5, kNaN, 1}, {label}).correct == 0);
    CHECK(std::isnan(metrics_of(3, {5, kNaN, 1}, {label}).loss()));
  }
  CHECK(metrics_of(6, {kNaN, kNaN, kNaN, kNaN, kNaN, kNaN}, {0}).correct5 == 0);
  CHECK(metrics_of(6, {9, kNaN, 1, 1, 1, 1}, {0}).correct5 == 1);
}

TEST_CASE("logits far apart or infinite") {
  CHECK(metrics_of(2, {1e30f, -1e30f}, {0}).loss() == doctest::Approx(0));
  CHECK(metrics_of(2, {1e30f, -1e30f}, {1}).loss() == doctest::Approx(2e30));
  CHECK(metrics_of(2, {0, -kInfinity}, {0}).loss() == doctest::Approx(0));
  CHECK(metrics_of(2, {0, -kInfinity}, {1}).loss() == HUGE_VAL);
  CHECK(metrics_of(2, {0, -kInfinity}, {1}).correct == 0);
}

TEST_CASE("one class is always right") {
  const Metrics m = metrics_of(1, {-3, 4}, {0, 0});
  CHECK(m.top1() == 1.0);
  CHECK(m.loss() == doctest::Approx(0));
}
