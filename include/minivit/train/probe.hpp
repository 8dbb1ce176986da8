// A linear classifier on features that stay as they are: how good they are, and a head for the model that
// made them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "minivit/nn/linear.hpp"
#include "minivit/train/metrics.hpp"

namespace minivit::inline MINIVIT_ABI {

/// How `fit_linear_probe` trains.
struct ProbeOptions {
  /// Of AdamW. Of several the one that is right most often on samples held out is taken, and then trained
  /// with all of them.
  std::vector<float> weight_decays{0.01f, 1.0f, 3.0f, 10.0f};
  double held_out = 0.1;           ///< share of each class that chooses among them
  double lr = 0.01;                ///< at the start; falls to 0 along half a cosine
  std::int64_t steps = 500;        ///< at least; ten passes over the samples if that is more
  std::int64_t batch_size = 4096;  ///< samples a step
  std::uint64_t seed = 0;          ///< of the order of samples, and of those held out
};

/// What `fit_linear_probe` found.
struct LinearProbe {
  Linear head;                ///< (classes, C), for features as the model gives them
  float weight_decay = 0.0f;  ///< the one that was chosen
  double held_out_top1 = -1;  ///< accuracy with it on what was held out; negative: there was no choice
};

/// Metrics of `head` on features (N, C) with their labels (N). Throws ShapeError if they do not fit.
[[nodiscard]] Metrics evaluate_head(const Linear& head, const Tensor& features, std::span<const int> labels);

/// Multinomial logistic regression on features (N, C) with their labels (N), trained on standardized features
/// (their mean and deviation are those of the samples). What comes back takes features as they are: it can be
/// the head of the model. The result depends neither on the number of threads nor on what was drawn before.
///
/// Throws ShapeError if there are no samples, the numbers do not fit, a label is outside of [0, classes) or a
/// feature is not finite; ConfigError for options out of range.
[[nodiscard]] LinearProbe fit_linear_probe(const Tensor& features, std::span<const int> labels,
                                           std::int64_t classes, const ProbeOptions& options = {});

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "minivit/data/dataset.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/train/adamw.hpp"
#include "minivit/train/knn.hpp"
#include "minivit/train/schedule.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Metrics evaluate_head(const Linear& head, const Tensor& features,
                                     std::span<const int> labels) {
  const NoGrad values_only;
  check<ShapeError>(features.rank() == 2 && features.size(0) == static_cast<std::int64_t>(labels.size()),
                    "probe: features are ", features.shape(), ", expected (", labels.size(), ", C) to match ",
                    labels.size(), " labels");
  constexpr std::int64_t kRows = 4096;  // at a time, so that the logits of many need little memory
  Metrics metrics;
  for (std::int64_t begin = 0; begin < features.size(0); begin += kRows) {
    const std::int64_t n = std::min(kRows, features.size(0) - begin);
    metrics.add(head(features.rows(begin, begin + n)).value(),
                labels.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(n)));
  }
  return metrics;
}

namespace detail {

/// Some samples, in this order.
struct ProbeSamples {
  Tensor features;          // (n, C)
  std::vector<int> labels;  // n

  ProbeSamples(const Tensor& all, std::span<const int> all_labels, const std::vector<std::size_t>& which)
      : features(Tensor::empty({static_cast<std::int64_t>(which.size()), all.size(1)})) {
    const std::int64_t C = all.size(1);
    float* out = features.data();
    for (const std::size_t i : which) {
      out = std::copy_n(all.data() + static_cast<std::int64_t>(i) * C, C, out);
      labels.push_back(all_labels[i]);
    }
  }
};

/// Brings every feature to mean 0 and deviation 1: the same learning rate suits them all then, whatever the
/// model.
class Standardization {
 public:
  /// Of the columns of x (n, C).
  explicit Standardization(const Tensor& x) : mean_(columns(x)), scale_(columns(x)) {
    const std::size_t C = mean_.size();
    const auto n = static_cast<double>(x.size(0));
    const auto each = [&](const auto& f) {
      const float* value = x.data();
      for (std::int64_t i = 0; i < x.size(0); ++i)
        for (std::size_t c = 0; c < C; ++c) f(c, *value++);
    };
    each([&](std::size_t c, double value) { mean_[c] += value; });
    for (double& m : mean_) m /= n;
    each([&](std::size_t c, double value) { scale_[c] += (value - mean_[c]) * (value - mean_[c]); });
    for (std::size_t c = 0; c < C; ++c) {
      const double deviation = std::sqrt(scale_[c] / n);
      // What varies by less than a float's rounding is constant, and says nothing: its weight will be 0.
      scale_[c] = deviation > 1e-6 * std::fabs(mean_[c]) ? 1.0 / deviation : 0.0;
    }
  }

