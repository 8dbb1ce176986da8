// AdamW and SGD against their formulas in double precision; clipping.
#include "minivit/train/optimizer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "minivit/nn/linear.hpp"

using namespace minivit;

namespace {

/// Enough weights for several pieces of work, and a bias that does not decay.
struct Problem {
  Linear layer{150, 120};
  ParameterArena parameters = flatten(layer);
  std::vector<double> p;  // the reference's weights

  Problem() : p(parameters.values.values().begin(), parameters.values.values().end()) {}

  /// New gradients, the same for both.
  const std::vector<double>& new_gradients(int step) {
    Rng rng(11, static_cast<std::uint64_t>(step));
    for (float& v : parameters.grads.values()) v = 0.1f * rng.normal();
    g.assign(parameters.grads.values().begin(), parameters.grads.values().end());
    return g;
  }

  double decay(std::size_t i, double weight_decay) const {
    return static_cast<std::int64_t>(i) < parameters.decayed ? weight_decay : 0.0;
  }

  double worst() const {
    double largest = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double d = std::fabs(p[i] - static_cast<double>(parameters.values.values()[i]));
      if (!(d <= largest)) largest = d;
    }
    return largest;
  }

  std::vector<double> g;
};

ParameterArena arena_of(std::vector<float> gradients) {
  ParameterArena arena;
  const auto n = static_cast<std::int64_t>(gradients.size());
  arena.values = Tensor::zeros({n});
  arena.grads = Tensor::from({n}, gradients);
  return arena;
}

}  // namespace

TEST_CASE("AdamW is the formula in double precision") {
  for (const double weight_decay : {0.0, 0.5}) {
    manual_seed(1);
    Problem problem;
    const AdamW::Options options{
        .beta1 = 0.85f, .beta2 = 0.98f, .eps = 1e-3f, .weight_decay = static_cast<float>(weight_decay)};
    AdamW optimizer(problem.parameters, options);
    CHECK(optimizer.steps() == 0);
    std::vector<double> m(problem.p.size()), v(problem.p.size());
    const double b1 = options.beta1, b2 = options.beta2, eps = options.eps;
    for (int t = 1; t <= 12; ++t) {
      const double lr = static_cast<double>(0.01f) * t;
      const auto& g = problem.new_gradients(t);
      optimizer.step(static_cast<float>(lr));
      for (std::size_t i = 0; i < g.size(); ++i) {
        problem.p[i] -= lr * problem.decay(i, options.weight_decay) * problem.p[i];
        m[i] = b1 * m[i] + (1 - b1) * g[i];
        v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
        problem.p[i] -= lr * (m[i] / (1 - std::pow(b1, t))) / (std::sqrt(v[i] / (1 - std::pow(b2, t))) + eps);
      }
      CHECK(std::ranges::equal(problem.parameters.grads.values(), g));  // not cleared
    }
    CHECK(optimizer.steps() == 12);
    CHECK(problem.worst() < 5e-6);
  }
}

TEST_CASE("AdamW resumes from its moments and the number of steps") {
  manual_seed(1);
  Problem whole, first;
  first.parameters.values.copy_from(whole.parameters.values);
  AdamW a(whole.parameters, {}), b(first.parameters, {});
  for (int t = 0; t < 3; ++t) {
    whole.new_gradients(t), first.new_gradients(t);
    a.step(0.01f), b.step(0.01f);
  }
  AdamW c(first.parameters, {});
  c.first_moment().copy_from(b.first_moment());
  c.second_moment().copy_from(b.second_moment());
  c.set_steps(b.steps());
  for (int t = 3; t < 6; ++t) {
    whole.new_gradients(t), first.new_gradients(t);
    a.step(0.01f), c.step(0.01f);
  }
  CHECK(std::ranges::equal(whole.parameters.values.values(), first.parameters.values.values()));
  CHECK(c.steps() == 6);
}

TEST_CASE("SGD is the formula in double precision, with and without momentum and Nesterov's look ahead") {
  struct Case {
    float momentum;
    bool nesterov;
    float weight_decay;
  };
  for (const Case& c : {Case{0.0f, false, 0.0f}, Case{0.0f, false, 0.3f}, Case{0.9f, false, 0.3f},
                        Case{0.9f, true, 0.0f}, Case{0.9f, true, 0.3f}}) {
    CAPTURE(c.momentum);
    CAPTURE(c.nesterov);
    CAPTURE(c.weight_decay);
    manual_seed(1);
    Problem problem;
    Sgd optimizer(problem.parameters,
                  {.momentum = c.momentum, .weight_decay = c.weight_decay, .nesterov = c.nesterov});
    std::vector<double> b(problem.p.size());
    for (int t = 1; t <= 10; ++t) {
      const double lr = static_cast<double>(0.05f);
      const auto& g = problem.new_gradients(t);
      optimizer.step(0.05f);
      for (std::size_t i = 0; i < g.size(); ++i) {
        const double decayed = g[i] + problem.decay(i, c.weight_decay) * problem.p[i];
        b[i] = t == 1 ? decayed : double{c.momentum} * b[i] + decayed;
        problem.p[i] -= lr * (c.nesterov ? decayed + double{c.momentum} * b[i] : b[i]);
      }
    }
    CHECK(optimizer.steps() == 10);
    CHECK(problem.worst() < 2e-6);
  }
}

