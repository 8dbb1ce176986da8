// Losses: cross-entropy, mean squared error, binary cross-entropy, each the mean over the batch.
#pragma once

#include <span>

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Options of `cross_entropy`.
struct CrossEntropyOptions {
  float label_smoothing = 0.0f;  ///< in [0, 1]: this share of the target is spread evenly over all classes
  std::span<const float> class_weights{};  ///< one above 0 for each class, or empty: all 1
};

/// Cross-entropy of logits (B, K) against class numbers (B), the mean over the batch as PyTorch defines it:
/// with class weights, samples are weighted by the weight of their class. Throws ShapeError if the numbers do
/// not fit or a label is outside of [0, K), ConfigError for the smoothing.
[[nodiscard]] Var cross_entropy(const Var& logits, std::span<const int> labels,
                                const CrossEntropyOptions& options = {});

/// Cross-entropy of logits (B, K) against probabilities (B, K), as PyTorch defines it (mixtures of labels,
/// distillation). The targets are constants. Throws as the other form.
[[nodiscard]] Var cross_entropy(const Var& logits, const Tensor& targets,
                                const CrossEntropyOptions& options = {});

/// Mean of (x - target)² over all elements. The target is a constant. Throws ShapeError unless the shapes are
/// equal.
[[nodiscard]] Var mse(const Var& x, const Tensor& target);

/// Mean over all elements of -t log σ(z) - (1 - t) log(1 - σ(z)), σ the sigmoid, in the form max(z, 0) - z t
/// + log(1 + e^-|z|) that does not overflow; targets t in [0, 1], constants. Throws ShapeError unless the
/// shapes are equal.
[[nodiscard]] Var binary_cross_entropy_with_logits(const Var& logits, const Tensor& targets);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <limits>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/reduce.hpp"
#include "minivit/kernels/softmax.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::kLanes, kernels::load, kernels::load_partial, kernels::Vec;

/// Mean over the rows of Σ_k q_k (log Σ_j e^z_j - z_k), together with its gradient: the target of a row, q,
/// is written by `fill(row, q)`, which returns the row's share of what is divided by.
template <class Fill>
Var cross_entropy_of(const Var& logits, const CrossEntropyOptions& options, const Fill& fill) {
  const std::int64_t B = logits.size(0), K = logits.size(1);
  check<ConfigError>(options.label_smoothing >= 0.0f && options.label_smoothing <= 1.0f,
                     "cross_entropy: label smoothing is ", options.label_smoothing, ", expected 0 to 1");
  check<ShapeError>(
      options.class_weights.empty() || static_cast<std::int64_t>(options.class_weights.size()) == K,
      "cross_entropy: ", options.class_weights.size(), " class weights given for ", K, " classes");
  for (std::size_t k = 0; k < options.class_weights.size(); ++k)
    check<ConfigError>(options.class_weights[k] > 0.0f && std::isfinite(options.class_weights[k]),
                       "cross_entropy: the weight of class ", k, " is ", options.class_weights[k],
                       ", expected above 0 and finite");
  check<ShapeError>(B > 0 && K > 0, "cross_entropy: logits are ", logits.shape(),
                    ", expected at least one sample and class");
  Tensor gradient = Tensor::empty({B, K}), rows = Tensor::empty({B, 2});  // of each row: loss, divisor
  parallel_for(B, grain_for(10 * K), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* z = logits.data() + i * K;
      float* q = gradient.data() + i * K;
      rows(i, 1) = fill(i, q);
      const float largest = kernels::row_max(K, z);
      Vec exps{}, targets{}, dots{};  // Σ e^(z - largest), Σ q, Σ q (largest - z)
      for (std::int64_t k = 0; k < K; k += kLanes) {
        const std::int64_t n = std::min<std::int64_t>(kLanes, K - k);
        const Vec zv =
            n == kLanes ? load(z + k) : load_partial(z + k, n, -std::numeric_limits<float>::infinity());
        const Vec qv = n == kLanes ? load(q + k) : load_partial(q + k, n);
        exps += kernels::exp(zv - largest);
        targets += qv;
        dots +=
            qv != 0.0f ? qv * (largest - zv) : Vec{};  // a logit of -infinity that is no target costs nothing
      }
      const float exp_sum = kernels::sum(exps), total = kernels::sum(targets);
      rows(i, 0) = static_cast<float>(double{total} * std::log(double{exp_sum}) + kernels::sum(dots));
      // d/dz: p Σ q - q
      const float factor = total / exp_sum;
      kernels::map(
          K, q, [=](Vec zv, Vec qv) { return kernels::exp(zv - largest) * factor - qv; }, z, q);
    }
  });
  double loss = 0, divisor = 0;
  for (std::int64_t i = 0; i < B; ++i) loss += rows(i, 0), divisor += rows(i, 1);
  return Tape::local().record(Tensor::scalar(static_cast<float>(loss / divisor)), {&logits},
                              [logits = logits.edge(), gradient, divisor](Tape& tape, const Tensor& dy) {
                                const float factor = static_cast<float>(dy.item() / divisor);
                                if (const Sink d = tape.sink(logits))
                                  d.write_all(
                                      gradient.numel(), [factor](Vec g) { return g * factor; },
                                      gradient.data());
                              });
}

}  // namespace detail

