// Scores of a classifier from its answers: accuracy, and what it is made of class by class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Two ends of an interval.
struct Interval {
  double low = 0, high = 0;
};

/// The interval that holds the true share with probability 1 - alpha, where `right` of `all` were right (E.
/// B. Wilson, 1927): unlike the normal one it is right for shares near 0 and 1, too. {0, 1} if `all` is 0.
/// Throws ConfigError unless 0 < alpha < 1.
[[nodiscard]] Interval wilson_interval(std::int64_t right, std::int64_t all, double alpha = 0.05);

/// z with Φ(z) = p, for p in (0, 1): the standard normal quantile, to 1e-9.
[[nodiscard]] double normal_quantile(double p);

/// Scores of one class; those without images, or never answered, are 0.
struct ClassScores {
  std::int64_t support = 0;   ///< images of this class
  std::int64_t answered = 0;  ///< images of any class that were taken for it
  std::int64_t right = 0;     ///< both
  double precision = 0, recall = 0, f1 = 0;
};

/// A mean over the classes.
struct MeanScores {
  double precision = 0, recall = 0, f1 = 0;
};

/// How often images of each class were answered with each. The names and definitions are scikit-learn's.
class ConfusionMatrix {
 public:
  /// Throws ConfigError unless there is a class.
  explicit ConfusionMatrix(std::size_t classes);

  /// Counts an image of class `label` that was answered with `answer`. Throws ShapeError for a class that is
  /// not there.
  void add(int label, int answer);

  [[nodiscard]] std::size_t classes() const noexcept { return classes_; }
  [[nodiscard]] std::int64_t images() const noexcept { return images_; }

  /// Images of class `label` that were answered with `answer`.
  [[nodiscard]] std::int64_t operator()(std::size_t label, std::size_t answer) const {
    return counts_[label * classes_ + answer];
  }

  [[nodiscard]] std::vector<ClassScores> by_class() const;

  [[nodiscard]] double accuracy() const;
  /// The mean of the recalls of the classes that have images.
  [[nodiscard]] double balanced_accuracy() const;
  /// How much better than chance with the same frequencies: 1 perfect, 0 chance (J. Cohen, 1960).
  [[nodiscard]] double kappa() const;
  /// Matthews' correlation of labels and answers, for many classes as J. Gorodkin, 2004: 1 perfect, 0 chance.
  [[nodiscard]] double matthews() const;
  /// Every class counts the same; of classes that occur, as label or as answer.
  [[nodiscard]] MeanScores macro_mean() const;
  /// Every class counts as often as it has images.
  [[nodiscard]] MeanScores weighted_mean() const;

 private:
  std::size_t classes_;
  std::int64_t images_ = 0;
  std::vector<std::int64_t> counts_;  // (label, answer)
};

/// Area under the receiver operating characteristic: the probability that a random positive has a higher
/// score than a random negative; equal scores count half. NaN if one of the two is missing. Throws ShapeError
/// if the numbers differ.
[[nodiscard]] double roc_area(std::span<const double> scores, std::span<const char> positive);

/// Area under precision over recall as scikit-learn's average_precision_score: Σ (Rₙ - Rₙ₋₁) Pₙ over the
/// thresholds. NaN without a positive.
[[nodiscard]] double average_precision(std::span<const double> scores, std::span<const char> positive);

/// The share of negatives that have at least the score that a share `recall` of the positives reaches (FPR95
/// for 0.95): how many false alarms that recall costs. NaN if one of the two is missing.
[[nodiscard]] double false_alarm_rate(std::span<const double> scores, std::span<const char> positive,
                                      double recall = 0.95);

/// Of each row of logits (N, K) the probabilities: its softmax in double precision, (N · K).
[[nodiscard]] std::vector<double> probabilities(const Tensor& logits, double temperature = 1);

/// The share of rows of logits (N, K) whose label is among the k largest. Of equal ones those of lower number
/// count as larger. Throws ShapeError if they do not fit.
[[nodiscard]] double top_k_accuracy(const Tensor& logits, std::span<const int> labels, std::int64_t k);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

inline double ratio_of(double part, double of) { return of > 0 ? part / of : 0; }

/// Positives and negatives at a score or above, by falling scores; equal scores are one step.
struct RankStep {
  double score;
  std::int64_t positives, negatives;
};

