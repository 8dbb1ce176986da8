// A moving average of the weights, which often predicts better than the weights themselves.
#pragma once

#include <cstdint>
#include <optional>

#include "minivit/nn/arena.hpp"

namespace minivit::inline MINIVIT_ABI {

/// average = d · average + (1 - d) · weights after every step, d = min(decay, (1 + t) / (10 + t)) so that the
/// first steps are soon forgotten (as TensorFlow's ExponentialMovingAverage with `num_updates`).
class Ema {
 public:
  /// `decay` in [0, 1). Keeps the handle of the arena, which may be moved or end before.
  Ema(const ParameterArena& parameters, float decay);

  /// Takes the weights into the average; after every optimizer step. Throws Error within a `UseAverage`.
  void update();

  /// The average (n), laid out as the arena; within a `UseAverage` the weights.
  [[nodiscard]] Tensor& average() noexcept { return average_; }
  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }
  void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

 private:
  friend class UseAverage;
  void swap() noexcept;

  ParameterArena parameters_;
  float decay_;
  Tensor average_;
  std::int64_t steps_ = 0;
  int uses_ = 0;  // of `UseAverage` that live
};

/// While it lives, the model has the average as its weights: to evaluate or save it. Nothing may be trained
/// meanwhile. Scopes may be nested. Without an average nothing happens.
class [[nodiscard]] UseAverage {
 public:
  explicit UseAverage(Ema& ema) noexcept : ema_(&ema) { begin(); }
  explicit UseAverage(std::optional<Ema>& ema) noexcept : ema_(ema ? &*ema : nullptr) { begin(); }
  ~UseAverage() {
    if (ema_ && --ema_->uses_ == 0) ema_->swap();
  }
  UseAverage(const UseAverage&) = delete;
  UseAverage& operator=(const UseAverage&) = delete;

 private:
  void begin() noexcept {
    if (ema_ && ema_->uses_++ == 0) ema_->swap();
  }

  Ema* ema_;
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Ema::Ema(const ParameterArena& parameters, float decay)
    : parameters_(parameters), decay_(decay), average_(parameters.values.clone()) {}

MINIVIT_INLINE void Ema::update() {
  check(uses_ == 0, "ema: the average is in use as the weights; end the UseAverage scope before training");
  const auto t = static_cast<float>(++steps_);
  const float d = std::min(decay_, (1.0f + t) / (10.0f + t));
  Sink{average_.data(), false}.write_all(
      parameters_.size(), [d](kernels::Vec a, kernels::Vec p) { return a * d + p * (1.0f - d); },
      average_.data(), parameters_.values.data());
}

MINIVIT_INLINE void Ema::swap() noexcept {
  std::swap_ranges(average_.data(), average_.data() + average_.numel(), parameters_.values.data());
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
