// What the commands that train have in common on the command line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "configuration.hpp"
#include "overrides.hpp"
#include "train_config.hpp"

namespace CLI {
class App;
}

namespace minivit::cli {

/// Which settings, and what is done with them.
struct RunOptions {
  ConfigurationChoice configuration;
  bool print = false;  // the configuration only
  bool list_settings = false;
  bool explain = false;  // what would be chosen
  std::string resume;
  std::int64_t until_epoch = 0;
  std::vector<std::string> overrides;

  /// example: settings as somebody might type them.
  void add_to(CLI::App& app, const char* example);

  /// Prints the settings of a task as a table in Markdown. Returns the exit code.
  static int print_settings(Task task);

  /// Throws ConfigError for what does not go with --resume; `also` names further options, as "--multirun, ".
  void check_resume(bool others_given, std::string_view also) const;

  /// The file's settings, then those of `given` as the command line has them. `edit`, if it is there, changes
  /// those of the file.
  std::vector<Assignment> assignments(Task task, std::span<const std::string> given,
                                      const std::function<void(std::vector<Assignment>&)>& edit = {}) const;

  /// Trains with this configuration, or prints it. Returns the exit code.
  int run(const TrainConfig& config) const;
};

/// What stands above the options: what the command does, and the settings that most people change.
std::string usual_settings(Task task, std::string_view what);

/// What stands below them: how settings are written (`how`), all of them, and the exit codes.
std::string all_settings(Task task, std::string_view how);

}  // namespace minivit::cli
