// Calibration: whether probabilities are right, and how they are made so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "minivit/insight/scores.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Images whose most probable class has a probability in (low, high].
struct ReliabilityBin {
  double low = 0, high = 0;
  std::int64_t images = 0;
  double confidence = 0;  ///< mean of that probability
  double accuracy = 0;    ///< share of them that are right
};

/// How far probabilities (N, K) are from the truth.
struct CalibrationScores {
  double nll = 0;    ///< mean of -log p of the label
  double brier = 0;  ///< mean of Σₖ (pₖ - 1[k is the label])², 0 to 2 (G. W. Brier, 1950)
  double ece = 0;    ///< mean of |confidence - accuracy| over the images, by bin (M. P. Naeini et al., 2015)
  double mce = 0;    ///< the largest of them
  double classwise =
      0;  ///< mean over the classes of the same of pₖ, whatever the answer (M. Kull et al., 2019)
  std::vector<ReliabilityBin> bins{};  ///< of equal width
};

/// Throws ShapeError if labels and logits (N, K) do not fit, ConfigError for a temperature not above 0 or no
/// bins.
[[nodiscard]] CalibrationScores calibration(const Tensor& logits, std::span<const int> labels,
                                            double temperature = 1, std::size_t bins = 15);

/// The temperature T > 0 for which softmax(logits / T) has the least mean -log p of the labels: answers stay,
/// probabilities become right on average (C. Guo et al., "On Calibration of Modern Neural Networks", 2017,
/// arXiv:1706.04599). In [0.01, 100]. Throws as `calibration`, and ConfigError without images.
[[nodiscard]] double fit_temperature(const Tensor& logits, std::span<const int> labels);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Sums of a bin.
struct BinSums {
  std::int64_t images = 0;
  double confidence = 0, right = 0;

  void add(double p, bool is_right) { ++images, confidence += p, right += is_right; }
  /// |confidence - accuracy|, times the images.
  double gap() const { return std::fabs(confidence - right); }
};

/// The bin of p in (0, 1], bins being open at their lower end.
inline std::size_t bin_of(double p, std::size_t bins) {
  const auto at = static_cast<std::int64_t>(std::ceil(p * static_cast<double>(bins))) - 1;
  return static_cast<std::size_t>(std::clamp<std::int64_t>(at, 0, static_cast<std::int64_t>(bins) - 1));
}

/// Mean of -log softmax(z / T) of the labels, over b = 1 / T, with its first two derivatives by b.
struct NllByScale {
  double value = 0, slope = 0, curvature = 0;

  NllByScale(const Tensor& logits, std::span<const int> labels, double b) {
    const std::int64_t K = logits.size(1);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const float* const z = logits.data() + static_cast<std::int64_t>(i) * K;
      const double largest = *std::max_element(z, z + K);
      double sum = 0, mean = 0, square = 0;
      for (std::int64_t k = 0; k < K; ++k) {
        const double above = z[k] - largest, e = std::exp(b * above);
        sum += e, mean += e * above, square += e * above * above;
      }
      mean /= sum, square /= sum;
      const double label = z[labels[i]] - largest;
      value += std::log(sum) - b * label;
      slope += mean - label;
      curvature += square - mean * mean;
    }
    const auto n = static_cast<double>(labels.size());
    value /= n, slope /= n, curvature /= n;
  }
};

}  // namespace detail

MINIVIT_INLINE CalibrationScores calibration(const Tensor& logits, std::span<const int> labels,
                                             double temperature, std::size_t bins) {
  detail::check_answers("calibration", logits, labels);
  check<ConfigError>(bins > 0, "calibration: no bins");
  const std::vector<double> all = probabilities(logits, temperature);
  const auto K = static_cast<std::size_t>(logits.size(1)), N = labels.size();
  CalibrationScores s;
  std::vector<detail::BinSums> sums(bins), of_class(K * bins);
  for (std::size_t i = 0; i < N; ++i) {
    const std::span<const double> p(all.data() + i * K, K);
    const auto label = static_cast<std::size_t>(labels[i]);
    const auto answer = static_cast<std::size_t>(std::ranges::max_element(p) - p.begin());
    s.nll -= std::log(std::max(p[label], 1e-300));
    for (std::size_t k = 0; k < K; ++k) {
      const double off = p[k] - (k == label);
      s.brier += off * off;
      of_class[k * bins + detail::bin_of(p[k], bins)].add(p[k], k == label);
    }
    sums[detail::bin_of(p[answer], bins)].add(p[answer], answer == label);
  }
  const double n = static_cast<double>(std::max<std::size_t>(N, 1));
  s.nll /= n, s.brier /= n;
  for (std::size_t b = 0; b < bins; ++b) {
    const detail::BinSums& sum = sums[b];
    const double width = 1 / static_cast<double>(bins), images = static_cast<double>(sum.images);
    s.bins.push_back({static_cast<double>(b) * width, static_cast<double>(b + 1) * width, sum.images,
                      detail::ratio_of(sum.confidence, images), detail::ratio_of(sum.right, images)});
    s.ece += sum.gap() / n;
    if (sum.images > 0) s.mce = std::max(s.mce, sum.gap() / images);
  }
  for (const detail::BinSums& sum : of_class) s.classwise += sum.gap() / n / static_cast<double>(K);
  return s;
}

MINIVIT_INLINE double fit_temperature(const Tensor& logits, std::span<const int> labels) {
  detail::check_answers("fit_temperature", logits, labels);
  check<ConfigError>(!labels.empty(), "fit_temperature: no images");
  // The function is convex in b = 1 / T: Newton's steps, and every third one halves the interval, since they
  // are short where all labels, or none, are found.
  double low = 0.01, high = 100, b = 1;
  for (int i = 0; i < 300 && high - low > 1e-12 * b; ++i) {
    const detail::NllByScale f(logits, labels, b);
    (f.slope > 0 ? high : low) = b;
    const double newton = f.curvature > 0 ? b - f.slope / f.curvature : -1;
    if (std::fabs(newton - b) < 1e-12 * b && f.curvature > 1e-12) break;
    b = i % 3 < 2 && newton > low && newton < high ? newton : (low + high) / 2;
  }
  return 1 / b;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
