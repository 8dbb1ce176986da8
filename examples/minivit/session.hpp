// One session of a training: its loop, its checkpoints, and the ways in which it ends, whatever is trained.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/io/checkpoint.hpp"
#include "minivit/vit.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "recorder.hpp"
#include "resume.hpp"
#include "run_classes.hpp"
#include "stop_signal.hpp"
#include "train_closing.hpp"
#include "train_config.hpp"
#include "train_opening.hpp"
#include "train_progress.hpp"
#include "train_stages.hpp"
#include "training_images.hpp"
#include "training_state.hpp"

namespace minivit::cli {

/// Exit code of a training whose loss is not finite any more.
inline constexpr int kNotFinite = 3;

/// What train_epoch tells, and who wants to know.
template <class OnGradients, class OnStep>
struct Observer {
  OnGradients before_step;
  OnStep on_step;
  bool operator()(const StepReport& report) const { return on_step(report); }
};

template <class OnGradients, class OnStep>
Observer(OnGradients, OnStep) -> Observer<OnGradients, OnStep>;  // clang 14 does not see it by itself

/// The order of the samples that the settings ask for; none: they are shuffled.
std::function<std::vector<std::size_t>(std::uint64_t)> order_of(const TrainConfig& c,
                                                                const std::vector<int>& labels);

/// The images for training as the model sees them in an epoch, in batches.
struct StageImages {
  ViewOptions view;
  std::optional<ImageFolder> of_other_size;
  Subset<ImageFolder> images;
  DataLoader<Subset<ImageFolder>> loader;

  StageImages(const ViewOptions& v, const TrainConfig& c, const TrainingImages& all, LoaderOptions options)
      : view(v), images(folder(c, all), all.train_part), loader(images, std::move(options)) {}

 private:
  const ImageFolder& folder(const TrainConfig& c, const TrainingImages& all) {
    if (view.image_height == 0) return all.train;
    TrainTransform transform = c.train_transform();
    transform.base.height = static_cast<int>(view.image_height);
    transform.base.width = static_cast<int>(view.image_width);
    return of_other_size.emplace(all.train.with_transform(transform));
  }
};

/// What is trained and how it is measured is up to a Task:
///   model()               what train_epoch takes; network() the VisionTransformer in it, which is saved
///   seen(view)            the model as train_epoch takes it in an epoch with this view
///   classes()             names of what its head tells apart
///   objective()           of train_epoch
///   measure(batches, go_on, on_batch)   Metrics of validation batches; on_batch(Metrics) after each of them
///   is_better(metrics, state)           than the best so far
///   is_progress(metrics, state)         so much so that training.patience begins anew
///   check_finite(metrics, batches, parameters, step)   throws NotFinite if the loss is no number
///   show(board, epoch)    pictures of an epoch; board: null pointer if there is none
///   keep_best()           files about the best epoch, before the checkpoint
///   save_best(folder)
///   test(go_on, on_skip)  of the best model, if there is one to be made
///   result_lines(batches, go_on)
template <class Task, class Optimizer>
class Session {
 public:
  /// The state is that of the checkpoint, if the run has one.
  Session(const std::filesystem::path& run, const TrainConfig& config, const TrainingImages& images,
          Task& task, ParameterArena& parameters, Optimizer optimizer, std::int64_t until_epoch,
          const ResumedRun* resumed)
      : run_(run),
        c_(config),
        images_(images),
        task_(task),
        parameters_(parameters),
        optimizer_(std::move(optimizer)),
        until_epoch_(until_epoch),
        log_(run / "train.log"),
        labels_(images.train_labels()),
        stages_(config),
        val_images_(images.val, images.val_part),
        val_loader_(val_images_, val_options()),
        state_(start(resumed)),
        recorder_(run, config, log_, state_, batches()),
        progress_(log_, {.epochs = config.training.epochs,
                         .until_epoch = until_epoch,
                         .time_limit = config.training.time_limit,
                         .batches = batches(),
                         .val_batches = static_cast<std::int64_t>(val_loader_.batches_per_epoch()),
                         .work = [this](std::int64_t epoch) { return stages_.work(epoch); },
                         .labels = !config.pretrains()}) {}

  Session(const Session&) = delete;  // the loaders call back
  Session& operator=(const Session&) = delete;

