// The choice of a model: options, questions, the table of runs.
#include "choose_run.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <minivit/io/pretrained.hpp>

#include "minivit/core/number.hpp"
#include "run_info.hpp"
#include "run_table.hpp"
#include "terminal.hpp"
#include "text_table.hpp"

namespace minivit::cli {

std::optional<std::string> ask(std::FILE* out, const char* question) {
  std::fputs(question, out);
  std::fflush(out);
  std::string line;
  if (!std::getline(std::cin, line)) {
    std::fputc('\n', out);
    return std::nullopt;
  }
  constexpr const char* kBlanks = " \t\r";
  line.erase(0, line.find_first_not_of(kBlanks));
  line.erase(line.find_last_not_of(kBlanks) + 1);
  return line;
}

void RunRoots::add_to(CLI::App& app) {
  app.add_option("--root", names, "folder with runs, can be repeated; instead of outputs and multirun")
      ->allow_extra_args(false);
}

std::vector<std::filesystem::path> RunRoots::paths() const {
  if (names.empty()) return {"outputs", "multirun"};
  return {names.begin(), names.end()};
}

std::vector<RunInfo> RunRoots::find() const { return find_runs(paths()); }

std::string RunRoots::str() const {
  std::string out;
  std::error_code ignored;
  for (const auto& path : paths())
    out += str_cat(out.empty() ? "" : ", ", printable(path.string()),
                   std::filesystem::is_directory(path, ignored) ? "" : " (no such folder)");
  return out;
}

void ModelChoice::add_to(CLI::App& app, bool required) {
  auto* source = app.add_option_group("model", "which model")->require_option(required ? 1 : 0, 1);
  source->add_option("--run", run, "run folder of `minivit train`: its best model");
  source->add_option("--model", model, "model folder, or safetensors file, of minivit, timm or transformers");
  source->add_flag("--latest", latest, "the run that began last, of those below outputs and multirun");
  source->add_flag("--best", best, "the run with the highest validation accuracy, of the same");
  app.add_option("--architecture", architecture,
                 "timm's name of the model, as vit_small_patch16_224, if it has no config.json");
  app.add_option("--num-heads", num_heads, "attention heads, if neither files nor timm's names say them")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--allow-not-finite", not_finite, "read weights that are infinite or no number");
  roots.add_to(app);
}

ModelBundle ModelChoice::load(const std::filesystem::path& folder) const {
  Pretrained loaded = load_pretrained(
      folder, {.architecture = architecture, .num_heads = num_heads, .not_finite = not_finite});
  for (const std::string& guess : loaded.guesses)
    std::fprintf(stderr, "%s\n", printable(str_cat(folder.native(), ": ", guess)).c_str());
  return std::move(loaded.model);
}

std::filesystem::path ModelChoice::folder() const {
  check<ConfigError>(!(model && model->empty()) && !(run && run->empty()), model ? "--model" : "--run",
                     " is empty, expected a folder");
  if (model) return *model;
  if (run) return std::filesystem::path(*run) / "best";
  const auto runs = trained_runs();
  const RunInfo* chosen = latest ? latest_run(runs) : best_run(runs);
  check<ConfigError>(chosen != nullptr, "no run in ", roots,
                     " has a validation accuracy; take the newest with --latest");
  return chosen->model();
}

std::filesystem::path ModelChoice::ask_for_folder(std::FILE* out) const {
  const auto runs = trained_runs();
  std::fputs(run_table(runs, terminal_width(out)).c_str(), out);
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto answer = ask(out, "run number [newest]: ");
    check<ConfigError>(answer.has_value(), "no run was chosen; name it with --run, --latest or --best");
    if (answer->empty()) return runs.back().model();
    for (const RunInfo& r : runs)
      if (to_number<int>(*answer) == r.number) return r.model();
    std::fprintf(out, "\"%s\" is no number in the table\n", printable(*answer).c_str());
  }
  throw ConfigError("no run was chosen in three attempts");
}

std::vector<RunInfo> ModelChoice::trained_runs() const {
  auto runs = roots.find();
  const std::size_t all = runs.size();
  std::erase_if(runs, [](const RunInfo& r) { return !r.has_model; });
  check<ConfigError>(!runs.empty(), all == 0 ? "no runs" : "no runs with a model", " in ", roots,
                     "; train one, or say where it is with --run, --model or --root");
  return runs;
}

}  // namespace minivit::cli
