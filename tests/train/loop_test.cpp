// train_epoch and evaluate: steps, accumulation, repetition, what stops them, and that something is learned.
#include "minivit/train/loop.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "minivit/model/vit.hpp"
#include "minivit/nn/linear.hpp"
#include "minivit/ops/rearrange.hpp"
#include "minivit/ops/unary.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

constexpr int kClasses = 3;

/// Noise with the label written into it: class k has a brighter row of patches k.
TensorDataset patterns(std::int64_t n, float brightness, std::uint64_t seed = 1) {
  Tensor images = Tensor::empty({n, 1, 6, 6});
  std::vector<int> labels;
  Rng rng(seed);
  for (std::int64_t i = 0; i < n; ++i) {
    const int label = static_cast<int>(rng.below(kClasses));
    labels.push_back(label);
    for (std::int64_t y = 0; y < 6; ++y)
      for (std::int64_t x = 0; x < 6; ++x)
        images(i, 0, y, x) = rng.normal() + (y / 2 == label ? brightness : 0.0f);
  }
  return {images, labels};
}

VisionTransformer small_model(float dropout = 0.0f) {
  manual_seed(1);
  return VisionTransformer({.image_height = 6,
                            .image_width = 6,
                            .patch_size = 2,
                            .channels = 1,
                            .num_classes = kClasses,
                            .embedding_dim = 8,
                            .num_layers = 2,
                            .num_heads = 2,
                            .mlp_ratio = 2,
                            .input_dropout = dropout,
                            .attention_dropout = dropout,
                            .dropout = dropout,
                            .drop_path = dropout});
}

std::vector<Batch> batches_of(const TensorDataset& data, std::size_t size) {
  std::vector<Batch> batches;
  DataLoader loader(data, {.batch_size = size, .workers = 0});
  for (const Batch& batch : loader.epoch(0)) batches.push_back(batch);
  return batches;
}

// Types for the schedule and the callback, so that train_epoch is compiled a few times and not for every
// test.
using LearningRate = std::function<double(std::int64_t)>;
using OnStep = std::function<bool(const StepReport&)>;

const OnStep kGoOn = [](const StepReport&) { return true; };

/// A model with all that its training needs.
template <Optimizer O = AdamW>
struct Run {
  VisionTransformer model;
  ParameterArena parameters = flatten(model);
  typename O::Options options;
  O optimizer{parameters, options};
  LearningRate schedule = [](std::int64_t) { return 0.05; };
  std::optional<Ema> ema;

  explicit Run(float dropout = 0.0f) : model(small_model(dropout)) {}

  std::vector<float> weights() const {
    return {parameters.values.values().begin(), parameters.values.values().end()};
  }

  Metrics epoch(std::span<const Batch> batches, const TrainOptions& options = {},
                const OnStep& on_step = kGoOn) {
    return train_epoch(model, batches, parameters, optimizer, schedule, ema, options, on_step);
  }
  Metrics epoch(DataLoader<TensorDataset>& loader, std::uint64_t number, const TrainOptions& options = {}) {
    return train_epoch(model, loader.epoch(number), parameters, optimizer, schedule, ema, options, kGoOn);
  }
};

/// Puts the number of threads back at its end.
struct ThreadsRestored {
  int before = num_threads();
  ~ThreadsRestored() { set_num_threads(before); }
};

}  // namespace

TEST_CASE("k batches of n make the step of one batch of k · n") {
  const TensorDataset data = patterns(12, 1.0f);
  Run<Sgd> whole, parts;
  const std::vector<float> start = whole.weights();
  std::vector<double> losses, norms;
  const auto note = [&](const StepReport& report) {
    losses.push_back(report.loss);
    norms.push_back(report.grad_norm);
    return true;
  };
  const Metrics ma = whole.epoch(batches_of(data, 12), {}, note);
  const Metrics mb = parts.epoch(batches_of(data, 3), {.accumulate = 4}, note);
  REQUIRE(losses.size() == 2);
  CHECK(losses[0] == doctest::Approx(losses[1]).epsilon(1e-5));
  CHECK(norms[0] == doctest::Approx(norms[1]).epsilon(1e-5));
  CHECK(whole.optimizer.steps() == 1);
  CHECK(parts.optimizer.steps() == 1);
  CHECK(ma.samples == 12);
  CHECK(mb.samples == 12);
  CHECK(ma.correct == mb.correct);
  float worst = 0, moved = 0;
  for (std::size_t i = 0; i < start.size(); ++i) {
    worst = std::max(worst, std::fabs(whole.weights()[i] - parts.weights()[i]));
    moved = std::max(moved, std::fabs(whole.weights()[i] - start[i]));
  }
  CHECK(worst < 1e-6);
  CHECK(moved > 1e-3);
}