TEST_CASE("padding between parameters stays 0") {
  Linear layer(3, 3);  // 9 + 3 weights in two lines of 16
  ParameterArena parameters = flatten(layer);
  REQUIRE(parameters.size() == 32);
  AdamW adam(parameters, {});
  Sgd sgd(parameters, {.weight_decay = 0.1f});
  for (const ParameterArena::Slot& slot : parameters.slots)
    std::fill_n(parameters.grads.data() + slot.begin, slot.shape.numel(), 1.0f);
  for (int i = 0; i < 3; ++i) adam.step(0.1f), sgd.step(0.1f);
  CHECK(std::count(parameters.values.data() + 9, parameters.values.data() + 16, 0.0f) == 7);
  CHECK(std::count(parameters.values.data() + 19, parameters.values.data() + 32, 0.0f) == 13);
}

TEST_CASE("an optimizer follows an arena that is moved, and outlives one that ends") {
  Linear layer(3, 2);
  const auto trains = [&](auto& optimizer) {
    const float before = layer.weight.value(0, 0);
    layer.weight.grad.fill(1.0f);
    optimizer.step(0.1f);
    return layer.weight.value(0, 0) < before;
  };
  std::optional<ParameterArena> parameters = flatten(layer);
  AdamW adam(*parameters, {.weight_decay = 0.0f});
  Sgd sgd(*parameters, {});
  CHECK(trains(adam));
  std::optional<ParameterArena> moved = std::move(parameters);
  parameters.reset();
  CHECK(trains(adam));
  CHECK(trains(sgd));
  moved.reset();
  CHECK(trains(adam));
  CHECK(trains(sgd));
  // While one of them lives, another arena would take the model away from it.
  CHECK_THROWS_AS((void)flatten(layer), Error);
}

namespace {

/// The least that is an optimizer.
struct Descent {
  ParameterArena parameters;
  std::int64_t count = 0;

  void step(float lr, float scale, bool) {
    for (std::int64_t i = 0; i < parameters.size(); ++i)
      parameters.values.data()[i] -= lr * scale * parameters.grads.data()[i];
    ++count;
  }
  std::int64_t steps() const { return count; }
  void set_steps(std::int64_t n) { count = n; }
  std::vector<NamedTensor> state() const { return {}; }
};
struct WithoutState {
  void step(float, float, bool) {}
  std::int64_t steps() const { return 0; }
  void set_steps(std::int64_t) {}
};

}  // namespace

TEST_CASE("what an optimizer is can be asked") {
  static_assert(Optimizer<AdamW> && Optimizer<Sgd> && Optimizer<Descent>);
  static_assert(!Optimizer<WithoutState> && !Optimizer<int>);
  Linear layer(3, 2);
  Descent descent{flatten(layer)};
  layer.bias.grad.fill(2.0f);
  const float before = layer.bias.value(0);
  descent.step(0.5f, 1.0f, false);
  CHECK(layer.bias.value(0) == before - 1.0f);
}

TEST_CASE("clip_grad_norm scales down to the norm, never up, and tells the norm before") {
  ParameterArena arena = arena_of({3, 0, -4, 12});
  CHECK(clip_grad_norm(arena, 100.0) == doctest::Approx(13));
  CHECK(std::ranges::equal(arena.grads.values(), std::vector<float>{3, 0, -4, 12}));
  CHECK(clip_grad_norm(arena, 1.3) == doctest::Approx(13));
  CHECK(arena.grads(0) == doctest::Approx(0.3));
  CHECK(arena.grads(2) == doctest::Approx(-0.4));
  CHECK(arena.grads(3) == doctest::Approx(1.2));
  CHECK(clip_grad_norm(arena, HUGE_VAL) == doctest::Approx(1.3));
  ParameterArena zero = arena_of({0, 0});
  CHECK(clip_grad_norm(zero, 1.0) == 0.0);
  CHECK(zero.grads(0) == 0.0f);
}

TEST_CASE("clip_grad_norm leaves gradients alone whose norm is not finite") {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    ParameterArena arena = arena_of({3, bad, 4});
    CHECK_FALSE(std::isfinite(clip_grad_norm(arena, 1.0)));
    CHECK(arena.grads(0) == 3.0f);
    CHECK(arena.grads(2) == 4.0f);
  }
  // Squares beyond float's range are still a finite norm.
  ParameterArena large = arena_of({3e30f, 4e30f});
  CHECK(clip_grad_norm(large, 1.0) == doctest::Approx(5e30));
  CHECK(large.grads(0) == doctest::Approx(0.6));
}
