// Pretrains a Vision Transformer on images without labels: pretrain data.train=FOLDER [name=value]...
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "command.hpp"
#include "minivit/core/check.hpp"
#include "overrides.hpp"
#include "resume.hpp"
#include "run_options.hpp"
#include "train_config.hpp"
#include "train_run.hpp"

namespace minivit::cli {

namespace {

constexpr const char* kPretrainSummary =
    "Learns from a folder of images without labels what `train` can begin with.";

int pretrain(const RunOptions& options) {
  if (options.list_settings) return RunOptions::print_settings(Task::pretrain);
  if (!options.resume.empty()) {
    options.check_resume(false, "");
    std::vector<std::string> overrides = options.overrides;
    const std::filesystem::path folder = resumed_folder(options.resume, overrides);
    return resume_run(folder, overrides, options.until_epoch, Task::pretrain);
  }
  return options.run(
      TrainConfig::from(options.assignments(Task::pretrain, options.overrides), false, Task::pretrain));
}

std::function<int()> setup_pretrain(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  options->add_to(app, "data.train=photos training.budget=2h");
  app.description(usual_settings(
      Task::pretrain,
      str_cat(kPretrainSummary, "\n\nMost of each image is hidden, and the model learns to complete it. ")));
  app.footer([] { return all_settings(Task::pretrain, "."); });
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
