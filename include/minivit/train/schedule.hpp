// The learning rate over the steps of a training.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <numbers>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What `train_epoch` asks of a schedule: the learning rate of step 0, 1, … since the start of training.
template <class T>
concept Schedule = requires(const T& schedule, std::int64_t step) {
  { schedule(step) } -> std::convertible_to<double>;
};

/// Rises linearly over `warmup` steps to `peak`, then falls along half a cosine to `last` at step `total`; or
/// several times, each time from `peak` (warm restarts: I. Loshchilov, F. Hutter, "SGDR", arXiv:1608.03983).
struct CosineSchedule {
  double peak = 1e-3;       ///< highest learning rate
  std::int64_t warmup = 0;  ///< steps
  std::int64_t total = 1;   ///< steps, warm-up included
  double last = 0.0;        ///< learning rate at the end
  std::int64_t cycles = 1;  ///< falls from `peak` to `last`, of equal length

  /// Learning rate of step 0, 1, …; `last` from `total` on.
  [[nodiscard]] double operator()(std::int64_t step) const {
    if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
    const double done =
        static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(1, total - warmup));
    if (done >= 1.0) return last;
    const double fallen = done * static_cast<double>(cycles);
    return last + 0.5 * (peak - last) * (1.0 + std::cos(std::numbers::pi * (fallen - std::floor(fallen))));
  }
};
static_assert(Schedule<CosineSchedule>);

}  // namespace minivit::inline MINIVIT_ABI
