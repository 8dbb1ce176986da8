// Runs beside each other: a table, the settings that differ, the difference of two.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "minivit/io/json.hpp"
#include "run_info.hpp"

namespace minivit::cli {

std::string text_of(const std::optional<double>& value, const char* format = "%.4f");

std::string epochs_text(const RunInfo& run);

/// How a table names a run: `2026-11-25 17:46:12`, a job of a sweep `2026-11-25/17-46-12/3`, a folder with
/// another name by that name.
std::string run_label(const RunInfo& run);

/// The names of settings that do not have the same value in all runs (numbers are compared as such; a setting
/// that a run does not have is a value of its own), in the order of the first that has them. Where a run's
/// folder goes and what is logged is not among them; runs whose settings cannot be read do not count.
std::vector<std::string> differing_settings(std::span<const RunInfo> runs);

/// The settings `names` of a run on one line, each by the last part of its name where that says enough:
/// `num_layers=4 lr=0.001`.
std::string settings_line(const RunInfo& run, std::span<const std::string> names);

/// A line for each run, in their order: number, when, status, epochs, best validation accuracy, the settings
/// that differ. Lines are cut to `width` characters; 0: not.
std::string run_table(std::span<const RunInfo> runs, std::size_t width = 0);

/// All that is known of a run, as JSON; what is not known is null.
io::Json run_json(const RunInfo& run);

/// What two runs do not have in common.
struct RunDiff {
  /// A setting or result; null: that run does not have it. Settings are texts, results what they are.
  struct Line {
    std::string name;
    io::Json a, b;
  };
  std::filesystem::path a, b;
  std::vector<Line> settings, results;

  /// A table for each of both.
  std::string text() const;

  /// {"a": folder, "b": folder, "settings": {name: [of a, of b]}, "results": {…}}
  io::Json json() const;

 private:
  static std::string shown(const io::Json& value);
};

/// The settings (but for output and log) and the results that differ between two runs.
RunDiff diff_runs(const RunInfo& a, const RunInfo& b);

}  // namespace minivit::cli