  /// Returns the exit code.
  int run() {
    announce();
    const auto& t = c_.training;
    try {
      while (state_.epoch < t.epochs) {
        if (t.patience > 0 && state_.best_epoch > 0 && state_.epoch - state_.improved_epoch >= t.patience) {
          log_.line(str_cat("no better ",
                            t.patience == 1 ? "epoch" : str_cat("one in ", t.patience, " epochs"),
                            ": stopped early; to go on all the same: ", command_of(c_.task), " --resume ",
                            run_.string(), " training.patience=0"));
          return finish("early stop");
        }
        if (until_epoch_ > 0 && state_.epoch >= until_epoch_) return end("paused", 0);
        train_epoch_on();
        if (!validate()) return stop();
      }
      return finish("finished");
    } catch (const NotFinite& e) {
      log_.warning(e.what());
      if (state_.best_epoch > 0)
        log_.line(str_cat("the best model, of epoch ", state_.best_epoch, ", is kept"));
      recorder_.end("not finite", state_, e.what());
      return kNotFinite;
    } catch (const std::exception& e) {
      recorder_.end("failed", state_, error_text(e));
      throw;
    }
  }

 private:
  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  // ---- how it begins ----

  LoaderOptions train_options() {
    const auto batch_size = static_cast<std::size_t>(c_.training.batch_size);
    return {.batch_size = batch_size,
            .shuffle = true,
            .order = order_of(c_, labels_),
            .epoch_size = static_cast<std::size_t>(c_.training.epoch_images),
            .drop_last = images_.train_part.size() > batch_size && c_.training.epoch_images == 0,
            .seed = c_.training.seed,
            .workers = c_.data.workers,
            .max_bad_fraction = c_.data.bad_fraction,
            .known_bad = images_.train_bad,
            .on_skip = on_skip()};
  }

  /// However many cannot be read, an epoch that is trained is not lost.
  LoaderOptions val_options() {
    return {.batch_size = static_cast<std::size_t>(c_.training.batch_size),
            .workers = c_.data.workers,
            .max_bad_fraction = 1.0,
            .known_bad = images_.val_bad,
            .on_skip = on_skip()};
  }

  std::function<void(const std::string&)> on_skip() {
    return [this](const std::string& why) {
      ++skipped_;
      log_.warning(str_cat("skipped: ", why));
    };
  }

  /// Of an epoch for training, whichever.
  std::int64_t batches() const { return static_cast<std::int64_t>(train_->loader.batches_per_epoch()); }

  CosineSchedule schedule_of(std::int64_t epochs) const {
    const auto& t = c_.training;
    const std::int64_t steps = ((batches() - 1) / t.accumulate + 1) * epochs;
    return {.peak = t.lr,
            .warmup = static_cast<std::int64_t>(t.warmup * static_cast<double>(steps)),
            .total = steps,
            .last = t.min_lr,
            .cycles = t.restarts + 1};
  }

  /// The state to begin with: that of the checkpoint, if there is one. A run without one has not come far
  /// enough to have it, and begins anew.
  TrainingState start(const ResumedRun* resumed) {
    if (c_.training.ema > 0) ema_.emplace(parameters_, c_.training.ema);
    TrainingState state{.data = images_.digest()};
    if (std::filesystem::exists(run_ / "last")) {
      check_classes(run_, task_.classes());
      const std::string expected = state.data;
      state = TrainingState::from(
          load_checkpoint(run_ / "last", task_.network(), parameters_, optimizer_, ema_), run_ / "last");
      const auto count = [](const std::string& digest) { return digest.substr(0, digest.find(',')); };
      check<FileError>(state.data == expected, run_.string(),
                       ": the images are not those that it began with (", count(state.data), ", now ",
                       count(expected),
                       "): some were added, removed or renamed. Put them back, or begin a new run",
                       c_.pretrains() ? "" : str_cat(" with its model: model.pretrained=", run_.string()));
      // It may have been killed between the two.
      if (state.batch == 0 && state.best_epoch == state.epoch) save_best();
    } else {
      check<FileError>(!std::filesystem::exists(run_ / "best"), run_.string(),
                       ": has no checkpoint (last/), so it cannot go on. Start again with --config ",
                       (run_ / "config.yaml").string());
    }
    if (resumed && resumed->epochs_before != c_.training.epochs) lengthen(*resumed, state);
    if (!task_.classes().empty()) write_class_mapping(run_, task_.classes());
    return state;
  }