TEST_CASE("steps are counted on, reported, and the last may have fewer batches") {
  Run<> run;
  const std::vector<Batch> batches = batches_of(patterns(10, 1.0f), 2);
  std::vector<StepReport> reports;
  const auto note = [&](const StepReport& report) {
    CHECK(report.metrics->samples == 2 * report.batches);
    reports.push_back(report);
    return true;
  };
  const CosineSchedule schedule{.peak = 0.01, .warmup = 4, .total = 6};
  run.schedule = schedule;
  for (int epoch = 0; epoch < 2; ++epoch) run.epoch(batches, {.accumulate = 2}, note);
  REQUIRE(reports.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(reports[i].step == static_cast<std::int64_t>(i));
    CHECK(reports[i].batches == std::vector<std::int64_t>{2, 4, 5}[i % 3]);
    CHECK(reports[i].lr == schedule(static_cast<std::int64_t>(i)));
    CHECK(reports[i].loss > 0);
    CHECK(reports[i].grad_norm > 0);
  }
  CHECK(run.optimizer.steps() == 6);
  CHECK(std::ranges::all_of(run.parameters.grads.values(), [](float g) { return g == 0.0f; }));
}

TEST_CASE("the gradient of a step with fewer batches is the mean over these") {
  // Two batches with accumulate 4 are a step of their own: the same as with accumulate 2.
  const std::vector<Batch> batches = batches_of(patterns(4, 1.0f), 2);
  Run<> a, b;
  a.epoch(batches, {.accumulate = 4});
  b.epoch(batches, {.accumulate = 2});
  CHECK(a.optimizer.steps() == 1);
  CHECK(a.weights() == b.weights());
}

TEST_CASE("label smoothing, class weights and clipping reach the step") {
  const TensorDataset data = patterns(6, 1.0f);
  const std::vector<Batch> batches = batches_of(data, 6);
  const std::vector<float> weights{1.0f, 5.0f, 0.5f};
  const VisionTransformer model = small_model();
  const auto reported = [&](const TrainOptions& options) {
    Run<> run;
    StepReport last{};
    double after = 0;
    run.epoch(batches, options, [&](const StepReport& r) {
      last = r;
      // Adam's first moment is a tenth of the clipped gradient.
      after =
          10 * std::sqrt(kernels::sum_of_squares(run.parameters.size(), run.optimizer.first_moment().data()));
      return true;
    });
    const NoGrad values_only;
    CHECK(last.loss ==
          doctest::Approx(cross_entropy(model(batches[0].images), data.labels(),
                                        {options.objective.label_smoothing, options.objective.class_weights})
                              .item())
              .epsilon(1e-6));
    return std::pair(last, after);
  };
  const double plain = reported({}).first.loss,
               smooth = reported({.objective = {.label_smoothing = 0.3f}}).first.loss,
               weighted = reported({.objective = {.class_weights = weights}}).first.loss;
  CHECK(plain != smooth);
  CHECK(plain != weighted);
  const auto [clipped, norm] = reported({.clip_norm = 0.01});
  CHECK(clipped.grad_norm > 0.05);
  CHECK(norm == doctest::Approx(0.01).epsilon(1e-3));
  const auto [free, whole] = reported({.clip_norm = 0});
  CHECK(free.grad_norm == doctest::Approx(clipped.grad_norm).epsilon(1e-6));
  CHECK(whole == doctest::Approx(free.grad_norm).epsilon(1e-3));
}

