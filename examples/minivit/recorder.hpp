// Everything that is kept about a training while it runs: log, tables, TensorBoard, curves, result.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "csv.hpp"
#include "minivit/data/image_folder.hpp"
#include "minivit/io/tensorboard.hpp"
#include "minivit/model/vit.hpp"
#include "minivit/train/loop.hpp"
#include "progress.hpp"
#include "run_log.hpp"
#include "run_result.hpp"
#include "train_config.hpp"
#include "training_state.hpp"

namespace minivit::cli {

/// The settings of a run for TensorBoard's table: numbers as numbers, true and false as such.
std::vector<io::Hyperparameter> hyperparameters(const TrainConfig& config);

/// Writes down what happens in a run folder. What it appends to is cut back to the checkpoint's length when a
/// run goes on, so that the files are those of a run that was never stopped, but for times.
class Recorder {
 public:
  /// from: where the run begins or goes on. batches: of an epoch. Throws FileError.
  Recorder(std::filesystem::path run, const TrainConfig& config, RunLog& log, const TrainingState& from,
           std::int64_t batches);

  /// Model and machine, to the log, and the header of the epochs.
  void describe(const VisionTransformer& model, const TrainingState& from, double flop);

  /// The gradients of a step that are about to be used: histograms of the last step of an epoch.
  void gradients(const ParameterArena& parameters, const TrainingState& state);

  /// After an optimizer step.
  void step(const StepReport& report);

  /// After the evaluation of an epoch, the best so far or not. `state` is that before it is counted; the
  /// parameters are those that were evaluated.
  void epoch(const TrainingState& state, const Metrics& val, bool best, double lr,
             const ParameterArena& parameters);

  /// For pictures of an epoch; null pointer if none is written.
  io::TensorBoard* board() { return board_ ? &*board_ : nullptr; }

  /// After the test of the best model.
  void test(const Metrics& metrics);

  /// Before a checkpoint: what was appended is on the disk, and its length in `state`.
  void sync(TrainingState& state);

  /// The last lines, pictures and result. False, and a line on standard error, if something of it cannot be
  /// written.
  bool end(const std::string& status, const TrainingState& state, const std::string& error) noexcept;

 private:
  void remove_event_files() const;

  void note_state(const TrainingState& state);

  std::filesystem::path run_;
  const TrainConfig& config_;
  RunLog& log_;
  std::int64_t batches_;
  CsvFile history_, rates_;
  std::optional<io::TensorBoard> board_;
  RunResult result_;
  bool top5_ = true;  // says something with more than five classes
  std::chrono::steady_clock::time_point drawn_ = std::chrono::steady_clock::now();
};

}  // namespace minivit::cli
