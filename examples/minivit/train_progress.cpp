// The progress line of a training, and how long it will take.
#include "train_progress.hpp"

#include <algorithm>
#include <ctime>

#include "minivit/core/check.hpp"

namespace minivit::cli {

namespace {

constexpr std::int64_t kTimedSteps = 3;  // before anything is said about the whole
constexpr double kTimedSeconds = 3;      // since the beginning
constexpr double kWorthSaying = 20;      // seconds: less is over before it is read

/// The time of day in so many seconds, with the date if that is another day.
std::string time_of_day(double seconds) {
  const std::time_t now = std::time(nullptr), then = now + static_cast<std::time_t>(seconds);
  std::tm today{}, day{};
  localtime_r(&now, &today);
  localtime_r(&then, &day);
  const bool same = today.tm_year == day.tm_year && today.tm_yday == day.tm_yday;
  char text[64];
  return std::strftime(text, sizeof text, same ? "%H:%M" : "%Y-%m-%d %H:%M", &day) > 0 ? text : "";
}

}  // namespace

double TimeLeft::seconds(std::int64_t epoch, std::int64_t until, std::int64_t batches_done,
                         std::int64_t val_batches_done) const {
  if (train_.value() <= 0) return -1;
  double train_left = -static_cast<double>(batches_done) * work(epoch), sum_of_work = 0;
  for (std::int64_t e = epoch; e < until; ++e) sum_of_work += work(e);
  train_left = std::max(train_left + static_cast<double>(batches_) * sum_of_work, 0.0);
  const double batch = work(epoch) / train_.value(),
               val_batch = val_.value() > 0 ? 1 / val_.value() : batch / 3,
               val_left = static_cast<double>(
                   std::max<std::int64_t>(val_batches_ * (until - epoch) - val_batches_done, 0));
  return train_left / train_.value() + val_left * val_batch;
}

TrainProgress::TrainProgress(RunLog& log, TrainLength length)
    : log_(log), length_(std::move(length)), left_(length_.batches, length_.val_batches, length_.work) {
  if (length_.until_epoch <= 0 || length_.until_epoch > length_.epochs) length_.until_epoch = length_.epochs;
}

void TrainProgress::begin_epoch() {
  clock_ = {};
  batch_ = 0;
}

double TrainProgress::lap() {
  const Clock::time_point now = Clock::now(), before = clock_;
  clock_ = now;
  return before == Clock::time_point{} ? -1 : std::chrono::duration<double>(now - before).count();
}

double TrainProgress::seconds_left(const TrainingState& state, std::int64_t val_batches) const {
  const double left = left_.seconds(state.epoch, length_.until_epoch, state.batch, val_batches);
  if (left < 0 || length_.time_limit <= 0) return left;
  return std::clamp(length_.time_limit - std::chrono::duration<double>(Clock::now() - began_).count(), 0.0,
                    left);
}

void TrainProgress::step(const TrainingState& state) {
  const double seconds = lap();
  if (seconds >= 0) {
    left_.trained(state.epoch, state.batch - batch_, seconds);
    rate_.add(static_cast<double>(state.trained.samples - images_), seconds);
    ++timed_;
  }
  batch_ = state.batch, images_ = state.trained.samples;
  const double left = seconds_left(state, 0);
  if (!said_ && timed_ >= kTimedSteps &&
      std::chrono::duration<double>(Clock::now() - began_).count() >= kTimedSeconds)
    say_how_long(left);
  if (!log_.wants_progress()) return;
  log_.progress(progress_line({.epoch = state.epoch + 1,
                               .epochs = length_.epochs,
                               .batches = state.batch,
                               .total = length_.batches,
                               .loss = state.trained.loss(),
                               .accuracy = accuracy_of(state.trained),
                               .images_per_second = rate_.value(),
                               .seconds_left = left},
                              log_.terminal()));
}

void TrainProgress::validation(const TrainingState& state, std::int64_t done, const Metrics& so_far) {
  if (done == 0) clock_ = {};
  if (const double seconds = lap(); seconds >= 0) left_.validated(1, seconds);
  if (!log_.wants_progress()) return;
  log_.progress(progress_line({.epoch = state.epoch + 1,
                               .epochs = length_.epochs,
                               .batches = done,
                               .total = length_.val_batches,
                               .loss = so_far.loss(),
                               .accuracy = accuracy_of(so_far),
                               .seconds_left = seconds_left(state, done),
                               .validation = true},
                              log_.terminal()));
}

std::optional<double> TrainProgress::accuracy_of(const Metrics& metrics) const {
  return length_.labels ? std::optional(metrics.top1()) : std::nullopt;
}

void TrainProgress::say_how_long(double seconds) {
  said_ = true;
  if (seconds >= kWorthSaying)
    log_.line(str_cat("about ", clock_text(seconds), " to go, until ", time_of_day(seconds)));
}

}  // namespace minivit::cli
