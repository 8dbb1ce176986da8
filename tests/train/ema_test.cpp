// The moving average of the weights.
#include "minivit/train/ema.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "minivit/nn/linear.hpp"
#include "support/message_of.hpp"

using namespace minivit;

TEST_CASE("the average follows the weights, fast at first") {
  Linear layer(40, 30);
  ParameterArena parameters = flatten(layer);
  Ema ema(parameters, 0.5f);
  CHECK(std::ranges::equal(ema.average().values(), parameters.values.values()));
  std::vector<double> expected(parameters.values.values().begin(), parameters.values.values().end());
  for (int t = 1; t <= 12; ++t) {
    Rng rng(1, static_cast<std::uint64_t>(t));
    for (float& v : parameters.values.values()) v = rng.normal();
    ema.update();
    const double d = std::min(0.5, (1.0 + t) / (10.0 + t));
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] = d * expected[i] + (1 - d) * static_cast<double>(parameters.values.values()[i]);
    CHECK(ema.steps() == t);
  }
  CHECK((1.0 + 12) / (10 + 12) > 0.5);  // both branches of the minimum were taken
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    worst = std::max(worst, std::abs(expected[i] - static_cast<double>(ema.average().values()[i])));
  CHECK(worst < 1e-6);
}

TEST_CASE("the model has the average as its weights within a scope, also if an exception ends it") {
  Linear layer(3, 2);
  ParameterArena parameters = flatten(layer);
  std::optional<Ema> ema(std::in_place, parameters, 0.9f);
  const Tensor start = parameters.values.clone();
  parameters.values.fill(5.0f);
  const auto restored = [&] {
    return layer.weight.value(1, 2) == 5.0f && std::ranges::equal(ema->average().values(), start.values());
  };
  {
    const UseAverage average(ema);
    CHECK(std::ranges::equal(parameters.values.values(), start.values()));
    CHECK(layer.weight.value(0, 0) == start(0));  // the model sees it
    CHECK(ema->average()(0) == 5.0f);
    {
      const UseAverage within(*ema);  // the same once more
      CHECK(layer.weight.value(0, 0) == start(0));
    }
    CHECK(layer.weight.value(0, 0) == start(0));
    CHECK(message_of<Error>([&] { ema->update(); }) ==
          "ema: the average is in use as the weights; end the UseAverage scope before training");
  }
  CHECK(restored());
  try {
    const UseAverage average(ema);
    throw Error("evaluation failed");
  } catch (const Error&) { CHECK(restored()); }
  std::optional<Ema> none;
  const UseAverage nothing(none);
  CHECK(restored());
}

TEST_CASE("the average follows an arena that is moved, and outlives one that ends") {
  Linear layer(1, 1);
  std::optional<ParameterArena> parameters = flatten(layer);
  Ema ema(*parameters, 0.75f);
  const ParameterArena moved = *std::exchange(parameters, std::nullopt);
  ema.set_steps(1000);
  layer.weight.value.fill(1.0f);
  const float before = ema.average()(0);
  ema.update();
  CHECK(ema.average()(0) == doctest::Approx(0.75 * before + 0.25));
}

TEST_CASE("the number of steps can be restored") {
  Linear layer(1, 1);
  ParameterArena parameters = flatten(layer);
  parameters.values.fill(0.0f);
  Ema ema(parameters, 0.75f);
  ema.set_steps(1000);
  parameters.values.fill(1.0f);
  ema.update();
  CHECK(ema.steps() == 1001);
  CHECK(ema.average()(0) == doctest::Approx(0.25));
}
