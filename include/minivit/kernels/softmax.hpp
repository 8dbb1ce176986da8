// Softmax of one row, the part that softmax, log-softmax, cross-entropy and attention have in common.
#pragma once

#include <cstdint>
#include <limits>

#include "minivit/kernels/math.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

/// Largest of x[0, n). NaNs are passed over here: they show in the exponentials.
[[nodiscard]] inline float row_max(std::int64_t n, const float* x) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  Vec largest = broadcast(kLowest);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) largest = max(largest, load(x + i));
  if (i < n) largest = max(largest, load_partial(x + i, n - i, kLowest));
  return max_lane(largest);
}

/// y[i] = e^(x[i] - largest) for i in [0, n); returns their sum. y may be x.
inline float row_exp(std::int64_t n, const float* x, float largest, float* y) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  Vec total{};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vec e = exp_negative(load(x + i) - largest);
    store(y + i, e);
    total += e;
  }
  if (i < n) {
    const Vec e = exp_negative(load_partial(x + i, n - i, kLowest) - largest);  // e^-inf = 0 adds nothing
    store_partial(y + i, e, n - i);
    total += e;
  }
  return sum(total);
}

/// y = softmax(x) over n elements: y[i] = e^x[i] / Σ e^x[j], shifted by the largest so that nothing
/// overflows. y may be x.
inline void softmax_row(std::int64_t n, const float* x, float* y) {
  const float inverse = 1.0f / row_exp(n, x, row_max(n, x), y);
  map(
      n, y, [inverse](Vec e) { return e * inverse; }, y);
}

/// dx (+)= y · (dy - Σ y·dy), the gradient of y = softmax(x).
inline void softmax_row_backward(std::int64_t n, const float* y, const float* dy, float* dx, bool add) {
  Vec dots{};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) dots += load(y + i) * load(dy + i);
  if (i < n) dots += load_partial(y + i, n - i) * load_partial(dy + i, n - i);
  const float dot = sum(dots);
  if (add)
    map(
        n, dx, [dot](Vec old, Vec p, Vec g) { return old + p * (g - dot); }, dx, y, dy);
  else
    map(
        n, dx, [dot](Vec p, Vec g) { return p * (g - dot); }, y, dy);
}

}  // namespace minivit::inline MINIVIT_ABI::kernels
