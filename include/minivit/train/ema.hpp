// A moving average of the weights, which often predicts better than the weights themselves.
#pragma once

#include <algorithm>
#include <utility>

#include "minivit/nn/arena.hpp"

namespace minivit::inline MINIVIT_ABI {

/// average = d · average + (1 - d) · weights after every step, d = min(decay, (1 + t) / (10 + t)) so that the
/// first steps are soon forgotten (as TensorFlow's ExponentialMovingAverage with `num_updates`).
class Ema {
 public:
  /// `decay` in [0, 1). The parameters must stay alive as long as this.
  Ema(ParameterArena& parameters, float decay)
      : parameters_(&parameters), decay_(decay), average_(parameters.values.clone()) {}

  /// Takes the weights into the average; after every optimizer step.
  void update() {
    const auto t = static_cast<float>(++steps_);
    const float d = std::min(decay_, (1.0f + t) / (10.0f + t));
    Sink{average_.data(), false}.write_all(
        parameters_->size(), [d](kernels::Vec a, kernels::Vec p) { return a * d + p * (1.0f - d); },
        average_.data(), parameters_->values.data());
  }

  /// Exchanges weights and average: once to evaluate or save the average, once more to go on training.
  void swap() {
    std::swap_ranges(average_.data(), average_.data() + average_.numel(), parameters_->values.data());
  }

  Tensor& average() { return average_; }
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  ParameterArena* parameters_;
  float decay_;
  Tensor average_;
  std::int64_t steps_ = 0;
};

}  // namespace minivit::inline MINIVIT_ABI