  void lengthen(const ResumedRun& resumed, const TrainingState& state) {
    const std::int64_t epochs = c_.training.epochs;
    check<ConfigError>(epochs > state.epoch, "training.epochs is ", epochs, ", the run has done ",
                       state.epoch, "; expected more");
    for (const std::string& line :
         explain_length(run_, schedule_of(resumed.epochs_before), schedule_of(epochs), resumed.epochs_before,
                        epochs, state.step, c_.task))
      log_.line(line);
    resumed.write(run_);
  }

  void announce() {
    for (const std::string& line : images_.report.remarks()) log_.note(line);
    const DataFacts facts = DataFacts::of(c_, images_);
    const std::int64_t parameters = parameter_count(task_.network());
    say(opening_lines(c_, facts,
                      {.batches = batches(),
                       .parameters = parameters,
                       .trained = parameters_.size(),
                       .flop = flop(),
                       .decoder = parameter_count(task_.model()) - parameters}));
    if (state_.step == 0) say(advice_lines(c_, facts));
    log_.line(str_cat("run       ", printable(short_path(run_).native())));
    recorder_.describe(task_.network(), state_, flop());
  }

  /// Operations of all epochs: two for a multiplication with addition; the gradients take twice as many as
  /// the forward pass. Not counted (0) if most of each image is hidden.
  double flop() const {
    const auto& t = c_.training;
    if (c_.pretrains()) return 0;
    const double images = static_cast<double>(t.epochs * batches() * t.batch_size);
    return 6 * static_cast<double>(mult_adds(task_.network().config)) * stages_.mean_work() * images *
           (t.sam > 0 ? 2 : 1);
  }

  void say(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) log_.line(printable(line));
  }

  // ---- an epoch ----

  void train_epoch_on() {
    const auto& t = c_.training;
    const double epoch_begin = now() - state_.epoch_seconds;
    progress_.begin_epoch();
    const ViewOptions view = stages_.at(state_.epoch);
    if (view != train_->view) train_.emplace(view, c_, images_, train_options());
    const Observer observer{[&](std::int64_t) { recorder_.gradients(parameters_, state_); },
                            [&](const StepReport& report) {
                              state_.batch = report.batches, state_.step = report.step + 1,
                              state_.trained = *report.metrics;
                              state_.epoch_seconds = now() - epoch_begin, state_.seconds = now() - begun_;
                              recorder_.step(report);
                              progress_.step(state_);
                              if (signals_.received() || time_is_up()) return false;
                              if (now() - saved_ >= t.save_seconds) save();
                              return true;
                            }};
    train_epoch(task_.seen(view),
                train_->loader.epoch(static_cast<std::uint64_t>(state_.epoch),
                                     static_cast<std::size_t>(state_.batch)),
                parameters_, optimizer_, schedule_, ema_,
                {.objective = task_.objective(),
                 .clip_norm = t.clip_norm,
                 .accumulate = t.accumulate,
                 .seed = t.seed,
                 .mix = t.mix_off_epoch == 0 || state_.epoch < t.mix_off_epoch ? t.mix : MixOptions{},
                 .sam = t.sam,
                 .batches_done = state_.batch,
                 .metrics_done = state_.trained},
                observer);
  }

  /// Evaluates the epoch, counts it and saves. False if the session is to stop: then the evaluation counts
  /// for nothing and is repeated when the run goes on.
  bool validate() {
    bool better = false;
    Metrics val;
    {
      const UseAverage average(ema_);  // it is what is evaluated
      std::int64_t done = 0;
      progress_.validation(state_, done, {});
      val = task_.measure(
          val_loader_.epoch(0), [&] { return !signals_.received(); },
          [&](const Metrics& so_far) { progress_.validation(state_, ++done, so_far); });
      if (!std::isfinite(val.loss())) task_.check_finite(val_loader_.epoch(0), parameters_, state_.step);
      if (signals_.received() || time_is_up()) return false;
      better = task_.is_better(val, state_);
      recorder_.epoch(state_, val, better, schedule_(state_.step - 1), parameters_);
      task_.show(recorder_.board(), state_.epoch + 1);
    }
    ++state_.epoch, ++state_.history_rows;
    state_.batch = 0, state_.trained = {}, state_.epoch_seconds = 0;
    if (task_.is_progress(val, state_)) state_.improved_epoch = state_.epoch;
    if (better) {
      if (!task_.classes().empty()) state_.best_val_acc = val.top1();
      state_.best_val_loss = val.loss(), state_.best_epoch = state_.epoch;
      task_.keep_best();  // before the checkpoint, after which this epoch is not repeated
    }
    save();
    if (better) save_best();
    return true;
  }

