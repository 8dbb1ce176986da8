// Options of the commands that train.
#include "run_options.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "minivit/core/check.hpp"
#include "option_checks.hpp"
#include "train_run.hpp"
#include "yaml.hpp"

namespace minivit::cli {

void RunOptions::add_to(CLI::App& app, const char* example) {
  app.add_option("settings", overrides, str_cat("settings to change, as ", example));
  app.add_option("--config", configuration.file, "YAML file to begin with");
  app.add_option("--config-name", configuration.name,
                 "the same by its name: config (if nothing is said), digits, cifar10, mini, finetune");
  app.add_option("--config-dir", configuration.directory, "where to look for it");
  app.add_flag("--cfg", print,
               "print the resolved configuration, of a sweep that of every job; train nothing");
  app.add_flag(
      "--explain", explain,
      "say which settings are chosen for the images, the machine and training.budget, and why; train "
      "nothing");
  app.add_flag("--settings", list_settings, "print all settings as a table in Markdown, train nothing");
  app.add_option("--resume", resume,
                 "run folder, or that of a sweep, to go on with; latest: the one that began last");
  app.add_option("--until-epoch", until_epoch, "stop after this epoch, to be resumed")
      ->check(number_from<std::int64_t>(1));
}

int RunOptions::print_settings(Task task) {
  std::fputs(TrainConfig(task).settings().markdown().c_str(), stdout);
  return 0;
}

void RunOptions::check_resume(bool others_given, std::string_view also) const {
  check<ConfigError>(configuration.file.empty() && configuration.name.empty() && !others_given && !print,
                     "--resume goes on with the settings in the folder; leave out --config, --config-name, ",
                     also, "and --cfg");
}

std::vector<Assignment> RunOptions::assignments(
    Task task, std::span<const std::string> given,
    const std::function<void(std::vector<Assignment>&)>& edit) const {
  const std::filesystem::path file = find_configuration(configuration);
  TrainConfig names(task);
  const Settings schema = names.settings();
  std::vector<Assignment> all;
  if (!file.empty()) all = respelled(read_yaml(file), schema);
  if (edit) edit(all);
  for (const std::string& text : given) apply_override(all, text, schema);
  return all;
}

int RunOptions::run(const TrainConfig& config) const {
  if (!print) return start_run(config, overrides, until_epoch, explain);
  std::fputs(config.yaml().c_str(), stdout);
  return 0;
}

std::string usual_settings(Task task, std::string_view what) {
  TrainConfig defaults(task);
  return str_cat(what, "The usual settings, their defaults and what they may be:\n",
                 defaults.settings().usual_help(), "All others stand below the options.");
}

std::string all_settings(Task task, std::string_view how) {
  TrainConfig defaults(task);
  return str_cat("Settings are changed as training.lr=0.001; ~training.lr takes back what a file says", how,
                 "\n\n", defaults.settings().help(),
                 "\nExit codes: 0 done, 1 failed, 2 wrong settings, 3 loss not finite, 130 or 143 "
                 "interrupted (resume it "
                 "with\n--resume).");
}

}  // namespace minivit::cli
