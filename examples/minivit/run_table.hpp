// Runs beside each other: a table, the difference of two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/io/json.hpp"
#include "run_info.hpp"

namespace minivit::cli {

/// Equal as texts, or as numbers: 1e-3 is 0.001.
bool same_value(std::string_view a, std::string_view b);

std::string text_of(const std::optional<double>& value, const char* format = "%.4f");

std::string epochs_text(const RunInfo& run);

/// How a table names a run: `2026-11-25 17:46:12`, a job of a sweep `2026-11-25/17-46-12/3`, a folder with
/// another name by that name.
std::string run_label(const RunInfo& run);

/// What the command line said of each run, on one line: `num_layers=4 lr=0.001`. Names are shortened to their
/// last part where no other of these runs' has the same. Data, of which by_data tells, folders and what is
/// logged are left out.
std::vector<std::string> command_lines(std::span<const RunInfo> runs);

/// 1234567 -> 1.2 M, 12345 -> 12 k.
std::string count_text(std::int64_t count);

/// A line for each run: number, when, status, epochs, best validation accuracy, duration, parameters, what
/// the command line said; the runs of the same data below a line that names it, see by_data. Lines are cut to
/// `width` characters; 0: not.
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
