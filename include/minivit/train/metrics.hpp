// Metrics of a classifier: loss, top-1 and top-5 accuracy.
#pragma once

#include <cstdint>
#include <span>

#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Sums over samples; the rates are shares in [0, 1].
struct Metrics {
  std::int64_t samples = 0, correct = 0, correct5 = 0;
  double loss_sum = 0;

  [[nodiscard]] double loss() const noexcept {
    return samples ? loss_sum / static_cast<double>(samples) : 0.0;
  }
  [[nodiscard]] double top1() const noexcept {
    return samples ? static_cast<double>(correct) / static_cast<double>(samples) : 0.0;
  }
  [[nodiscard]] double top5() const noexcept {
    return samples ? static_cast<double>(correct5) / static_cast<double>(samples) : 0.0;
  }

  /// Adds logits (B, K) with their labels: top-1, top-5 (K < 5: all), and the cross-entropy without
  /// smoothing. Of equal logits the lower class number counts as larger, a NaN as largest of all, so that a
  /// broken model is never right. Throws ShapeError if they do not fit or a label is out of range.
  void add(const Tensor& logits, std::span<const int> labels);
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cmath>

#include "minivit/kernels/softmax.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE void Metrics::add(const Tensor& logits, std::span<const int> labels) {
  check<ShapeError>(logits.rank() == 2 && logits.size(0) == static_cast<std::int64_t>(labels.size()),
                    "metrics: logits are ", logits.shape(), ", expected (", labels.size(), ", K)");
  const std::int64_t K = logits.size(1);
  for (const int label : labels)
    check<ShapeError>(label >= 0 && label < K, "metrics: label ", label, " is out of range for ", K,
                      " classes");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float* z = logits.data() + static_cast<std::int64_t>(i) * K;
    const int label = labels[i];
    int ahead = 0;  // classes ranked before the label
    for (int k = 0; k < K; ++k)
      if (k != label) ahead += !(z[k] < z[label] || (z[k] == z[label] && k > label));
    const float largest = kernels::row_max(K, z);
    double total = 0;
    for (std::int64_t k = 0; k < K; ++k) total += std::exp(static_cast<double>(z[k]) - largest);
    loss_sum += std::log(total) + largest - z[label];
    ++samples;
    correct += ahead == 0;
    correct5 += ahead < 5;
  }
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
