// Hands a model to others: export --run DIR | --model DIR | --latest | --best --to FORMAT --out FOLDER
#include <CLI/CLI.hpp>
#include <memory>
#include <minivit/io/export.hpp>
#include <minivit/vit.hpp>

#include "choose_run.hpp"
#include "command.hpp"
#include "model_destination.hpp"
#include "program.hpp"
#include "run_info.hpp"
#include "text_table.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

struct ExportOptions {
  ModelChoice choice;
  std::string format, out;
};

/// What is known about the run whose best model this is.
std::vector<std::pair<std::string, std::string>> results_of(const fs::path& model) {
  std::error_code error;
  const fs::path run = fs::absolute(model, error).lexically_normal().parent_path();
  if (model.filename() != "best" || !fs::exists(run / "result.json", error)) return {};
  const RunInfo info = read_run(run);
  check<AccessError>(!info.out_of_reach, info.problem);
  std::vector<std::pair<std::string, std::string>> results;
  if (info.best_val_acc)
    results.emplace_back("validation accuracy", format("%.4f, epoch %lld of %lld", *info.best_val_acc,
                                                       static_cast<long long>(info.best_epoch.value_or(0)),
                                                       static_cast<long long>(info.epochs.value_or(0))));
  if (info.best_val_loss) results.emplace_back("validation loss", format("%.4f", *info.best_val_loss));
  for (const char* const name : {"training.optimizer", "training.lr", "training.batch_size", "training.seed"})
    if (const std::string* value = info.setting(name)) results.emplace_back(name, *value);
  if (!info.started.empty()) results.emplace_back("trained", info.started);
  return results;
}

int export_to(const ExportOptions& options) {
  const auto found = std::ranges::find(kExportFormats, options.format);
  const auto format = static_cast<ExportFormat>(found - std::begin(kExportFormats));
  check_model_destination("--out", options.out);
  const fs::path folder = options.choice.folder();
  const ModelBundle model = options.choice.load(folder);
  export_model(options.out, model, format, results_of(folder));
  std::printf("%s: %lld parameters, %lld classes, for %s\n", printable(options.out).c_str(),
              static_cast<long long>(parameter_count(model.net)),
              static_cast<long long>(model.net.config.num_classes), options.format.c_str());
  return 0;
}

std::function<int()> setup_export(CLI::App& app) {
  const auto options = std::make_shared<ExportOptions>();
  options->choice.add_to(app, true);
  app.add_option("--to", options->format,
                 "timm; transformers (the names of its version 4, which version 5 reads, too), transformers5 "
                 "(those of version 5); onnx")
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kExportFormats), std::end(kExportFormats))));
  app.add_option("--out", options->out, "folder to write")->required();
  return [options] { return export_to(*options); };
}

}  // namespace

extern constexpr Command export_command{
    "export", "Writes a model as others have it, with a card that describes it.", setup_export};

}  // namespace minivit::cli