  bool time_is_up() const { return c_.training.time_limit > 0 && now() - session_ >= c_.training.time_limit; }

  void save() {
    recorder_.sync(state_);
    save_checkpoint(run_ / "last", task_.network(), task_.classes(), c_.preprocess(), state_.position(),
                    parameters_, optimizer_, ema_);
    saved_ = now();
  }

  void save_best() {
    const UseAverage average(ema_);  // it is what was evaluated
    task_.save_best(run_ / "best");
  }

  // ---- how it ends ----

  /// After an evaluation that was cut short.
  int stop() {
    save();
    const int signal = signals_.received();
    log_.line(signal ? std::string("interrupted")
                     : str_cat("the time is up: ", c_.training.time_limit, " s of this session"));
    log_.line(str_cat("to go on: ", command_of(c_.task), " --resume ", run_.string()));
    return signal ? end("interrupted", 128 + signal) : end("time limit", 0);
  }

  /// The last step of a run that is done.
  int finish(const char* status) {
    const auto go_on = [&] { return !signals_.received(); };
    if (const std::optional<Metrics> test =
            state_.best_epoch > 0 ? task_.test(go_on, on_skip()) : std::nullopt) {
      if (const int signal = signals_.received()) {
        log_.line(
            str_cat("interrupted in the test; to go on: ", command_of(c_.task), " --resume ", run_.string()));
        return end("interrupted", 128 + signal);
      }
      recorder_.test(*test);
    }
    return end(status, 0);
  }

  int end(std::string_view status, int code) {
    if (skipped_ > 0) log_.warning(str_cat(skipped_, " images could not be read and were skipped"));
    const bool over = state_.epoch >= c_.training.epochs || status == "early stop";
    if (state_.best_epoch > 0)
      say(task_.result_lines(over ? &val_loader_ : nullptr, [&] { return !signals_.received(); }));
    const bool written = recorder_.end(std::string(status), state_, {});
    if (state_.best_epoch > 0 && code == 0) say(next_lines(run_, c_.task));
    return code == 0 && !written ? 1 : code;
  }

  const std::filesystem::path& run_;
  const TrainConfig& c_;
  const TrainingImages& images_;
  Task& task_;
  ParameterArena& parameters_;
  Optimizer optimizer_;
  const std::int64_t until_epoch_;

  const StopSignals signals_{"\nstopping: the step is finished and saved first; Ctrl-C again ends at once\n"};
  RunLog log_;
  std::size_t skipped_ = 0;
  const std::vector<int> labels_;
  const TrainStages stages_;
  std::optional<StageImages> train_{std::in_place, stages_.at(0), c_, images_, train_options()};
  const Subset<ImageFolder> val_images_;
  DataLoader<Subset<ImageFolder>> val_loader_;
  const CosineSchedule schedule_ = schedule_of(c_.training.epochs);
  std::optional<Ema> ema_;
  TrainingState state_;
  Recorder recorder_;
  TrainProgress progress_;
  const double session_ = now(), begun_ = session_ - state_.seconds;
  double saved_ = session_;
};

/// Trains what `task` has in the run folder `run`, with the optimizer of the settings. See train_session.
template <class Task>
int run_session(const std::filesystem::path& run, const TrainConfig& config, const TrainingImages& images,
                Task& task, std::int64_t until_epoch, const ResumedRun* resumed) {
  const auto& t = config.training;
  task.network().encoder.recompute = t.recompute;
  ParameterArena parameters = flatten(task.model());
  const auto run_with = [&](auto optimizer) {
    return Session(run, config, images, task, parameters, std::move(optimizer), until_epoch, resumed).run();
  };
  if (t.optimizer == "adamw")
    return run_with(
        AdamW(parameters, {.beta1 = t.momentum, .beta2 = t.beta2, .weight_decay = t.weight_decay}));
  if (t.optimizer == "lamb")
    return run_with(
        Lamb(parameters, {.beta1 = t.momentum, .beta2 = t.beta2, .weight_decay = t.weight_decay}));
  if (t.optimizer == "muon")
    return run_with(
        Muon(parameters, {.momentum = t.momentum, .beta2 = t.beta2, .weight_decay = t.weight_decay}));
  return run_with(Sgd(parameters, {.momentum = t.momentum, .weight_decay = t.weight_decay}));
}

}  // namespace minivit::cli