TEST_CASE("the weights have the same bits with 1, 2 and 3 threads and 0, 1 and 3 loader threads") {
  const ThreadsRestored restored;
  const TensorDataset data = patterns(23, 1.0f);
  std::vector<float> expected;
  for (const int threads : {1, 2, 3})
    for (const int workers : {0, 1, 3}) {
      CAPTURE(threads);
      CAPTURE(workers);
      set_num_threads(threads);
      Run<> run(0.1f);
      DataLoader loader(data, {.batch_size = 5, .shuffle = true, .seed = 4, .workers = workers});
      for (std::uint64_t epoch = 0; epoch < 2; ++epoch)
        run.epoch(loader, epoch, {.accumulate = 2, .seed = 4});
      if (expected.empty()) expected = run.weights();
      CHECK(run.weights() == expected);
    }
}

TEST_CASE("dropout is repeated by the seed and the step, whatever happens in between") {
  const std::vector<Batch> batches = batches_of(patterns(16, 1.0f), 4);
  const auto trained = [&](std::uint64_t seed) {
    Run<> run(0.2f);
    run.epoch(batches, {.seed = seed});
    return run.weights();
  };
  CHECK(trained(1) == trained(1));
  CHECK(trained(1) != trained(2));

  Run<> interrupted(0.2f);
  interrupted.epoch(std::span(batches).first(1), {.seed = 1});
  manual_seed(12345);
  interrupted.epoch(std::span(batches).last(3), {.seed = 1});
  CHECK(interrupted.weights() == trained(1));

  // Two steps on the same batch drop differently: from equal weights, with a learning rate of 0, the losses
  // differ.
  Run<> still(0.2f);
  std::vector<double> losses;
  still.schedule = [](std::int64_t) { return 0.0; };
  for (int i = 0; i < 2; ++i)
    still.epoch(std::span(batches).first(1), {}, [&](const StepReport& r) {
      losses.push_back(r.loss);
      return true;
    });
  CHECK(losses[0] != losses[1]);
}

TEST_CASE("on_step ends the epoch by returning false") {
  Run<> run;
  int called = 0;
  const Metrics metrics =
      run.epoch(batches_of(patterns(12, 1.0f), 2), {}, [&](const StepReport&) { return ++called < 3; });
  CHECK(called == 3);
  CHECK(run.optimizer.steps() == 3);
  CHECK(metrics.samples == 6);
}

TEST_CASE("an epoch without batches does nothing") {
  Run<> run;
  const std::vector<float> before = run.weights();
  CHECK(run.epoch({}).samples == 0);
  CHECK(run.optimizer.steps() == 0);
  CHECK(run.weights() == before);
}

TEST_CASE("a loss that is not finite stops before the weights are touched") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<Batch> batches = batches_of(patterns(6, 1.0f), 2);
    batches[1].images = batches[1].images.clone();
    batches[1].images(0, 0, 3, 3) = bad;
    Run<> run, good;
    const std::string message = message_of<NotFinite>([&] { run.epoch(batches); });
    CHECK(Tape::local().size() == 0);  // nothing of the batch is held
    CHECK(message.starts_with("step 1: the loss is "));
    CHECK(message.find("; the batch of images has 1 of 72 elements that are not finite; ") !=
          std::string::npos);
    CHECK(message.ends_with("; lower the learning rate, or look for broken images"));
    good.epoch(std::span(batches).first(1));
    CHECK(run.weights() == good.weights());
    CHECK(run.optimizer.steps() == 1);
    CHECK_FALSE(is_training());
  }
}

TEST_CASE("a learning rate far too high ends in NotFinite, with weights that are finite") {
  Run<> run;
  run.schedule = [](std::int64_t) { return 1e30; };
  const std::vector<Batch> batches = batches_of(patterns(32, 1.0f), 2);
  const std::string message = message_of<NotFinite>([&] {
    for (int epoch = 0; epoch < 20; ++epoch) run.epoch(batches, {.clip_norm = 0});
  });
  CHECK(message.starts_with("step "));
  CHECK(std::ranges::all_of(run.weights(), [](float w) { return std::isfinite(w); }));
}

namespace {

/// Logits √(w x): at w = 0 finite, with an infinite gradient.
struct Vertical {
  Parameter w{Tensor::zeros({2})};
  Var operator()(const Var& images) const { return minivit::sqrt(reshape(images, {-1, 2}) * w); }
  static void visit(auto& self, auto&& f) { f("w", self.w); }
};

}  // namespace

