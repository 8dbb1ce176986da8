// The training of one run, from its first or its last step on.
#include "train_run.hpp"

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "class_weights.hpp"
#include "images.hpp"
#include "minivit/io/pretrained.hpp"
#include "minivit/io/transfer.hpp"
#include "minivit/vit.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "recorder.hpp"
#include "resume.hpp"
#include "run_classes.hpp"
#include "run_lock.hpp"
#include "stop_signal.hpp"
#include "test_best.hpp"
#include "text_table.hpp"
#include "train_closing.hpp"
#include "train_opening.hpp"
#include "train_progress.hpp"
#include "training_images.hpp"
#include "training_state.hpp"

namespace minivit::cli {

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What train_epoch tells, and who wants to know.
template <class OnGradients, class OnStep>
struct Observer {
  OnGradients before_step;
  OnStep on_step;
  bool operator()(const StepReport& report) const { return on_step(report); }
};

template <class OnGradients, class OnStep>
Observer(OnGradients, OnStep) -> Observer<OnGradients, OnStep>;  // clang 14 does not see it by itself

/// Who is asked and told while a model is evaluated.
template <class GoOn, class OnAnswers>
struct Watched {
  GoOn go_on;
  OnAnswers answered;
  bool operator()() const { return go_on(); }
};

template <class GoOn, class OnAnswers>
Watched(GoOn, OnAnswers) -> Watched<GoOn, OnAnswers>;

std::vector<int> labels_of(const ImageFolder& images, const std::vector<std::size_t>& samples) {
  std::vector<int> labels;
  for (const std::size_t i : samples) labels.push_back(images.labels()[i]);
  return labels;
}

/// The order of the samples that data.sampler asks for; none: they are shuffled.
std::function<std::vector<std::size_t>(std::uint64_t)> order_of(const std::string& sampler,
                                                                const std::vector<int>& labels,
                                                                std::uint64_t seed) {
  if (sampler == "balanced") return BalancedSampler(labels, seed);
  return {};
}

/// Throws NotFinite, naming the first tensor that is not finite, if the validation loss is no number: weights
/// that the last step of an epoch made too large are seen here first.
template <class Loader>
void check_validation(const Metrics& val, const VisionTransformer& model, Loader& batches,
                      const ParameterArena& parameters, std::int64_t step) {
  if (std::isfinite(val.loss())) return;
  const NoGrad values_only;
  const Training off(false);
  for (const Batch& batch : batches.epoch(0)) {
    Metrics part;
    part.add(model(batch.images).value(), batch.labels);
    if (!std::isfinite(part.loss()))
      throw NotFinite(str_cat("step ", step, ": the validation loss is ", part.loss(), "; ",
                              not_finite_in_forward(model, batch.images, parameters),
                              "; lower the learning rate, or look for broken images"));
  }
}

/// Trains from `state` on until the end, `until_epoch`, a signal, the time limit or for want of progress.
/// `resumed`: the settings of a run that goes on. Returns the exit code.
template <class Optimizer>
int train(const std::filesystem::path& run, const TrainConfig& c, const TrainingImages& images,
          VisionTransformer& model, ParameterArena& parameters, Optimizer optimizer, std::int64_t until_epoch,
          const ResumedRun* resumed) {
  const auto& t = c.training;
  const StopSignals signals;
  RunLog log(run / "train.log");
  std::size_t skipped = 0;
  const auto on_skip = [&](const std::string& why) {
    ++skipped;
    log.warning(str_cat("skipped: ", why));
  };
  const Subset train_images(images.train, images.train_part), val_images(images.val, images.val_part);
  const auto batch_size = static_cast<std::size_t>(t.batch_size);
  const std::vector<int> labels = labels_of(images.train, images.train_part);
  const std::vector<float> weights = class_weights(t.class_weights, labels, images.classes());
  DataLoader train_loader(train_images, {.batch_size = batch_size,
                                         .shuffle = true,
                                         .order = order_of(c.data.sampler, labels, t.seed),
                                         .drop_last = train_images.size() > batch_size,
                                         .seed = t.seed,
                                         .workers = c.data.workers,
                                         .max_bad_fraction = c.data.bad_fraction,
                                         .known_bad = images.train_bad,
                                         .on_skip = on_skip});
  // However many cannot be read, an epoch that is trained is not lost.
  DataLoader val_loader(val_images, {.batch_size = batch_size,
                                     .workers = c.data.workers,
                                     .max_bad_fraction = 1.0,
                                     .known_bad = images.val_bad,
                                     .on_skip = on_skip});
  for (const std::string& line : images.report.remarks()) log.note(line);
  const auto batches = static_cast<std::int64_t>(train_loader.batches_per_epoch()),
             steps = (batches - 1) / t.accumulate + 1;
  const auto schedule_of = [&](std::int64_t epochs) {
    return CosineSchedule{.peak = t.lr,
                          .warmup = static_cast<std::int64_t>(t.warmup * static_cast<double>(steps * epochs)),
                          .total = steps * epochs,
                          .last = t.min_lr};
  };
  const CosineSchedule schedule = schedule_of(t.epochs);
  std::optional<Ema> ema;
  if (t.ema > 0) ema.emplace(parameters, t.ema);

  TrainingState state{.data = images.digest()};
  const auto save_best = [&] {
    const UseAverage average(ema);  // it is what was evaluated
    if (has_lora(model)) {          // an ordinary model for everybody else
      VisionTransformer merged = model;
      merge_lora(merged);
      save_model(run / "best", merged, images.classes(), c.preprocess());
    } else {
      save_model(run / "best", model, images.classes(), c.preprocess());
    }
  };
  // Where to begin: a run without a checkpoint has not come far enough to have one, and begins anew.
  if (std::filesystem::exists(run / "last")) {
    check_classes(run, images.classes());
    const std::string expected = state.data;
    state =
        TrainingState::from(load_checkpoint(run / "last", model, parameters, optimizer, ema), run / "last");
    check<FileError>(state.data == expected, run.string(), ": was trained on ", state.data,
                     ", now there are ", expected, "; a run goes on with the images it began with");
    // It may have been killed between the two.
    if (state.batch == 0 && state.best_epoch == state.epoch) save_best();
  } else {
    check<FileError>(!std::filesystem::exists(run / "best"), run.string(),
                     ": has no checkpoint (last/), so it cannot go on. Start again with --config ",
                     (run / "config.yaml").string());
  }
  if (resumed && resumed->epochs_before != t.epochs) {
    check<ConfigError>(t.epochs > state.epoch, "training.epochs is ", t.epochs, ", the run has done ",
                       state.epoch, "; expected more");
    for (const std::string& line : explain_length(run, schedule_of(resumed->epochs_before), schedule,
                                                  resumed->epochs_before, t.epochs, state.step))
      log.line(line);
    resumed->write(run);
  }
  write_class_mapping(run, images.classes());
  Recorder recorder(run, c, log, state, batches);
  const auto say = [&](const std::vector<std::string>& lines) {
    for (const std::string& line : lines) log.line(printable(line));
  };
  const DataFacts facts = DataFacts::of(c, images);
  say(opening_lines(
      c, facts, {.batches = batches, .parameters = parameter_count(model), .trained = parameters.size()}));
  if (state.step == 0) say(advice_lines(c, facts));
  log.line(str_cat("run       ", printable(short_path(run).native())));
  recorder.describe(model, state);
  TrainProgress progress(log, t.epochs, until_epoch, t.time_limit, batches,
                         static_cast<std::int64_t>(val_loader.batches_per_epoch()));
  std::optional<ClassResults> best;  // of the best epoch, if that was in this session

  double saved = now();
  const auto save = [&] {
    recorder.sync(state);
    save_checkpoint(run / "last", model, images.classes(), c.preprocess(), state.position(), parameters,
                    optimizer, ema);
    saved = now();
  };
  // The answers of a best epoch that was in an earlier session.
  const auto measure_best = [&] {
    ClassResults results(images.classes().size());
    const ModelBundle bundle = load_bundle(run / "best");
    evaluate(
        bundle.net, val_loader.epoch(0),
        Watched{[&] { return !signals.received(); },
                [&](const Tensor& logits, std::span<const int> labels) { results.add(logits, labels); }});
    return results;
  };
  const auto end = [&](const char* status, int code) {
    if (skipped > 0) log.warning(str_cat(skipped, " images could not be read and were skipped"));
    const bool over = state.epoch >= t.epochs || std::string_view(status) == "early stop";
    if (!best && over && state.best_epoch > 0) best = measure_best();
    if (best && best->images() > 0) say(result_lines(*best, images.classes()));
    const bool written = recorder.end(status, state, {});
    if (state.best_epoch > 0 && code == 0) say(next_lines(run));
    return code == 0 && !written ? 1 : code;
  };
  // The last step of a run that is done.
  const auto finish = [&](const char* status) {
    if (images.test && state.best_epoch > 0) {
      const Metrics test = test_best(
          run, images, batch_size, c.data.workers, [&] { return !signals.received(); }, on_skip);
      if (signals.received()) {
        log.line(str_cat("interrupted in the test; to go on: minivit train --resume ", run.string()));
        return end("interrupted", 128 + signals.received());
      }
      recorder.test(test);
    }
    return end(status, 0);
  };
  const double session = now(), begin = session - state.seconds;
  const auto time_is_up = [&] { return t.time_limit > 0 && now() - session >= t.time_limit; };

  try {
    while (state.epoch < t.epochs) {
      if (t.patience > 0 && state.epoch - state.improved_epoch >= t.patience && state.best_epoch > 0) {
        log.line(str_cat("no better ", t.patience == 1 ? "epoch" : str_cat("one in ", t.patience, " epochs"),
                         ": stopped early; to go on all the same: minivit train --resume ", run.string(),
                         " training.patience=0"));
        return finish("early stop");
      }
      if (until_epoch > 0 && state.epoch >= until_epoch) return end("paused", 0);

      const double epoch_begin = now() - state.epoch_seconds;
      progress.begin_epoch();
      const Observer observer{[&](std::int64_t) { recorder.gradients(parameters, state); },
                              [&](const StepReport& report) {
                                state.batch = report.batches, state.step = report.step + 1,
                                state.trained = *report.metrics;
                                state.epoch_seconds = now() - epoch_begin, state.seconds = now() - begin;
                                recorder.step(report);
                                progress.step(state);
                                if (signals.received() || time_is_up()) return false;
                                if (now() - saved >= t.save_seconds) save();
                                return true;
                              }};
      train_epoch(
          model,
          train_loader.epoch(static_cast<std::uint64_t>(state.epoch), static_cast<std::size_t>(state.batch)),
          parameters, optimizer, schedule, ema,
          {.label_smoothing = t.label_smoothing,
           .clip_norm = t.clip_norm,
           .accumulate = t.accumulate,
           .seed = t.seed,
           .class_weights = weights,
           .batches_done = state.batch,
           .metrics_done = state.trained},
          observer);

      bool whole = false, better = false;
      Metrics val;
      ClassResults results(images.classes().size());
      {
        const UseAverage average(ema);  // it is what is evaluated
        Metrics so_far;
        std::int64_t val_batches = 0;
        progress.validation(state, 0, so_far);
        const Watched watched{[&] { return !signals.received(); },
                              [&](const Tensor& logits, std::span<const int> labels) {
                                results.add(logits, labels);
                                so_far.add(logits, labels);
                                progress.validation(state, ++val_batches, so_far);
                              }};
        val = evaluate(model, val_loader.epoch(0), watched);
        check_validation(val, model, val_loader, parameters, state.step);
        whole = !signals.received() && !time_is_up();
        // Of few images the same number is right often: then the loss decides.
        better = val.top1() > state.best_val_acc ||
                 (val.top1() == state.best_val_acc && val.loss() < state.best_val_loss);
        if (whole)
          recorder.epoch(state, val, better, schedule(state.step - 1), model, parameters, images.val,
                         images.val_part);
      }
      if (!whole) {  // the evaluation is repeated
        save();
        log.line(signals.received() ? std::string("interrupted")
                                    : str_cat("the time is up: ", t.time_limit, " s of this session"));
        log.line(str_cat("to go on: minivit train --resume ", run.string()));
        return end(signals.received() ? "interrupted" : "time limit",
                   signals.received() ? 128 + signals.received() : 0);
      }
      ++state.epoch, ++state.history_rows;
      state.batch = 0, state.trained = {}, state.epoch_seconds = 0;
      if (val.top1() > state.best_val_acc) state.improved_epoch = state.epoch;
      if (better)
        state.best_val_acc = val.top1(), state.best_val_loss = val.loss(), state.best_epoch = state.epoch;
      if (better) {  // before the checkpoint, after which this epoch is not repeated
        io::write_file_atomically(run / "per_class.csv", results.csv(images.classes()));
        best = std::move(results);
      }
      save();
      if (better) save_best();
    }
    return finish("finished");
  } catch (const NotFinite& e) {
    log.warning(e.what());
    if (state.best_epoch > 0) log.line(str_cat("the best model, of epoch ", state.best_epoch, ", is kept"));
    recorder.end("not finite", state, e.what());
    return kNotFinite;
  } catch (const std::exception& e) {
    recorder.end("failed", state, error_text(e));
    throw;
  }
}

/// The model as training begins: new, or with the weights of a pretrained one unless it will be resumed,
/// ready for fine-tuning.
VisionTransformer make_model(const TrainConfig& c, const TrainingImages& images, bool resumed) {
  ViTConfig size = c.model;
  size.num_classes = static_cast<std::int64_t>(images.classes().size());
  manual_seed(c.training.seed);
  VisionTransformer model(size);
  if (!c.pretrained.empty() && !resumed) {
    manual_seed(c.training.seed);  // of the new rows of the head
    Pretrained before = load_pretrained(c.pretrained, {.architecture = c.architecture,
                                                       .num_heads = size.num_heads,
                                                       .missing_head = true,
                                                       .image_height = size.image_height,
                                                       .image_width = size.image_width,
                                                       .patch_size = size.patch_size,
                                                       .gray = size.channels == 1,
                                                       .classes = images.classes()});
    for (const auto* lines : {&before.guesses, &before.notes})
      for (const std::string& line : *lines)
        std::fprintf(stderr, "%s\n", printable(str_cat(c.pretrained, ": ", line)).c_str());
    take_weights(model, images.classes(), before.model);
  }
  prepare_fine_tuning(model, c.training.fine_tuning);
  return model;
}

/// Trains the model in `run`.
int train_model(const std::filesystem::path& run, const TrainConfig& c, const TrainingImages& images,
                VisionTransformer model, std::int64_t until_epoch, const ResumedRun* resumed = nullptr) {
  model.encoder.recompute = c.training.recompute;
  ParameterArena parameters = flatten(model);
  const auto& t = c.training;
  if (t.optimizer == "adamw")
    return train(run, c, images, model, parameters,
                 AdamW(parameters, {.beta1 = t.momentum, .beta2 = t.beta2, .weight_decay = t.weight_decay}),
                 until_epoch, resumed);
  return train(run, c, images, model, parameters,
               Sgd(parameters, {.momentum = t.momentum, .weight_decay = t.weight_decay}), until_epoch,
               resumed);
}

}  // namespace

