// LAMB against its formula in double precision.
#include "minivit/train/lamb.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "minivit/nn/linear.hpp"

using namespace minivit;

namespace {

/// New gradients, the same for whoever asks.
void new_gradients(ParameterArena& arena, std::uint64_t step) {
  Rng rng(11, step);
  for (float& v : arena.grads.values()) v = 0.1f * rng.normal();
}

/// The same step of a slot in double precision.
struct Reference {
  std::vector<double> p, m, v;

  explicit Reference(const ParameterArena& arena)
      : p(arena.values.values().begin(), arena.values.values().end()), m(p.size()), v(p.size()) {}

  void step(const ParameterArena& arena, const Lamb::Options& o, int t, double lr) {
    for (const ParameterArena::Slot& slot : arena.slots) {
      std::vector<double> u;
      double length = 0, of_update = 0;
      const auto begin = static_cast<std::size_t>(slot.begin),
                 end = begin + static_cast<std::size_t>(slot.shape.numel());
      const double decay = slot.decay ? o.weight_decay : 0.0;
      for (std::size_t i = begin; i < end; ++i) {
        const double g = arena.grads.data()[i];
        m[i] = o.beta1 * m[i] + (1 - double{o.beta1}) * g;
        v[i] = o.beta2 * v[i] + (1 - double{o.beta2}) * g * g;
        u.push_back(m[i] / (1 - std::pow(double{o.beta1}, t)) /
                        (std::sqrt(v[i] / (1 - std::pow(double{o.beta2}, t))) + o.eps) +
                    decay * p[i]);
        length += p[i] * p[i], of_update += u.back() * u.back();
      }
      const bool adapts = decay > 0 && length > 0 && of_update > 0;
      const double factor = adapts ? std::sqrt(length / of_update) : 1.0;
      for (std::size_t i = begin; i < end; ++i) p[i] -= lr * factor * u[i - begin];
    }
  }
};

}  // namespace

TEST_CASE("LAMB is the formula in double precision") {
  for (const float weight_decay : {0.0f, 0.3f}) {
    CAPTURE(weight_decay);
    manual_seed(1);
    Linear layer(150, 120);
    ParameterArena arena = flatten(layer);
    const Lamb::Options options{.beta1 = 0.85f, .beta2 = 0.98f, .eps = 1e-3f, .weight_decay = weight_decay};
    Lamb optimizer(arena, options);
    Reference reference(arena);
    for (int t = 1; t <= 12; ++t) {
      new_gradients(arena, static_cast<std::uint64_t>(t));
      reference.step(arena, options, t, static_cast<double>(0.01f));
      optimizer.step(0.01f, 1.0f, t % 2 == 0);
    }
    CHECK(optimizer.steps() == 12);
    CHECK((arena.grads.array() == 0.0f).all());
    double worst = 0;
    for (std::size_t i = 0; i < reference.p.size(); ++i)
      worst = std::max(worst, std::fabs(reference.p[i] - double{arena.values.data()[i]}));
    CHECK(worst < 5e-6);
  }
}

TEST_CASE("LAMB: weights that are all 0 begin to move") {
  Linear layer(20, 10);
  layer.weight.value.fill(0.0f);
  ParameterArena arena = flatten(layer);
  Lamb optimizer(arena, {});
  new_gradients(arena, 1);
  optimizer.step(0.01f);
  for (const float v : layer.weight.value.values()) CHECK(std::fabs(v) > 0.005f);
}

TEST_CASE("LAMB: the factor of a group's learning rate counts") {
  manual_seed(1);
  Linear whole(20, 10), half = whole;
  half.weight.lr_scale = half.bias.lr_scale = 0.5f;
  const Tensor before = whole.weight.value.clone();
  ParameterArena a = flatten(whole), b = flatten(half);
  new_gradients(a, 1), new_gradients(b, 1);
  Lamb(a, {}).step(0.01f), Lamb(b, {}).step(0.01f);
  for (std::int64_t i = 0; i < before.numel(); ++i)
    CHECK(half.weight.value.data()[i] - before.data()[i] ==
          doctest::Approx(0.5f * (whole.weight.value.data()[i] - before.data()[i])).epsilon(1e-2));
}
