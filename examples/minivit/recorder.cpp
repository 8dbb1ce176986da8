// The files of a run, written while it trains.
#include "recorder.hpp"

#include <cstdio>
#include <exception>
#include <system_error>
#include <utility>

#include "git_revision.hpp"
#include "machine.hpp"
#include "minivit/model/summary.hpp"
#include "plots.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "run_folder.hpp"
#include "run_info.hpp"

namespace minivit::cli {

std::vector<io::Hyperparameter> hyperparameters(const TrainConfig& config) {
  TrainConfig copy = config;
  std::vector<io::Hyperparameter> out;
  for (auto& [name, text] : copy.settings().values()) {
    if (name.starts_with("output.") || name.starts_with("log.")) continue;
    double number = 0;
    if (text == "true" || text == "false")
      out.emplace_back(name, text == "true");
    else if (detail::parse_number(text, number))
      out.emplace_back(name, number);
    else
      out.emplace_back(name,
                       text.size() >= 2 && text.front() == '"' ? text.substr(1, text.size() - 2) : text);
  }
  for (const auto& [name, text] : config.notes) out.emplace_back(str_cat(kNotes, name), text);
  return out;
}

namespace {

/// When the run began that goes on; of one that begins, or whose result does not tell it, now.
std::string beginning_of(const std::filesystem::path& run, const TrainingState& from) {
  const std::string before = from.step > 0 ? read_run(run).started : std::string();
  return before.empty() ? local_time("%Y-%m-%d %H:%M:%S") : before;
}

}  // namespace

Recorder::Recorder(std::filesystem::path run, const TrainConfig& config, RunLog& log,
                   const TrainingState& from, std::int64_t batches)
    : run_(std::move(run)),
      config_(config),
      log_(log),
      batches_(batches),
      history_(run_ / "training_history.csv",
               config.pretrains()
                   ? "epoch,train_loss,val_loss,lr,seconds,images_per_second"
                   : "epoch,train_loss,train_acc,val_loss,val_acc,val_top5,lr,seconds,images_per_second",
               from.history_rows),
      rates_(run_ / "learning_rates_per_step.csv", "step,lr", from.step) {
  result_.epochs = config.training.epochs;
  result_.started = beginning_of(run_, from);
  result_.git = git_revision();
  const Machine machine = this_machine();
  result_.machine =
      str_cat(machine.cpu, ", ", machine.cores, " cores, ", machine.memory_mb, " MiB, ", machine.os);
  note_state(from);
  write_result(run_, result_);
  if (!config.log.tensorboard) return;
  if (from.events_bytes == 0) remove_event_files();  // of a start that was killed before its first checkpoint
  board_.emplace(run_, static_cast<std::uint64_t>(from.events_bytes));
  if (from.events_bytes == 0) {
    std::vector<std::string> metrics{"loss/validation"};
    if (!config.pretrains()) metrics.insert(metrics.begin(), "accuracy/validation");
    board_->hparams(hyperparameters(config), metrics);
    board_->text("configuration", 0, str_cat("```yaml\n", config.yaml(), "```"));
  }
}

void Recorder::describe(const VisionTransformer& model, const TrainingState& from, double flop) {
  result_.parameters = parameter_count(model);
  result_.flop = flop;
  top5_ = model.config.num_classes > 5;
  log_.note(str_cat("machine: ", result_.machine));
  log_.note(str_cat("minivit ", MINIVIT_VERSION, result_.git.empty() ? "" : ", git revision ", result_.git));
  if (from.step == 0) log_.note(str_cat("\n", summary(model, config_.training.batch_size)));
  if (from.epoch >= result_.epochs)
    log_.line(result_.epochs == 1 ? std::string("its only epoch is done")
                                  : str_cat("all ", result_.epochs, " epochs are done"));
  else if (from.step > 0)
    log_.line(str_cat("goes on in epoch ", from.epoch + 1, " after ", from.batch, " of ", batches_,
                      " batches, step ", from.step));
  log_.line(config_.pretrains() ? loss_header() : epoch_header(top5_));
}

void Recorder::gradients(const ParameterArena& parameters, const TrainingState& state) {
  const std::int64_t every = config_.log.histograms;
  if (!board_ || every == 0 || (state.epoch + 1) % every != 0) return;
  if (state.batch + config_.training.accumulate < batches_) return;  // not the last one
  for (const ParameterArena::Slot& slot : parameters.slots)
    board_->histogram(str_cat("gradients/", slot.name), state.epoch + 1,
                      parameters.grads.view(slot.begin, slot.shape).values());
}

void Recorder::step(const StepReport& report) {
  rates_.row(report.step, report.lr);
  if (board_) {
    board_->scalar("step/loss", report.step, report.loss);
    board_->scalar("step/learning_rate", report.step, report.lr);
    board_->scalar("step/gradient_norm", report.step, report.grad_norm);
  }
}

void Recorder::epoch(const TrainingState& state, const Metrics& val, bool best, double lr,
                     const ParameterArena& parameters) {
  const std::int64_t number = state.epoch + 1;
  const bool labels = !config_.pretrains();
  const double rate =
      state.epoch_seconds > 0 ? static_cast<double>(state.trained.samples) / state.epoch_seconds : 0;
  if (labels)
    history_.row(number, state.trained.loss(), state.trained.top1(), val.loss(), val.top1(), val.top5(), lr,
                 state.epoch_seconds, rate);
  else
    history_.row(number, state.trained.loss(), val.loss(), lr, state.epoch_seconds, rate);
  const EpochRow row{number,     state.trained.loss(), state.trained.top1(),
                     val.loss(), val.top1(),           val.top5(),
                     lr,         state.epoch_seconds,  rate,
                     best};
  const auto line = [&](bool color) {
    return labels ? epoch_line(row, top5_, color) : loss_line(row, color);
  };
  log_.line(line(false), line(log_.terminal().color));
  if (board_) {
    board_->scalar("loss/train", number, state.trained.loss());
    board_->scalar("loss/validation", number, val.loss());
    if (labels) {
      board_->scalar("accuracy/train", number, state.trained.top1());
      board_->scalar("accuracy/validation", number, val.top1());
      board_->scalar("accuracy/validation_top5", number, val.top5());
    }
    board_->scalar("speed/images_per_second", number, rate);
    if (config_.log.histograms > 0 && number % config_.log.histograms == 0)
      for (const ParameterArena::Slot& slot : parameters.slots)
        board_->histogram(str_cat("weights/", slot.name), number,
                          parameters.values.view(slot.begin, slot.shape).values());
  }
  result_.images_per_second = rate;
  result_.epochs_done = number;
  // Often enough to watch, not so often that it is felt: drawing takes a tenth of a second.
  const auto now = std::chrono::steady_clock::now();
  if (config_.log.curves && now - drawn_ > std::chrono::seconds(20)) {
    draw_training_curves(run_);
    drawn_ = std::chrono::steady_clock::now();
  }
}

void Recorder::test(const Metrics& metrics) {
  result_.test_acc = metrics.top1(), result_.test_loss = metrics.loss();
  log_.line(str_cat("test of the best model: ", accuracy_text(metrics, top5_ ? 6 : 2)));
}

void Recorder::sync(TrainingState& state) {
  history_.sync();
  rates_.sync();
  if (board_) {
    board_->sync();
    state.events_bytes = static_cast<std::int64_t>(board_->size());
  }
  note_state(state);
  write_result(run_, result_);
}

bool Recorder::end(const std::string& status, const TrainingState& state, const std::string& error) noexcept {
  bool written = true;
  const auto attempt = [&](const auto& part) {  // one that fails does not keep the others from being written
    try {
      part();
    } catch (const std::exception& e) {
      written = false;
      std::fprintf(stderr, "%s: %s\n", command_of(config_.task), printable_lines(error_text(e)).c_str());
    }
  };
  attempt([&] {
    if (board_ && status != "paused") board_->end_hparams(status != "failed" && status != "not finite");
  });
  attempt([&] {
    if (!config_.log.curves) return;
    if (const Drawn drawn = draw_training_curves(run_); !drawn.drawn)
      log_.note(str_cat("curves not drawn: ", drawn.why));
  });
  // After all that a run which goes on would not make up for: "finished" says that nothing is left.
  attempt([&] {
    note_state(state);
    result_.status = status, result_.error = error;
    result_.ended = local_time("%Y-%m-%d %H:%M:%S");
    write_result(run_, result_);
  });
  attempt([&] {
    if (state.best_epoch > 0)
      log_.line(format(config_.pretrains() ? "lowest validation loss %.4f, epoch %lld"
                                           : "best validation accuracy %.4f, epoch %lld",
                       config_.pretrains() ? state.best_val_loss : state.best_val_acc,
                       static_cast<long long>(state.best_epoch)));
    log_.note(format("%s after %s, peak memory %.0f MiB", status.c_str(), clock_text(state.seconds).c_str(),
                     result_.peak_mb));
    log_.line("run folder: " + run_.string());
  });
  return written && log_.complete();
}

void Recorder::remove_event_files() const {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(run_, ignored))
    if (entry.path().filename().string().starts_with("events.out.tfevents."))
      std::filesystem::remove(entry.path(), ignored);
}

void Recorder::note_state(const TrainingState& state) {
  result_.epochs_done = state.epoch;
  result_.best_val_acc = state.best_val_acc, result_.best_val_loss = state.best_val_loss;
  result_.best_epoch = state.best_epoch;
  result_.seconds = state.seconds;
  result_.peak_mb = peak_memory_mb();
}

}  // namespace minivit::cli