TEST_CASE("a gradient that is not finite stops before the weights are touched") {
  Vertical model;
  ParameterArena parameters = flatten(model);
  AdamW optimizer(parameters, {});
  std::optional<Ema> no_average;
  const TensorDataset data(Tensor::full({1, 1, 1, 2}, 1.0f), {0});
  const std::string message = message_of<NotFinite>([&] {
    train_epoch(model, batches_of(data, 1), parameters, optimizer, CosineSchedule(), no_average, {}, kGoOn);
  });
  CHECK(
      message ==
      "step 0: the gradient is not finite: the gradient of w has 2 of 2 elements that are not finite; lower "
      "the learning rate");
  CHECK(optimizer.steps() == 0);
  CHECK(model.w.value(0) == 0.0f);
  CHECK(optimizer.first_moment()(0) == 0.0f);
}

TEST_CASE("the first tensor that is not finite is named") {
  const Tensor images = batches_of(patterns(2, 1.0f), 2)[0].images;
  Run<> run;
  const auto named = [&] { return not_finite_in_forward(run.model, images, run.parameters); };
  EncoderBlock& second = run.model.encoder.blocks[1];
  float& weight = second.mlp.fc2.bias.value(3);
  const float before = weight;
  second.mlp.fc1.bias.value.fill(1e30f);  // finite, but not times what follows
  second.mlp.fc2.weight.value.fill(3e38f);
  CHECK(named().starts_with("the output of blocks.1 has "));
  weight = std::numeric_limits<float>::infinity();
  CHECK(named() == "blocks.1.mlp.fc2.bias has 1 of 8 elements that are not finite");
  weight = before;
  run.model.patch_embed.bias.value(0) = -std::numeric_limits<float>::infinity();
  CHECK(named() == "patch_embed.proj.bias has 1 of 8 elements that are not finite");
}

namespace {

/// Sees gradients before they are used.
struct Observer {
  std::vector<double>* norms;
  const ParameterArena* parameters;
  void before_step(std::int64_t step) const {
    CHECK(step == static_cast<std::int64_t>(norms->size()));
    norms->push_back(grad_norm(*parameters));
  }
  bool operator()(const StepReport& report) const {
    CHECK(report.grad_norm == norms->back() / 2);  // of the mean of two batches
    CHECK(grad_norm(*parameters) == 0.0);
    return true;
  }
};

}  // namespace

TEST_CASE("gradients can be looked at before they are used") {
  Run<> run;
  std::vector<double> norms;
  train_epoch(run.model, batches_of(patterns(8, 1.0f), 2), run.parameters, run.optimizer, run.schedule,
              run.ema, {.accumulate = 2}, Observer{&norms, &run.parameters});
  CHECK(norms.size() == 2);
  CHECK(norms[0] > 0.0);
}

TEST_CASE("the moving average is updated once a step") {
  Run<> run;
  run.ema.emplace(run.parameters, 0.9f);
  std::vector<double> expected(run.parameters.values.values().begin(), run.parameters.values.values().end());
  int t = 0;
  run.epoch(batches_of(patterns(12, 1.0f), 2), {.accumulate = 2}, [&](const StepReport&) {
    const double d = std::min(0.9, (2.0 + t) / (11.0 + t));
    ++t;
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] = d * expected[i] + (1 - d) * static_cast<double>(run.parameters.values.values()[i]);
    return true;
  });
  CHECK(t == 3);
  CHECK(run.ema->steps() == 3);
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    worst = std::max(worst, std::fabs(expected[i] - static_cast<double>(run.ema->average().values()[i])));
  CHECK(worst < 1e-6);
}

TEST_CASE("training mode is on in train_epoch alone, and evaluate leaves mode and tape as they were") {
  const std::vector<Batch> batches = batches_of(patterns(6, 1.0f), 3);
  Run<> run;
  CHECK_FALSE(is_training());
  run.epoch(batches, {}, [&](const StepReport&) {
    CHECK(is_training());
    const auto watched = [&](const Tensor& images) {
      CHECK_FALSE(is_training());
      CHECK_FALSE(grad_enabled());
      return run.model(images);
    };
    const Var recorded = square(variable(Tensor::full({2}, 3.0f)));
    const std::size_t before = Tape::local().size();
    CHECK(before == 1);
    CHECK(evaluate(watched, batches).samples == 6);
    CHECK(Tape::local().size() == before);
    CHECK(is_training());
    CHECK(grad_enabled());
    return true;
  });
  CHECK_FALSE(is_training());
}