  void apply(Tensor& x) const {
    const std::size_t C = mean_.size();
    for (std::int64_t i = 0; i < x.size(0); ++i)
      for (std::size_t c = 0; c < C; ++c) {
        float& value = x.data()[i * static_cast<std::int64_t>(C) + static_cast<std::int64_t>(c)];
        value = static_cast<float>((value - mean_[c]) * scale_[c]);
      }
  }

  /// A layer for features as they are that gives what `layer` gives for standardized ones:
  /// w · (x - mean) scale + b  =  (w scale) · x + (b - Σ w scale mean).
  Linear fold(const Linear& layer) const {
    const std::int64_t K = layer.weight.value.size(0), C = layer.weight.value.size(1);
    Linear folded;
    folded.weight = Parameter(Tensor::empty({K, C}), true);
    folded.bias = Parameter(Tensor::empty({K}));
    for (std::int64_t k = 0; k < K; ++k) {
      double bias = layer.bias.value(k);
      for (std::int64_t c = 0; c < C; ++c) {
        const auto at = static_cast<std::size_t>(c);
        const auto weight = static_cast<float>(layer.weight.value(k, c) * scale_[at]);
        folded.weight.value(k, c) = weight;
        bias -= weight * mean_[at];  // with the weight as it was rounded: the error cancels at the mean
      }
      folded.bias.value(k) = static_cast<float>(bias);
    }
    return folded;
  }

 private:
  static std::vector<double> columns(const Tensor& x) {
    return std::vector<double>(static_cast<std::size_t>(x.size(1)));
  }

  std::vector<double> mean_, scale_;
};

/// Trains a layer on these samples, which it standardizes. The problem is convex: it starts at 0, nothing is
/// drawn.
inline Linear train_probe(ProbeSamples samples, std::int64_t classes, float weight_decay,
                          const ProbeOptions& options) {
  const EnableGrad recording;
  const std::int64_t n = samples.features.size(0), C = samples.features.size(1);
  const Standardization standard(samples.features);
  standard.apply(samples.features);
  Linear layer;
  layer.weight = Parameter(Tensor::zeros({classes, C}), true);
  layer.bias = Parameter(Tensor::zeros({classes}));
  ParameterArena parameters = flatten(layer);
  AdamW optimizer(parameters, {.weight_decay = weight_decay});
  const std::int64_t batches = (n - 1) / options.batch_size + 1;
  const CosineSchedule schedule{.peak = options.lr, .total = std::max(options.steps, 10 * batches)};
  for (std::int64_t step = 0; step < schedule.total; ++step) {
    const std::int64_t begin = step % batches * options.batch_size,
                       end = std::min(n, begin + options.batch_size);
    const std::span labels(samples.labels);
    backward(cross_entropy(
        layer(samples.features.rows(begin, end)),
        labels.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))));
    optimizer.step(static_cast<float>(schedule(step)), 1.0f, true);
  }
  return standard.fold(layer);
}

}  // namespace detail

MINIVIT_INLINE LinearProbe fit_linear_probe(const Tensor& features, std::span<const int> labels,
                                            std::int64_t classes, const ProbeOptions& options) {
  detail::check_samples("probe", features, labels, classes);
  check<ConfigError>(!options.weight_decays.empty(), "probe: no weight decay given, expected at least one");
  for (const float decay : options.weight_decays)
    check<ConfigError>(decay >= 0 && std::isfinite(decay), "probe: weight decay is ", decay,
                       ", expected 0 or more");
  check<ConfigError>(options.lr > 0 && std::isfinite(options.lr), "probe: lr is ", options.lr,
                     ", expected a positive number");
  check<ConfigError>(options.steps >= 1 && options.batch_size >= 1, "probe: ", options.steps, " steps of ",
                     options.batch_size, " samples, expected at least 1 of 1");
  const auto shuffled = [&](std::vector<std::size_t> which) {
    detail::shuffle(which, Rng(options.seed ^ detail::kShuffleSeed));
    return detail::ProbeSamples(features, labels, which);
  };

  LinearProbe probe;
  probe.weight_decay = options.weight_decays[0];
  if (options.weight_decays.size() > 1) {
    const auto split = stratified_split({labels.begin(), labels.end()}, options.held_out, options.seed);
    const detail::ProbeSamples held_out(features, labels, split.second);
    double least = 0;  // loss, of those that are right equally often
    for (const float decay : options.weight_decays) {
      if (held_out.labels.empty()) break;  // one sample a class: nothing to choose by
      const Metrics m = evaluate_head(detail::train_probe(shuffled(split.first), classes, decay, options),
                                      held_out.features, held_out.labels);
      if (m.top1() < probe.held_out_top1 || (m.top1() == probe.held_out_top1 && m.loss() >= least)) continue;
      probe.held_out_top1 = m.top1(), least = m.loss();
      probe.weight_decay = decay;
    }
  }
  std::vector<std::size_t> all(labels.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  probe.head = detail::train_probe(shuffled(std::move(all)), classes, probe.weight_decay, options);
  return probe;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
