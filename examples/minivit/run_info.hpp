// Summary of a run directory, and all run directories below others.
//
// A run folder is outputs/DATE/TIME, or multirun/DATE/TIME/N for a job of a sweep; what makes it one is that
// it has a config.yaml.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "yaml.hpp"

namespace minivit::cli {

/// A run as far as its folder tells. What is not known is empty.
struct RunInfo {
  std::filesystem::path path;
  int number = 0;             ///< in the order of find_runs, from 1 on; 0 if it was not found by that
  std::string date;           ///< when it began, `2026-11-25 17:46:12`, local time
  std::string status;         ///< that of result.json, but "stopped" if it is not running any more; "waiting"
                              ///< without one, "unknown" with a bad one, "unreadable" without good settings
  std::string problem;        ///< why something could not be read
  bool out_of_reach = false;  ///< the reason is not in the files: the system did not let them be read
  std::optional<std::int64_t> epochs_done, epochs, best_epoch, parameters;
  std::optional<double> best_val_acc;  ///< from 0 to 1
  std::optional<double> best_val_loss, test_acc, seconds, images_per_s, peak_mb;
  std::string started, ended, git, machine, error;
  SettingTexts settings;               ///< of config.yaml
  std::vector<std::string> overrides;  ///< as they were given
  bool has_model = false;              ///< best/ is there

  /// The folder of its best model.
  std::filesystem::path model() const { return path / "best"; }

  /// Whether it is one of `minivit pretrain`: its model has no classes, and it no accuracy.
  bool pretrained() const { return setting("pretrain.mask") != nullptr; }

  /// The value of a setting; null pointer if there is none of that name.
  const std::string* setting(std::string_view name) const;
};

/// What the names of a run's folders say: …/2026-11-25/17-46-12_2/7.
struct RunPlace {
  std::string date;  // "2026-11-25 17:46:12"; empty if the names are others
  int copy = 1;      // the number behind _
  int job = -1;      // -1: not in a sweep

  static RunPlace of(const std::filesystem::path& path);
};

/// What the folder `path` tells. Never throws because of what is in it: settings that cannot be read make the
/// run "unreadable", a result that cannot be read "unknown", and `problem` says why; without a result the
/// history gives the epochs and the accuracy.
RunInfo read_run(const std::filesystem::path& path);

/// The runs in and below the folders, three levels deep, the oldest first, numbered from 1 on. Links are
/// followed; hidden folders and those without a config.yaml are not runs. A folder that the system does not
/// let be read may hold some: it is listed as an "unreadable" run that is out of reach.
std::vector<RunInfo> find_runs(std::span<const std::filesystem::path> roots);

/// Throws AccessError if one of the runs is out of reach: then nobody knows which is the newest, the best, or
/// the third.
void check_in_reach(std::span<const RunInfo> runs);

/// The run with a model that began last; null pointer if there is none. `runs` as find_runs gives them.
const RunInfo* latest_run(std::span<const RunInfo> runs);

/// The run with a model and the highest validation accuracy, of equals the newest; null pointer if there is
/// none with both.
const RunInfo* best_run(std::span<const RunInfo> runs);

}  // namespace minivit::cli