std::vector<NewFile> files_of(const TrainConfig& config, std::span<const std::string> overrides) {
  std::string list;
  for (const std::string& text : overrides) list += str_cat("- ", yaml_text(text), "\n");
  TrainConfig everywhere = config;  // what was typed is in the list
  everywhere.make_paths_absolute();
  return {{"config.yaml", everywhere.yaml()}, {"overrides.yaml", list.empty() ? "[]\n" : list}};
}

int start_run(TrainConfig config, std::span<const std::string> overrides, std::int64_t until_epoch) {
  if (const std::string line = choose_splits(config); !line.empty()) say_line("minivit train", line);
  const TrainingImages images = TrainingImages::open(config);
  static_cast<void>(class_weights(config.training.class_weights, labels_of(images.train, images.train_part),
                                  images.classes()));  // for what it throws
  VisionTransformer model = make_model(config, images, false);
  const auto run = std::filesystem::absolute(make_run_folder(config.output, files_of(config, overrides)));
  const RunLock lock(run);
  return train_model(run, config, images, std::move(model), until_epoch);
}

int resume_run(const std::filesystem::path& folder, std::span<const std::string> overrides,
               std::int64_t until_epoch) {
  const std::filesystem::path run = std::filesystem::absolute(folder).lexically_normal();
  ResumedRun resumed = resumed_run(run, overrides);
  const TrainConfig& config = resumed.config;
  const RunLock lock(run);
  io::remove_stale_temporaries(run);
  const bool same_length = config.training.epochs == resumed.epochs_before;
  if (const std::string done = same_length ? nothing_left(run, config) : ""; !done.empty()) {
    std::printf("%s\n", printable(done).c_str());
    return 0;
  }
  std::error_code error;
  check<FileError>(std::filesystem::is_directory(config.data.train, error), config.data.train,
                   ": the images are not there any more; if they were moved: minivit train --resume ",
                   run.string(), " data.train=FOLDER");
  choose_splits(resumed.config);
  const TrainingImages images = TrainingImages::open(config);
  return train_model(run, config, images, make_model(config, images, std::filesystem::exists(run / "last")),
                     until_epoch, &resumed);
}

}  // namespace minivit::cli
