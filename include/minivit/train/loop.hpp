// One epoch of training, and evaluation.
#pragma once

#include <cmath>
#include <optional>
#include <span>

#include "minivit/data/loader.hpp"
#include "minivit/train/diagnose.hpp"
#include "minivit/train/ema.hpp"
#include "minivit/train/metrics.hpp"
#include "minivit/train/mix.hpp"
#include "minivit/train/objective.hpp"
#include "minivit/train/optimizer.hpp"
#include "minivit/train/schedule.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The loss, or the norm of the gradient, is not a finite number any more.
struct NotFinite : Error {
  using Error::Error;
};

/// How `train_epoch` treats every batch.
struct TrainOptions {
  ObjectiveOptions objective{};
  double clip_norm = 1.0;       ///< 0: no clipping
  std::int64_t accumulate = 1;  ///< batches whose gradients make one step
  std::uint64_t seed = 0;       ///< of dropout, together with the number of the step
  MixOptions mix{};             ///< Mixup and CutMix; the metrics then count the label with the larger share
  /// Sharpness-aware minimization (P. Foret et al., arXiv:2010.01412): the gradient is that at weights which
  /// are so far off in the direction of the gradient; twice the work. 0: none. Needs accumulate 1.
  double sam = 0.0;

  /// What was done of this epoch before, if it is resumed: batches, and their metrics.
  std::int64_t batches_done = 0;
  Metrics metrics_done{};
};

/// What `on_step` of `train_epoch` is told after every optimizer step.
struct StepReport {
  std::int64_t step;       ///< number of the step since the start of training, from 0
  std::int64_t batches;    ///< batches done in this epoch
  double loss;             ///< mean of the step's batches
  double lr;               ///< learning rate of the step
  double grad_norm;        ///< before clipping
  const Metrics* metrics;  ///< of the epoch so far, on training batches as they were seen
};

namespace detail {

/// Replaces the gradient by that of `run_backward()` at weights that are `distance` off in its direction.
template <class F>
void at_sharper_weights(ParameterArena& parameters, double distance, const F& run_backward) {
  const double norm = grad_norm(parameters);
  if (!(norm > 0) || !std::isfinite(norm)) return;
  const Tensor kept = parameters.values.clone();
  parameters.values.array() += parameters.grads.array() * static_cast<float>(distance / norm);
  parameters.zero_grad();
  run_backward();
  parameters.values.copy_from(kept);
}

}  // namespace detail

/// Trains on every batch of `batches` (a range of Batch): forward, loss, backward, clip, step, schedule.
/// `on_step(report)` returns whether to go on; an `on_step.before_step(step)`, where there is one, sees the
/// gradients (their sum over `accumulate` batches, not clipped) before they are used. Returns the metrics of
/// the training batches. Throws NotFinite, naming the step and the first tensor that is not finite, before a
/// step is taken that would destroy the weights.
template <class Model, class Batches, Optimizer O, Schedule S, class OnStep>
Metrics train_epoch(const Model& model, Batches&& batches, ParameterArena& parameters, O& optimizer,
                    const S& schedule, std::optional<Ema>& ema, const TrainOptions& options,
                    const OnStep& on_step) {
  const Training training;
  options.objective.validate();
  check<ConfigError>(options.sam >= 0 && (options.sam == 0 || options.accumulate == 1),
                     "train_epoch: sam is ", options.sam, " with accumulate ", options.accumulate,
                     ", expected 0 or more, and accumulate 1");
  Metrics metrics = options.metrics_done;
  std::int64_t done = options.batches_done,
               pending = 0;  // batches of this epoch; batches since the last step
  double loss_sum = 0;

  const auto step = [&] {
    const std::int64_t number = optimizer.steps();
    // The gradient of the mean; the last step of an epoch may have fewer batches than the others.
    const double mean = 1.0 / static_cast<double>(pending), norm = grad_norm(parameters) * mean;
    if (!std::isfinite(norm))  // not `check`: to find the tensor, all of them are looked through
      throw NotFinite(str_cat("step ", number, ": the gradient is not finite: ",
                              not_finite_gradient(parameters), "; lower the learning rate"));
    if constexpr (requires { on_step.before_step(number); }) on_step.before_step(number);
    const float clip = options.clip_norm > 0 ? clip_factor(norm, options.clip_norm) : 1.0f;
    const double lr = schedule(number);
    optimizer.step(static_cast<float>(lr), static_cast<float>(mean) * clip, true);
    if (ema) ema->update();
    const StepReport report{number, done, loss_sum / static_cast<double>(pending), lr, norm, &metrics};
    loss_sum = 0;
    pending = 0;
    return on_step(report);
  };

  parameters.zero_grad();
  for (const Batch& batch : batches) {
    // Dropout is drawn anew for every batch, from the step and the batch alone: an interrupted run repeats
    // it.
    const auto draws = static_cast<std::uint64_t>(optimizer.steps() * options.accumulate + pending);
    const Mix mix = options.mix.any() ? draw_mix(options.mix, batch.images.size(2), batch.images.size(3),
                                                 Rng(options.seed ^ detail::kMixSeed, draws))
                                      : Mix{};
    const Tensor images = mix.images(batch.images);
    const auto run_backward = [&] {
      manual_seed(options.seed, draws);  // the same dropout every time
      const auto result = batch_loss(model, images, batch.labels, mix, options.objective);
      if (!std::isfinite(result.loss.item())) {
        manual_seed(options.seed, draws);
        throw NotFinite(str_cat("step ", optimizer.steps(), ": the loss is ", result.loss.item(), "; ",
                                not_finite_in_forward(model, images, parameters),
                                "; lower the learning rate, or look for broken images"));
      }
      backward(result.loss);
      return result;
    };
    const auto result = run_backward();
    if (options.sam > 0) detail::at_sharper_weights(parameters, options.sam, run_backward);
    result.add_to(metrics, mix.main_labels(batch.labels));
    loss_sum += result.loss.item();
    ++done;
    if (++pending == options.accumulate && !step()) return metrics;
  }
  if (pending > 0) step();
  return metrics;
}

/// Metrics of `model` over every batch of `batches`, in evaluation mode and without gradients. Stops early if
/// `go_on()`, asked before each batch, says no; a `go_on.answered(logits, labels)`, where there is one, sees
/// what the model answered.
template <class Model, class Batches, class GoOn>
Metrics evaluate(const Model& model, Batches&& batches, const GoOn& go_on) {
  const NoGrad values_only;
  const Training off(false);
  Metrics metrics;
  for (const Batch& batch : batches) {
    if (!go_on()) break;
    const Var logits = model(batch.images);
    metrics.add(logits.value(), batch.labels);
    if constexpr (requires { go_on.answered(logits.value(), batch.labels); })
      go_on.answered(logits.value(), batch.labels);
  }
  return metrics;
}
template <class Model, class Batches>
Metrics evaluate(const Model& model, Batches&& batches) {
  return evaluate(model, batches, [] { return true; });
}

}  // namespace minivit::inline MINIVIT_ABI
