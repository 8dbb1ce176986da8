// Result of a run: result.json, for people and for the table of runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace minivit::cli {

/// How a run stands. Written at its start and after every epoch.
struct RunResult {
  /// running, finished, interrupted, time limit, early stop, halved, failed, not finite
  std::string status = "running";
  std::int64_t epochs_done = 0, epochs = 0;
  double best_val_acc = -1, best_val_loss = 0;  ///< -1: no epoch yet, or no labels
  std::int64_t best_epoch = 0;                  ///< from 1; 0: no epoch yet
  double test_acc = -1, test_loss = 0;          ///< of the best model on data.test; -1: not measured
  double seconds = 0, images_per_second = 0, peak_mb = 0;
  std::int64_t parameters = 0;
  double flop = 0;             ///< floating-point operations of all epochs, done or not
  std::string started, ended;  ///< local time
  std::string git, machine;
  std::string error;  ///< if it failed
};

/// Writes `run`/result.json, atomically. Throws FileError.
void write_result(const std::filesystem::path& run, const RunResult& r);

}  // namespace minivit::cli
