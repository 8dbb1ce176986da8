// Progress of a training on the terminal, with the time that is left of all of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "minivit/train/metrics.hpp"
#include "progress.hpp"
#include "run_log.hpp"
#include "training_state.hpp"

namespace minivit::cli {

/// How long a training takes, from what its parts took so far.
class TimeLeft {
 public:
  /// batches: of an epoch, for training and for validation. work: of a training batch of this epoch, from 0
  /// on, in any unit; empty: all are alike.
  TimeLeft(std::int64_t batches, std::int64_t val_batches,
           std::function<double(std::int64_t epoch)> work = {})
      : batches_(batches), val_batches_(val_batches), work_(std::move(work)) {}

  void trained(std::int64_t epoch, std::int64_t batches, double seconds) {
    train_.add(static_cast<double>(batches) * work(epoch), seconds);
  }
  void validated(std::int64_t batches, double seconds) { val_.add(static_cast<double>(batches), seconds); }

  /// Seconds of the epochs [epoch, until), of which so many batches of the first are done. Before the first
  /// validation its batches are taken for a third of those of training, which also go backwards. Negative:
  /// not known yet.
  double seconds(std::int64_t epoch, std::int64_t until, std::int64_t batches_done,
                 std::int64_t val_batches_done) const;

 private:
  double work(std::int64_t epoch) const { return work_ ? work_(epoch) : 1; }

  std::int64_t batches_, val_batches_;
  std::function<double(std::int64_t)> work_;
  Rate train_, val_;  // work per second, batches per second
};

/// What a training and this session of it consist of.
struct TrainLength {
  std::int64_t epochs = 0, until_epoch = 0;   ///< of the training; where this session ends, 0: at the end
  double time_limit = 0;                      ///< of this session, in seconds; 0: none
  std::int64_t batches = 0, val_batches = 0;  ///< of an epoch
  std::function<double(std::int64_t epoch)> work{};  ///< as TimeLeft
  bool labels = true;                                ///< whether there is an accuracy
};

/// Shows how far a training is: a line after steps and while it validates, once the time that all of it
/// takes.
class TrainProgress {
 public:
  TrainProgress(RunLog& log, TrainLength length);

  void begin_epoch();

  /// After an optimizer step; `state` is that after it.
  void step(const TrainingState& state);

  /// Before each validation batch and after the last; `done` of them are done.
  void validation(const TrainingState& state, std::int64_t done, const Metrics& so_far);

 private:
  using Clock = std::chrono::steady_clock;

  double seconds_left(const TrainingState& state, std::int64_t val_batches) const;

  // Seconds since the last call; negative for the first of an epoch or a validation.
  double lap();

  // Once, when enough steps have been timed.
  void say_how_long(double seconds);

  // Its accuracy, where there are labels.
  std::optional<double> accuracy_of(const Metrics& metrics) const;

  RunLog& log_;
  TrainLength length_;
  std::int64_t batch_ = 0, images_ = 0, timed_ = 0;
  TimeLeft left_;
  Rate rate_;  // images per second
  Clock::time_point clock_{}, began_ = Clock::now();
  bool said_ = false;
};

}  // namespace minivit::cli
