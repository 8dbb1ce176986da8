// Trains a Vision Transformer on a folder of images: train data.train=FOLDER [name=value]...
#include <CLI/CLI.hpp>
#include <memory>

#include "command.hpp"
#include "option_checks.hpp"
#include "program.hpp"
#include "resume.hpp"
#include "run_options.hpp"
#include "train_run.hpp"
#include "train_sweep.hpp"
#include "yaml.hpp"

namespace minivit::cli {

namespace {

constexpr const char* kSummary =
    "Trains a Vision Transformer on a folder of images with a sub-folder for each class.";

struct TrainOptions {
  RunOptions run;
  SweepOptions sweep;
};

/// True for a setting that a pretrained model answers.
bool is_of_the_model(const std::string& name) {
  return name.starts_with("model.") || name == "data.normalization" ||
         std::ranges::any_of(field_texts(Preprocess()),
                             [&](const auto& field) { return name == str_cat("data.", field.first); });
}

/// The file's settings, then the command line's.
std::vector<Assignment> assignments_of(const RunOptions& options, std::span<const std::string> overrides) {
  // Nobody asked for the sizes in the configuration that is read if none is named: the model has its own.
  const ConfigurationChoice& chosen = options.configuration;
  const bool pretrained = chosen.file.empty() && chosen.name.empty() &&
                          std::ranges::any_of(overrides, [](const std::string& text) {
                            return text.starts_with("model.pretrained=");
                          });
  return options.assignments(Task::train, overrides, [&](std::vector<Assignment>& all) {
    if (pretrained) std::erase_if(all, [](const Assignment& a) { return is_of_the_model(a.name); });
  });
}

int train(const TrainOptions& options) {
  const RunOptions& run = options.run;
  if (run.list_settings) return RunOptions::print_settings(Task::train);
  if (!run.resume.empty()) {
    run.check_resume(options.sweep.multirun, "--multirun, ");
    std::vector<std::string> overrides = run.overrides;
    const std::filesystem::path folder = resumed_folder(run.resume, overrides);
    if (is_sweep(folder)) return resume_sweep(folder, overrides);
    return resume_run(folder, overrides, run.until_epoch);
  }
  const auto resolve = [&](std::span<const std::string> overrides) {
    return TrainConfig::from(assignments_of(run, overrides));
  };
  const auto sweep = [&](const std::vector<std::string>& overrides) {
    return run.print ? print_sweep(options.sweep, overrides, resolve)
                     : run_sweep(options.sweep, overrides, resolve);
  };
  if (options.sweep.multirun) return sweep(run.overrides);
  const TrainConfig config = resolve(run.overrides);
  if (config.training.folds > 0 && std::ranges::find(config.given, "training.fold") == config.given.end()) {
    std::vector<std::string> overrides = run.overrides;  // one training for each part
    overrides.push_back(str_cat("training.fold=range(0,", config.training.folds, ")"));
    return sweep(overrides);
  }
  return run.run(config);
}

std::function<int()> setup_train(CLI::App& app) {
  const auto options = std::make_shared<TrainOptions>();
  options->run.add_to(app, "data.train=photos training.lr=0.001");
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
  app.description(usual_settings(
      Task::train,
      str_cat(
          kSummary,
          "\n\nWhat is not given is chosen for the images, this machine and training.budget, which is 30m if "
          "it is\nnot given: --explain says how. With training.epochs, or training.budget=0, it is what "
          "stands here.\n\n")));
  app.footer([] {
    return all_settings(
        Task::train,
        ", +notes.NAME=TEXT\n"
        "adds a note. With --multirun a setting may have several values: training.lr=0.001,0.0005,\n"
        "choice(a,b), range(start,stop,step); with --sampler random also uniform(a,b), loguniform(a,b),\n"
        "randint(a,b).");
  });
  return [options] {
    try {
      return train(*options);
    } catch (const ConfigError& e) {
      const bool list = std::ranges::any_of(options->run.overrides, [](const std::string& text) {
        return text.find(',') != std::string::npos;
      });
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
