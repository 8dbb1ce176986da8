// Objectives of a batch: its labels, and the answers of a teacher.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "minivit/data/loader.hpp"
#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/ops/softmax.hpp"
#include "minivit/train/metrics.hpp"
#include "minivit/train/mix.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A model that another one learns from: G. Hinton et al., "Distilling the Knowledge in a Neural Network",
/// arXiv:1503.02531; H. Touvron et al., DeiT, arXiv:2012.12877.
struct TeacherOptions {
  /// Images (B, C, H, W) as the student sees them -> logits (B, K). Empty: there is no teacher.
  std::function<Tensor(const Tensor& images)> logits{};
  double share = 0.5;      ///< of the teacher in the loss, in [0, 1]; the labels have the rest
  double temperature = 1;  ///< of soft targets, above 0: the higher, the more the other classes count
  bool hard = false;       ///< the class that the teacher finds most probable counts as a label

  explicit operator bool() const { return static_cast<bool>(logits); }
};

/// How the loss of a batch is made.
struct ObjectiveOptions {
  float label_smoothing = 0.0f;
  std::span<const float> class_weights{};
  bool binary = false;  ///< each class for itself, yes or no (binary cross-entropy), as DeiT III; without
                        ///< class weights
  TeacherOptions teacher{};

  /// Throws ConfigError for what is out of range or does not go together.
  void validate() const;
};

/// The loss of logits (B, K) against labels, mixed as `mix` says.
[[nodiscard]] Var label_loss(const Var& logits, std::span<const int> labels, const Mix& mix,
                             const ObjectiveOptions& options);

/// The loss of logits (B, K) against those of a teacher: T² times the cross-entropy of softmax(taught / T)
/// and softmax(logits / T), or the cross-entropy against the teacher's first choice.
[[nodiscard]] Var taught_loss(const Var& logits, const Tensor& taught, const TeacherOptions& options);

/// The loss of a batch, and the logits that its metrics are of.
struct BatchLoss {
  Var loss;
  Tensor logits;

  void add_to(Metrics& metrics, std::span<const int> labels) const { metrics.add(logits, labels); }
};

/// The loss of `model` on images, which are those of the batch after mixing. With a teacher it has the shares
/// of labels and teacher; a model with a distillation head learns the labels with one head and from the
/// teacher with the other.
template <class Model>
[[nodiscard]] BatchLoss batch_loss(const Model& model, const Tensor& images, std::span<const int> labels,
                                   const Mix& mix, const ObjectiveOptions& options) {
  const TeacherOptions& teacher = options.teacher;
  if (!teacher) {
    const Var logits = model(images);
    return {label_loss(logits, labels, mix, options), logits.value()};
  }
  const Tensor taught = teacher.logits(images);
  const auto together = [&](const Var& own, const Var& other) {
    const auto share = static_cast<float>(teacher.share);
    return label_loss(own, labels, mix, options) * (1.0f - share) +
           taught_loss(other, taught, teacher) * share;
  };
  if constexpr (requires { model.both_logits(images); })
    if (model.head_dist.weight.defined()) {
      const auto [own, other] = model.both_logits(images);
      Tensor mean = own.value().clone();
      mean.array() = (mean.array() + other.value().array()) * 0.5f;
      return {together(own, other), mean};
    }
  const Var logits = model(images);
  return {together(logits, logits), logits.value()};
}

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE void ObjectiveOptions::validate() const {
  check<ConfigError>(!binary || class_weights.empty(),
                     "objective: class weights go with cross-entropy only, not with binary");
  check<ConfigError>(teacher.share >= 0 && teacher.share <= 1, "objective: the teacher's share is ",
                     teacher.share, ", expected 0 to 1");
  check<ConfigError>(teacher.temperature > 0, "objective: the temperature is ", teacher.temperature,
                     ", expected above 0");
}

MINIVIT_INLINE Var label_loss(const Var& logits, std::span<const int> labels, const Mix& mix,
                              const ObjectiveOptions& options) {
  const CrossEntropyOptions target{options.label_smoothing, options.class_weights};
  if (!options.binary)
    return mix.kind == Mix::Kind::none ? cross_entropy(logits, labels, target)
                                       : cross_entropy(logits, mix.targets(labels, logits.size(1)), target);
  // Smoothed as timm's: a part of the ones is spread over all classes.
  Tensor targets = mix.targets(labels, logits.size(1));
  const float kept = 1.0f - options.label_smoothing,
              spread = options.label_smoothing / static_cast<float>(logits.size(1));
  targets.array() = targets.array() * kept + spread;
  return binary_cross_entropy_with_logits(logits, targets);
}

MINIVIT_INLINE Var taught_loss(const Var& logits, const Tensor& taught, const TeacherOptions& options) {
  check<ShapeError>(logits.shape() == taught.shape(), "taught_loss: the teacher's logits are ",
                    taught.shape(), ", expected ", logits.shape());
  const std::int64_t K = taught.size(1);
  if (options.hard) {
    std::vector<int> labels;
    for (std::int64_t i = 0; i < taught.size(0); ++i) {
      const float* const row = taught.data() + i * K;
      labels.push_back(static_cast<int>(std::max_element(row, row + K) - row));
    }
    return cross_entropy(logits, labels);
  }
  const auto T = static_cast<float>(options.temperature);
  const Tensor targets = softmax(Var(taught) / T).value();  // a constant: nothing is recorded
  return cross_entropy(logits / T, targets) * (T * T);
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
