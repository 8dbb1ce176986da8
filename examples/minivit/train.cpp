// Trains a Vision Transformer on a folder of images: train data.train=FOLDER [name=value]...
#include <CLI/CLI.hpp>
#include <memory>

#include "command.hpp"
#include "configuration.hpp"
#include "option_checks.hpp"
#include "program.hpp"
#include "resume.hpp"
#include "train_run.hpp"
#include "train_sweep.hpp"
#include "yaml.hpp"

namespace minivit::cli {

namespace {

constexpr const char* kSummary =
    "Trains a Vision Transformer on a folder of images with a sub-folder for each class.";

struct TrainOptions {
  ConfigurationChoice configuration;
  bool print = false;  // the configuration only
  bool list_settings = false;
  bool explain = false;  // what would be chosen
  std::string resume;
  std::int64_t until_epoch = 0;
  SweepOptions sweep;
  std::vector<std::string> overrides;
};

/// Above the options: what most people change, and nothing else.
std::string description() {
  TrainConfig defaults;
  return str_cat(
      kSummary,
      "\n\nWhat is not given is chosen for the images, this machine and training.budget, which is 30m if "
      "it is\nnot given: --explain says how. With training.epochs, or training.budget=0, it is what "
      "stands here.\n\nThe usual settings, their defaults and what they may be:\n",
      defaults.settings().usual_help(), "All others stand below the options.");
}

std::string train_help() {
  TrainConfig defaults;
  return str_cat(
      "Settings are changed as training.lr=0.001; ~training.lr takes back what a file says, "
      "+notes.NAME=TEXT\n"
      "adds a note. With --multirun a setting may have several values: training.lr=0.001,0.0005,\n"
      "choice(a,b), range(start,stop,step); with --sampler random also uniform(a,b), loguniform(a,b),\n"
      "randint(a,b).\n\n",
      defaults.settings().help(),
      "\nExit codes: 0 done, 1 failed, 2 wrong settings, 3 loss not finite, 130 or 143 interrupted (resume "
      "it "
      "with\n--resume).");
}

/// True for a setting that a pretrained model answers.
bool is_of_the_model(const std::string& name) {
  return name.starts_with("model.") || name == "data.normalization" ||
         std::ranges::any_of(field_texts(Preprocess()),
                             [&](const auto& field) { return name == str_cat("data.", field.first); });
}

/// The file's settings, then the command line's.
std::vector<Assignment> assignments_of(const TrainOptions& options, std::span<const std::string> overrides) {
  const ConfigurationChoice& chosen = options.configuration;
  const std::filesystem::path file = find_configuration(chosen);
  TrainConfig names;
  const Settings schema = names.settings();
  std::vector<Assignment> all;
  if (!file.empty()) all = respelled(read_yaml(file), schema);
  // Nobody asked for the sizes in the configuration that is read if none is named: the model has its own.
  const bool pretrained = std::ranges::any_of(
      overrides, [](const std::string& text) { return text.starts_with("model.pretrained="); });
  if (pretrained && chosen.file.empty() && chosen.name.empty())
    std::erase_if(all, [](const Assignment& a) { return is_of_the_model(a.name); });
  for (const std::string& text : overrides) apply_override(all, text, schema);
  return all;
}

int train(const TrainOptions& options) {
  if (options.list_settings) {
    std::fputs(TrainConfig().settings().markdown().c_str(), stdout);
    return 0;
  }
  if (!options.resume.empty()) {
    const ConfigurationChoice& c = options.configuration;
    check<ConfigError>(c.file.empty() && c.name.empty() && !options.sweep.multirun && !options.print,
                       "--resume goes on with the settings in the folder; leave out --config, --config-name, "
                       "--multirun and --cfg");
    std::vector<std::string> overrides = options.overrides;
    const std::filesystem::path folder = resumed_folder(options.resume, overrides);
    if (is_sweep(folder)) return resume_sweep(folder, overrides);
    return resume_run(folder, overrides, options.until_epoch);
  }
  const auto resolve = [&](std::span<const std::string> overrides) {
    return TrainConfig::from(assignments_of(options, overrides));
  };
  const auto sweep = [&](const std::vector<std::string>& overrides) {
    return options.print ? print_sweep(options.sweep, overrides, resolve)
                         : run_sweep(options.sweep, overrides, resolve);
  };
  if (options.sweep.multirun) return sweep(options.overrides);
  const TrainConfig config = resolve(options.overrides);
  if (config.training.folds > 0 && std::ranges::find(config.given, "training.fold") == config.given.end()) {
    std::vector<std::string> overrides = options.overrides;  // one training for each part
    overrides.push_back(str_cat("training.fold=range(0,", config.training.folds, ")"));
    return sweep(overrides);
  }
  if (options.print) {
    std::fputs(config.yaml().c_str(), stdout);
    return 0;
  }
  return start_run(config, options.overrides, options.until_epoch, options.explain);
}

std::function<int()> setup_train(CLI::App& app) {
  const auto options = std::make_shared<TrainOptions>();
  app.add_option("settings", options->overrides,
                 "settings to change, as data.train=photos training.lr=0.001");
  app.add_option("--config", options->configuration.file, "YAML file to begin with");
  app.add_option("--config-name", options->configuration.name,
                 "the same by its name: config (if nothing is said), digits, cifar10, mini, finetune");
  app.add_option("--config-dir", options->configuration.directory, "where to look for it");
  app.add_flag("--cfg", options->print,
               "print the resolved configuration, with --multirun that of every job; train nothing");
  app.add_flag(
      "--explain", options->explain,
      "say which settings are chosen for the images, the machine and training.budget, and why; train "
      "nothing");
  app.add_flag("--settings", options->list_settings,
               "print all settings as a table in Markdown, train nothing");
  app.add_option("--resume", options->resume,
                 "run folder, or folder of a sweep, to go on with; latest: the one that began last");
  app.add_option("--until-epoch", options->until_epoch, "stop after this epoch, to be resumed")
      ->check(number_from<std::int64_t>(1));
  auto* multirun =
      app.add_flag("-m,--multirun", options->sweep.multirun, "one run for every combination of values");
  app.add_option("--sampler", options->sweep.sampler, "of --multirun: grid (all combinations) or random")
      ->check(CLI::IsMember({"grid", "random"}))
      ->needs(multirun);
  app.add_option("--trials", options->sweep.trials, "runs of the random sampler")
      ->check(number_from<std::int64_t>(1))
      ->needs(multirun);
  app.add_option("--sampler-seed", options->sweep.seed, "of the random sampler")->needs(multirun);
  app.add_option("--halving", options->sweep.halving,
                 "stop the weaker half of a sweep's runs at these parts of the epochs, as 0.25,0.5")
      ->needs(multirun);
  app.description(description());
  app.footer(train_help);
  return [options] {
    try {
      return train(*options);
    } catch (const ConfigError& e) {
      const bool list = std::ranges::any_of(
          options->overrides, [](const std::string& text) { return text.find(',') != std::string::npos; });
      if (!list || options->sweep.multirun) throw;
      throw ConfigError(str_cat(e.what(), "; for several values, one after the other, add --multirun"));
    }
  };
}

std::string instead_of(std::string_view option, std::string_view next) {
  TrainConfig defaults;
  return setting_for_option(option, next, defaults.settings());
}

}  // namespace

extern constexpr Command train_command{"train", kSummary, setup_train, true, instead_of};

}  // namespace minivit::cli
