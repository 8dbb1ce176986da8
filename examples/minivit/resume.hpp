// A run that goes on: which one, with which settings, and what another number of epochs means for it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/train/schedule.hpp"
#include "run_folder.hpp"
#include "train_config.hpp"

namespace minivit::cli {

/// The folder that --resume names. `latest` is the run, or the sweep, that began last below `outputs` and
/// `multirun`, or below output.dir and output.multirun if these are among the overrides, which are then taken
/// out of them. Throws ConfigError if there is none.
std::filesystem::path resumed_folder(const std::string& given, std::vector<std::string>& overrides);

/// A run's settings as it goes on.
struct ResumedRun {
  TrainConfig config;
  std::int64_t epochs_before = 0;      ///< training.epochs as it was
  std::vector<std::string> overrides;  ///< of the run, with training.epochs if that was changed

  /// Changes what the run's folder says of its length, if it was changed. Throws FileError.
  void write(const std::filesystem::path& run) const;
};

/// Reads the settings of a run and changes them as the command line says. Of those that make a difference to
/// the result training.epochs alone can be changed. Throws ConfigError for others and for a run of another
/// task, FileError if there is no run.
ResumedRun resumed_run(const std::filesystem::path& run, std::span<const std::string> overrides,
                       Task task = Task::train);

/// What is said about a run of which nothing is left to do; empty if there is.
std::string nothing_left(const std::filesystem::path& run, const TrainConfig& config);

/// Whether the first `steps` steps have the same learning rates, so that a run with the one goes on as a run
/// with the other.
bool same_start(const CosineSchedule& a, const CosineSchedule& b, std::int64_t steps);

/// What a new number of epochs means for a run with `steps` steps done: lines to be said.
std::vector<std::string> explain_length(const std::filesystem::path& run, const CosineSchedule& before,
                                        const CosineSchedule& after, std::int64_t epochs_before,
                                        std::int64_t epochs, std::int64_t steps, Task task = Task::train);

}  // namespace minivit::cli
