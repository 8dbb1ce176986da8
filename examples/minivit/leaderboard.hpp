// The jobs of a sweep by what they reached: summary.csv and the same for the terminal.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "run_info.hpp"
#include "sweep.hpp"

namespace minivit::cli {

/// The jobs of a sweep, the highest validation accuracy first, those without one last, of equals the earlier.
struct Leaderboard {
  struct Row {
    int job = 0;
    RunInfo run;                      ///< of its folder; status "waiting" if there is none yet
    std::vector<std::string> values;  ///< of the swept settings; empty if the job does not set it
  };
  std::vector<std::string> names;  ///< of the settings whose values differ between the jobs, in their order
  std::vector<Row> rows;

  /// job, status, val_acc, val_loss, best_epoch, epochs_done, seconds, and a column for each swept setting.
  /// As RFC 4180 has it: what contains a comma, quote or line break is in quotes.
  std::string csv() const;

  /// The same, rounded; lines are cut to `width` characters, 0: not.
  std::string table(std::size_t width = 0) const;

  /// Lines with mean and standard deviation of the validation accuracy, and of the test accuracy where there
  /// is one, of jobs that differ in seed or part alone; nothing if there are none.
  std::vector<std::string> spread() const;
};

/// The leaderboard of the jobs, whose run folders are `sweep`/0, `sweep`/1, … Never throws because of what is
/// in them, see read_run.
Leaderboard leaderboard(const std::filesystem::path& sweep, std::span<const Job> jobs);

/// The same for the jobs that have a folder, with the settings of their overrides.yaml.
Leaderboard leaderboard(const std::filesystem::path& sweep);

}  // namespace minivit::cli