MINIVIT_INLINE Var cross_entropy(const Var& logits, std::span<const int> labels,
                                 const CrossEntropyOptions& options) {
  detail::check_defined("cross_entropy", "logits", logits);
  check<ShapeError>(logits.rank() == 2 && logits.size(0) == static_cast<std::int64_t>(labels.size()),
                    "cross_entropy: logits are ", logits.shape(), ", expected (", labels.size(),
                    ", K) to match ", labels.size(), " labels");
  const std::int64_t K = logits.size(1);
  for (std::size_t i = 0; i < labels.size(); ++i)
    check<ShapeError>(labels[i] >= 0 && labels[i] < K, "cross_entropy: label ", labels[i], " of sample ", i,
                      " is out of range for ", K, " classes");
  const auto weight = [w = options.class_weights](std::int64_t k) {
    return w.empty() ? 1.0f : w[static_cast<std::size_t>(k)];
  };
  return detail::cross_entropy_of(
      logits, options, [&, e = options.label_smoothing](std::int64_t i, float* q) {
        const int label = labels[static_cast<std::size_t>(i)];
        for (std::int64_t k = 0; k < K; ++k)
          q[k] = weight(k) * (e / static_cast<float>(K) + (k == label ? 1.0f - e : 0.0f));
        return weight(label);
      });
}

MINIVIT_INLINE Var cross_entropy(const Var& logits, const Tensor& targets,
                                 const CrossEntropyOptions& options) {
  detail::check_defined("cross_entropy", "logits", logits);
  detail::check_defined("cross_entropy", "targets", targets);
  check<ShapeError>(logits.rank() == 2 && logits.shape() == targets.shape(), "cross_entropy: targets are ",
                    targets.shape(), ", expected (B, K) to match logits ", logits.shape());
  const std::int64_t K = logits.size(1);
  const auto weight = [w = options.class_weights](std::int64_t k) {
    return w.empty() ? 1.0f : w[static_cast<std::size_t>(k)];
  };
  return detail::cross_entropy_of(
      logits, options, [&, e = options.label_smoothing](std::int64_t i, float* q) {
        for (std::int64_t k = 0; k < K; ++k)
          q[k] = weight(k) * ((1.0f - e) * targets.data()[i * K + k] + e / static_cast<float>(K));
        return 1.0f;
      });
}

MINIVIT_INLINE Var mse(const Var& x, const Tensor& target) {
  using kernels::Vec;
  detail::check_defined("mse", "x", x);
  detail::check_defined("mse", "target", target);
  check<ShapeError>(x.shape() == target.shape(), "mse: target is ", target.shape(), ", expected ", x.shape());
  const std::int64_t n = x.numel();
  Tensor difference = Tensor::empty(x.shape());
  Sink{difference.data(), false}.write_all(
      n, [](Vec a, Vec b) { return a - b; }, x.data(), target.data());
  const double mean = kernels::sum_of_squares(n, difference.data()) / static_cast<double>(n);
  return Tape::local().record(Tensor::scalar(static_cast<float>(mean)), {&x},
                              [x = x.edge(), difference, n](Tape& tape, const Tensor& dy) {
                                const float factor = 2.0f * dy.item() / static_cast<float>(n);
                                if (const Sink dx = tape.sink(x))
                                  dx.write_all(
                                      n, [factor](Vec d) { return d * factor; }, difference.data());
                              });
}

MINIVIT_INLINE Var binary_cross_entropy_with_logits(const Var& logits, const Tensor& targets) {
  using kernels::Vec;
  detail::check_defined("binary_cross_entropy_with_logits", "logits", logits);
  detail::check_defined("binary_cross_entropy_with_logits", "targets", targets);
  check<ShapeError>(logits.shape() == targets.shape(), "binary_cross_entropy_with_logits: targets are ",
                    targets.shape(), ", expected ", logits.shape());
  const std::int64_t n = logits.numel();
  const float *z = logits.data(), *t = targets.data();
  const double total = kernels::sum_of_chunks(n, [=](std::int64_t begin, std::int64_t end) {
    double part = 0;
    for (std::int64_t i = begin; i < end; ++i)
      part += (z[i] < 0.0f ? 0.0 : z[i]) - static_cast<double>(z[i]) * t[i] +
              std::log1p(std::exp(-std::fabs(double{z[i]})));
    return part;
  });
  return Tape::local().record(
      Tensor::scalar(static_cast<float>(total / static_cast<double>(n))), {&logits},
      [logits, targets, n](Tape& tape, const Tensor& dy) {
        const float factor = dy.item() / static_cast<float>(n);
        if (const Sink dz = tape.sink(logits))  // σ(z) - t
          dz.write_all(
              n, [factor](Vec v, Vec u) { return (1.0f / (1.0f + kernels::exp(-v)) - u) * factor; },
              logits.data(), targets.data());
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
