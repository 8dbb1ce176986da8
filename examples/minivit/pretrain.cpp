// Pretrains a Vision Transformer on images without labels: pretrain data.train=FOLDER [name=value]...
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "configuration.hpp"
#include "option_checks.hpp"
#include "overrides.hpp"
#include "resume.hpp"
#include "train_config.hpp"
#include "train_run.hpp"
#include "yaml.hpp"

namespace minivit::cli {

namespace {

constexpr const char* kPretrainSummary =
    "Learns from a folder of images without labels what `train` can begin with.";

struct PretrainOptions {
  ConfigurationChoice configuration;
  bool print = false;  // the configuration only
  bool list_settings = false;
  bool explain = false;  // what would be chosen
  std::string resume;
  std::int64_t until_epoch = 0;
  std::vector<std::string> overrides;
};

/// Above the options: what most people change, and nothing else.
std::string pretrain_description() {
  TrainConfig defaults(Task::pretrain);
  return str_cat(kPretrainSummary,
                 "\n\nMost of each image is hidden, and the model learns to complete it. The usual settings, "
                 "their defaults and what they may be:\n",
                 defaults.settings().usual_help(), "All others stand below the options.");
}

std::string pretrain_help() {
  TrainConfig defaults(Task::pretrain);
  return str_cat(
      "Settings are changed as training.lr=0.001; ~training.lr takes back what a file says.\n\n",
      defaults.settings().help(),
      "\nExit codes: 0 done, 1 failed, 2 wrong settings, 3 loss not finite, 130 or 143 interrupted "
      "(resume it with\n--resume).");
}

/// The file's settings, then the command line's.
std::vector<Assignment> assignments_of(const PretrainOptions& options) {
  const std::filesystem::path file = find_configuration(options.configuration);
  TrainConfig names(Task::pretrain);
  const Settings schema = names.settings();
  std::vector<Assignment> all;
  if (!file.empty()) all = respelled(read_yaml(file), schema);
  for (const std::string& text : options.overrides) apply_override(all, text, schema);
  return all;
}

int pretrain(const PretrainOptions& options) {
  if (options.list_settings) {
    std::fputs(TrainConfig(Task::pretrain).settings().markdown().c_str(), stdout);
    return 0;
  }
  if (!options.resume.empty()) {
    const ConfigurationChoice& c = options.configuration;
    check<ConfigError>(c.file.empty() && c.name.empty() && !options.print,
                       "--resume goes on with the settings in the folder; leave out --config, --config-name "
                       "and --cfg");
    std::vector<std::string> overrides = options.overrides;
    const std::filesystem::path folder = resumed_folder(options.resume, overrides);
    return resume_run(folder, overrides, options.until_epoch, Task::pretrain);
  }
  const TrainConfig config = TrainConfig::from(assignments_of(options), false, Task::pretrain);
  if (options.print) {
    std::fputs(config.yaml().c_str(), stdout);
    return 0;
  }
  return start_run(config, options.overrides, options.until_epoch, options.explain);
}

std::function<int()> setup_pretrain(CLI::App& app) {
  const auto options = std::make_shared<PretrainOptions>();
  app.add_option("settings", options->overrides,
                 "settings to change, as data.train=photos training.budget=2h");
  app.add_option("--config", options->configuration.file, "YAML file to begin with");
  app.add_option("--config-name", options->configuration.name,
                 "the same by its name; config, if nothing is said");
  app.add_option("--config-dir", options->configuration.directory, "where to look for it");
  app.add_flag("--cfg", options->print, "print the resolved configuration; train nothing");
  app.add_flag(
      "--explain", options->explain,
      "say which settings are chosen for the images, the machine and training.budget, and why; train "
      "nothing");
  app.add_flag("--settings", options->list_settings,
               "print all settings as a table in Markdown, train nothing");
  app.add_option("--resume", options->resume, "run folder to go on with; latest: the one that began last");
  app.add_option("--until-epoch", options->until_epoch, "stop after this epoch, to be resumed")
      ->check(number_from<std::int64_t>(1));
  app.description(pretrain_description());
  app.footer(pretrain_help);
  return [options] { return pretrain(*options); };
}

std::string pretrain_instead_of(std::string_view option, std::string_view next) {
  TrainConfig defaults(Task::pretrain);
  return setting_for_option(option, next, defaults.settings());
}

}  // namespace

extern constexpr Command pretrain_command{"pretrain", kPretrainSummary, setup_pretrain, true,
                                          pretrain_instead_of};

}  // namespace minivit::cli
