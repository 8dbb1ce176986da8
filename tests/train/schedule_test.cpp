// The learning rate at every corner of its curve.
#include "minivit/train/schedule.hpp"

#include <doctest/doctest.h>

using namespace minivit;

TEST_CASE("warm-up rises evenly to the peak, then half a cosine falls to the last value") {
  const CosineSchedule lr{.peak = 1.0, .warmup = 4, .total = 12, .last = 0.2};
  CHECK(lr(0) == doctest::Approx(0.25));
  CHECK(lr(1) == doctest::Approx(0.5));
  CHECK(lr(3) == doctest::Approx(1.0));
  CHECK(lr(4) == doctest::Approx(1.0));
  CHECK(lr(6) == doctest::Approx(0.2 + 0.4 * (1 + 0.7071067811865476)));  // a quarter: cos 45°
  CHECK(lr(8) == doctest::Approx(0.6));
  CHECK(lr(10) == doctest::Approx(0.2 + 0.4 * (1 - 0.7071067811865476)));
  CHECK(lr(12) == doctest::Approx(0.2));
  CHECK(lr(13) == doctest::Approx(0.2));
  CHECK(lr(1'000'000'000'000) == doctest::Approx(0.2));
  for (int step = 4; step < 12; ++step) CHECK(lr(step + 1) < lr(step));
}

TEST_CASE("without warm-up the first step has the peak") {
  const CosineSchedule lr{.peak = 3e-4, .total = 10};
  CHECK(lr(0) == doctest::Approx(3e-4));
  CHECK(lr(5) == doctest::Approx(1.5e-4));
  CHECK(lr(10) == doctest::Approx(0));
}

TEST_CASE("warm-up to the end, one step, no step") {
  const CosineSchedule all{.peak = 1.0, .warmup = 5, .total = 5, .last = 0.1};
  CHECK(all(4) == doctest::Approx(1.0));
  CHECK(all(6) == doctest::Approx(0.1));
  const CosineSchedule one{.peak = 1.0, .total = 1};
  CHECK(one(0) == doctest::Approx(1.0));
  CHECK(one(1) == doctest::Approx(0.0));
  const CosineSchedule none{.peak = 1.0, .total = 0, .last = 0.5};
  CHECK(none(0) == doctest::Approx(1.0));
  CHECK(none(1) == doctest::Approx(0.5));
  const CosineSchedule level{.peak = 0.1, .total = 9, .last = 0.1};
  for (int step = 0; step < 12; ++step) CHECK(level(step) == doctest::Approx(0.1));
}

TEST_CASE("what a schedule is can be asked") {
  const auto level = [](std::int64_t) { return 0.1f; };
  static_assert(Schedule<CosineSchedule> && Schedule<decltype(level)>);
  static_assert(!Schedule<double>);
  CHECK(level(3) == 0.1f);
}

TEST_CASE("a schedule with restarts is PyTorch's CosineAnnealingWarmRestarts, with a warm-up before it") {
  const CosineSchedule lr{.peak = 1.0, .warmup = 2, .total = 14, .last = 0.1, .cycles = 3};
  // Three cycles of four steps.
  const double quarter = 0.1 + 0.45 * (1 + 0.7071067811865476), low = 0.1 + 0.45 * (1 - 0.7071067811865476);
  for (int cycle = 0; cycle < 3; ++cycle) {
    CHECK(lr(2 + 4 * cycle) == doctest::Approx(1.0));
    CHECK(lr(3 + 4 * cycle) == doctest::Approx(quarter));
    CHECK(lr(4 + 4 * cycle) == doctest::Approx(0.55));
    CHECK(lr(5 + 4 * cycle) == doctest::Approx(low));
  }
  CHECK(lr(14) == doctest::Approx(0.1));
  CHECK(lr(1000) == doctest::Approx(0.1));
}