TEST_CASE("evaluate measures all batches") {
  const TensorDataset data = patterns(11, 1.0f);
  Metrics whole;
  const VisionTransformer model = small_model(0.5f);
  const Metrics parts = evaluate(model, batches_of(data, 4));
  {
    const NoGrad values_only;
    whole.add(model(batches_of(data, 11)[0].images).value(), data.labels());
  }
  CHECK(parts.samples == 11);
  CHECK(parts.correct == whole.correct);
  CHECK(parts.correct5 == 11);
  CHECK(parts.loss() == doctest::Approx(whole.loss()).epsilon(1e-6));
}

TEST_CASE("a small model learns patterns that it has not seen") {
  // One training in ten takes two of the classes for one; the second best of three is far from such luck.
  const TensorDataset train = patterns(480, 3.0f, 1), test = patterns(200, 3.0f, 2);
  DataLoader test_loader(test, {.batch_size = 50});
  constexpr std::uint64_t kEpochs = 24;
  std::vector<double> accuracies, shares_of_loss;
  for (const std::uint64_t seed : {1, 2, 3}) {
    Run<> run(0.05f);
    DataLoader loader(train, {.batch_size = 20, .shuffle = true, .seed = seed});
    run.schedule = CosineSchedule{.peak = 1e-2, .warmup = 10, .total = kEpochs * 24};
    CHECK(evaluate(run.model, test_loader.epoch(0)).top1() < 0.7);
    double first = 0, last = 0;
    for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
      last = run.epoch(loader, epoch, {.seed = seed}).loss();
      if (epoch == 0) first = last;
    }
    shares_of_loss.push_back(last / first);
    accuracies.push_back(evaluate(run.model, test_loader.epoch(0)).top1());
  }
  std::ranges::sort(accuracies);
  std::ranges::sort(shares_of_loss);
  CHECK(shares_of_loss[1] < 0.5);
  CHECK(accuracies[1] > 0.95);
}

TEST_CASE("sharpness-aware steps have the gradient of weights that are off in its direction") {
  const std::vector<Batch> batches = batches_of(patterns(6, 1.0f), 6);
  Run<> sam;
  std::vector<float> gradient;
  struct Seen {
    Run<>& run;
    std::vector<float>& gradient;
    void before_step(std::int64_t) const {
      gradient.assign(run.parameters.grads.values().begin(), run.parameters.grads.values().end());
    }
    bool operator()(const StepReport&) const { return true; }
  };
  const std::vector<float> before = sam.weights();
  train_epoch(sam.model, batches, sam.parameters, sam.optimizer, sam.schedule, sam.ema,
              TrainOptions{.sam = 0.05}, Seen{sam, gradient});

  // The same by hand.
  Run<> other;
  const Training training;
  const auto gradient_of = [&] {
    other.parameters.zero_grad();
    manual_seed(0, 0);
    backward(cross_entropy(other.model(batches[0].images), batches[0].labels));
    return std::vector<float>(other.parameters.grads.values().begin(), other.parameters.grads.values().end());
  };
  const std::vector<float> first = gradient_of();
  double norm = 0;
  for (const float g : first) norm += static_cast<double>(g) * static_cast<double>(g);
  for (std::size_t i = 0; i < first.size(); ++i)
    other.parameters.values.values()[i] += first[i] * static_cast<float>(0.05 / std::sqrt(norm));
  const std::vector<float> second = gradient_of();
  double worst = 0, moved = 0;
  for (std::size_t i = 0; i < second.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::fabs(second[i] - gradient[i])));
    moved = std::max(moved, static_cast<double>(std::fabs(second[i] - first[i])));
  }
  CHECK(worst < 1e-6);
  CHECK(moved > 1e-4);
  CHECK(sam.weights() != before);  // and the step began where the weights were, not where they were off
  CHECK(message_of<ConfigError>([&] { sam.epoch(batches, {.accumulate = 2, .sam = 0.1}); }) ==
        "train_epoch: sam is 0.1 with accumulate 2, expected 0 or more, and accumulate 1");
}