inline std::vector<RankStep> rank_steps(std::span<const double> scores, std::span<const char> positive) {
  check<ShapeError>(scores.size() == positive.size(), "ranking: ", scores.size(), " scores, ",
                    positive.size(), " marks, expected as many");
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::vector<RankStep> steps;
  std::int64_t positives = 0, negatives = 0;
  for (const std::size_t i : order) {
    ++(positive[i] ? positives : negatives);
    if (!steps.empty() && steps.back().score == scores[i]) steps.pop_back();
    steps.push_back({scores[i], positives, negatives});
  }
  return steps;
}

inline void check_answers(const char* who, const Tensor& logits, std::span<const int> labels) {
  check<ShapeError>(logits.rank() == 2 && logits.size(0) == static_cast<std::int64_t>(labels.size()), who,
                    ": logits are ", logits.shape(), ", expected (", labels.size(), ", K)");
  for (const int label : labels)
    check<ShapeError>(label >= 0 && label < logits.size(1), who, ": label ", label, " is out of range for ",
                      logits.size(1), " classes");
}

}  // namespace detail

MINIVIT_INLINE double normal_quantile(double p) {
  check<ConfigError>(p > 0 && p < 1, "normal_quantile: p is ", p, ", expected more than 0 and less than 1");
  double low = -40, high = 40;  // Φ is monotone: halve until the two meet
  for (int i = 0; i < 200 && high - low > 1e-13; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

MINIVIT_INLINE Interval wilson_interval(std::int64_t right, std::int64_t all, double alpha) {
  check<ConfigError>(alpha > 0 && alpha < 1, "wilson_interval: alpha is ", alpha,
                     ", expected more than 0 and less than 1");
  if (all <= 0) return {0, 1};
  const double n = static_cast<double>(all), p = static_cast<double>(right) / n,
               z = normal_quantile(1 - alpha / 2), scale = 1 / (1 + z * z / n),
               center = (p + z * z / (2 * n)) * scale,
               half = z * scale * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {right == 0 ? 0.0 : center - half, right == all ? 1.0 : center + half};
}

MINIVIT_INLINE ConfusionMatrix::ConfusionMatrix(std::size_t classes)
    : classes_(classes), counts_(classes * classes, 0) {
  check<ConfigError>(classes > 0, "confusion matrix: no classes");
}

MINIVIT_INLINE void ConfusionMatrix::add(int label, int answer) {
  for (const int number : {label, answer})
    check<ShapeError>(number >= 0 && static_cast<std::size_t>(number) < classes_, "confusion matrix: class ",
                      number, " is out of range for ", classes_, " classes");
  ++counts_[static_cast<std::size_t>(label) * classes_ + static_cast<std::size_t>(answer)];
  ++images_;
}

MINIVIT_INLINE std::vector<ClassScores> ConfusionMatrix::by_class() const {
  std::vector<ClassScores> rows(classes_);
  for (std::size_t label = 0; label < classes_; ++label)
    for (std::size_t answer = 0; answer < classes_; ++answer) {
      const std::int64_t count = (*this)(label, answer);
      rows[label].support += count;
      rows[answer].answered += count;
      if (label == answer) rows[label].right = count;
    }
  for (ClassScores& row : rows) {
    const auto right = static_cast<double>(row.right), support = static_cast<double>(row.support),
               answered = static_cast<double>(row.answered);
    row.precision = detail::ratio_of(right, answered);
    row.recall = detail::ratio_of(right, support);
    row.f1 = detail::ratio_of(2 * right, support + answered);
  }
  return rows;
}

MINIVIT_INLINE double ConfusionMatrix::accuracy() const {
  std::int64_t right = 0;
  for (std::size_t k = 0; k < classes_; ++k) right += (*this)(k, k);
  return detail::ratio_of(static_cast<double>(right), static_cast<double>(images_));
}

MINIVIT_INLINE double ConfusionMatrix::balanced_accuracy() const {
  double sum = 0, classes = 0;
  for (const ClassScores& row : by_class())
    if (row.support > 0) sum += row.recall, ++classes;
  return detail::ratio_of(sum, classes);
}

MINIVIT_INLINE double ConfusionMatrix::kappa() const {
  const double n = static_cast<double>(images_);
  if (images_ == 0) return 0;
  double chance = 0;
  for (const ClassScores& row : by_class())
    chance += static_cast<double>(row.support) / n * (static_cast<double>(row.answered) / n);
  return chance < 1 ? (accuracy() - chance) / (1 - chance) : std::numeric_limits<double>::quiet_NaN();
}

MINIVIT_INLINE double ConfusionMatrix::matthews() const {
  const double n = static_cast<double>(images_);
  double right = 0, both = 0, labels = 0, answers = 0;
  for (const ClassScores& row : by_class()) {
    const auto s = static_cast<double>(row.support), a = static_cast<double>(row.answered);
    right += static_cast<double>(row.right), both += s * a, labels += s * s, answers += a * a;
  }
  const double scale = std::sqrt((n * n - answers) * (n * n - labels));
  return scale > 0 ? (right * n - both) / scale : 0;
}

MINIVIT_INLINE MeanScores ConfusionMatrix::macro_mean() const {
  MeanScores mean;
  double classes = 0;
  for (const ClassScores& row : by_class()) {
    if (row.support + row.answered == 0) continue;
    mean.precision += row.precision, mean.recall += row.recall, mean.f1 += row.f1, ++classes;
  }
  if (classes > 0) mean.precision /= classes, mean.recall /= classes, mean.f1 /= classes;
  return mean;
}

MINIVIT_INLINE MeanScores ConfusionMatrix::weighted_mean() const {
  MeanScores mean;
  for (const ClassScores& row : by_class()) {
    const double part = detail::ratio_of(static_cast<double>(row.support), static_cast<double>(images_));
    mean.precision += part * row.precision, mean.recall += part * row.recall, mean.f1 += part * row.f1;
  }
  return mean;
}

MINIVIT_INLINE double roc_area(std::span<const double> scores, std::span<const char> positive) {
  const std::vector<detail::RankStep> steps = detail::rank_steps(scores, positive);
  if (steps.empty() || steps.back().positives == 0 || steps.back().negatives == 0)
    return std::numeric_limits<double>::quiet_NaN();
  double area = 0, positives = 0, negatives = 0;  // trapezoids
  for (const detail::RankStep& step : steps) {
    const auto p = static_cast<double>(step.positives), n = static_cast<double>(step.negatives);
    area += (n - negatives) * (p + positives) / 2;
    positives = p, negatives = n;
  }
  return area / (positives * negatives);
}

MINIVIT_INLINE double average_precision(std::span<const double> scores, std::span<const char> positive) {
  const std::vector<detail::RankStep> steps = detail::rank_steps(scores, positive);
  if (steps.empty() || steps.back().positives == 0) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0, before = 0;
  for (const detail::RankStep& step : steps) {
    const auto p = static_cast<double>(step.positives), n = static_cast<double>(step.negatives);
    sum += (p - before) * p / (p + n);
    before = p;
  }
  return sum / before;
}

MINIVIT_INLINE double false_alarm_rate(std::span<const double> scores, std::span<const char> positive,
                                       double recall) {
  const std::vector<detail::RankStep> steps = detail::rank_steps(scores, positive);
  if (steps.empty() || steps.back().positives == 0 || steps.back().negatives == 0)
    return std::numeric_limits<double>::quiet_NaN();
  const auto all = static_cast<double>(steps.back().positives);
  for (const detail::RankStep& step : steps)
    if (static_cast<double>(step.positives) >= recall * all)
      return static_cast<double>(step.negatives) / static_cast<double>(steps.back().negatives);
  return 1;
}

MINIVIT_INLINE std::vector<double> probabilities(const Tensor& logits, double temperature) {
  check<ShapeError>(logits.rank() == 2, "probabilities: logits are ", logits.shape(), ", expected (N, K)");
  check<ConfigError>(temperature > 0, "probabilities: temperature is ", temperature, ", expected above 0");
  const std::int64_t N = logits.size(0), K = logits.size(1);
  std::vector<double> out(static_cast<std::size_t>(N * K));
  for (std::int64_t i = 0; i < N; ++i) {
    const float* const z = logits.data() + i * K;
    double* const p = out.data() + i * K;
    const double largest = *std::max_element(z, z + K);
    double sum = 0;
    for (std::int64_t k = 0; k < K; ++k) sum += p[k] = std::exp((z[k] - largest) / temperature);
    for (std::int64_t k = 0; k < K; ++k) p[k] /= sum;
  }
  return out;
}

MINIVIT_INLINE double top_k_accuracy(const Tensor& logits, std::span<const int> labels, std::int64_t k) {
  detail::check_answers("top_k_accuracy", logits, labels);
  const std::int64_t K = logits.size(1);
  std::int64_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float* const z = logits.data() + static_cast<std::int64_t>(i) * K;
    std::int64_t ahead = 0;
    for (std::int64_t c = 0; c < K; ++c)
      ahead += c != labels[i] && !(z[c] < z[labels[i]] || (z[c] == z[labels[i]] && c > labels[i]));
    right += ahead < k;
  }
  return detail::ratio_of(static_cast<double>(right), static_cast<double>(labels.size()));
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
