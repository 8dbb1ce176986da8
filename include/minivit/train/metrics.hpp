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
  /// broken model is never right. multi_label: the classes do not exclude each other; the loss is then the
  /// mean over the classes of the binary cross-entropy of each, 1 being expected of the label and 0 of the
  /// others. Throws ShapeError if they do not fit or a label is out of range.
  void add(const Tensor& logits, std::span<const int> labels, bool multi_label = false);
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>

#include "minivit/kernels/softmax.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE void Metrics::add(const Tensor& logits, std::span<const int> labels, bool multi_label) {
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
    double total = 0;
    if (multi_label) {
      for (std::int64_t k = 0; k < K; ++k)
        total += std::log1p(std::exp(-std::fabs(static_cast<double>(z[k])))) + std::max(z[k], 0.0f);
      loss_sum += (total - z[label]) / static_cast<double>(K);
    } else {
      const float largest = kernels::row_max(K, z);
      for (std::int64_t k = 0; k < K; ++k) total += std::exp(static_cast<double>(z[k]) - largest);
      loss_sum += std::log(total) + largest - z[label];
    }
    ++samples;
    correct += ahead == 0;
    correct5 += ahead < 5;
  }
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
