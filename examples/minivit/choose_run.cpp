// The choice of a model: options, questions, the table of runs.
#include "choose_run.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <minivit/io/pretrained.hpp>

#include "minivit/core/number.hpp"
#include "model_path.hpp"
#include "option_checks.hpp"
#include "printable.hpp"
#include "run_data.hpp"
#include "run_info.hpp"
#include "run_table.hpp"
#include "terminal.hpp"

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
  std::vector<std::filesystem::path> roots(names.begin(), names.end());
  std::error_code ignored;
  for (auto& root : roots)  // of best/ and last/ it is the run that is meant
    if (is_model_folder(root) && std::filesystem::exists(root / ".." / "config.yaml", ignored))
      root = std::filesystem::absolute(root / "..", ignored).lexically_normal();
  return roots;
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
  program_ = app.get_name();
  auto* source = app.add_option_group("model", "which model")->require_option(required ? 1 : 0, 1);
  source->add_option("--run", run, "run folder of `minivit train`: its best model");
  source->add_option("--model", model,
                     "model folder, or safetensors file, of minivit, timm or transformers; or a run folder");
  source->add_flag("--latest", latest, "the run that began last, of those below outputs and multirun");
  source->add_flag(
      "--best", best,
      "of the same the run with the highest validation accuracy, among those on the data of the newest");
  app.add_option("--data", data,
                 "of --latest and --best: only runs whose data.train or data.val has this in its name");
  app.add_option("--architecture", architecture,
                 "timm's name of the model, as vit_small_patch16_224, if it has no config.json");
  app.add_option("--num-heads", num_heads, "attention heads, if neither files nor timm's names say them")
      ->check(number_from(1, 1024));
  app.add_flag("--allow-not-finite", not_finite, "read weights that are infinite or no number");
  roots.add_to(app);
}

ModelBundle ModelChoice::load(const std::filesystem::path& folder) const {
  Pretrained loaded = load_pretrained(
      folder, {.architecture = architecture, .num_heads = num_heads, .not_finite = not_finite});
  for (const std::string& guess : loaded.guesses) say(str_cat(folder.native(), ": ", guess));
  return std::move(loaded.model);
}

std::filesystem::path ModelChoice::folder() const {
  if (model) return find_model(*model, "--model");
  if (run) return find_model(*run, "--run");
  const std::filesystem::path found = latest ? latest_folder() : best_folder();
  say(str_cat("model: ", found.native()));
  return found;
}

std::filesystem::path ModelChoice::latest_folder() const {
  const auto runs = trained_runs(true);
  const RunInfo* chosen = latest_run(runs);
  check<ConfigError>(chosen != nullptr, "no run in ", roots,
                     " has finished an epoch; the newest as it is now is --model ",
                     (runs.back().path / "last").native());
  if (&runs.back() != chosen)
    say(str_cat("the newest run has finished no epoch yet; as it is now it is --model ",
                (runs.back().path / "last").native()));
  return chosen->model();
}

std::filesystem::path ModelChoice::best_folder() const {
  const auto runs = trained_runs(false);
  const std::vector<DataGroup> groups = by_data(runs);
  std::size_t measured = 0;
  const DataGroup* chosen = nullptr;
  for (const DataGroup& group : groups)
    if (best_run(group.runs)) ++measured, chosen = &group;  // the last is that of the newest run
  check<ConfigError>(chosen != nullptr, "no run in ", roots,
                     " has a validation accuracy; take the newest with --latest");
  const RunInfo& best_one = *best_run(chosen->runs);
  say(str_cat(
      chosen->runs.size() == 1 ? std::string("the only run on ")
                               : str_cat("best of ", chosen->runs.size(), " runs on "),
      chosen->data, ": validation accuracy ", text_of(best_one.best_val_acc),
      measured > 1 ? str_cat("; runs on other data are not compared, --data chooses them") : std::string()));
  return best_one.model();
}

std::filesystem::path ModelChoice::ask_for_folder(std::FILE* out) const {
  const auto runs = trained_runs(true);
  std::fputs(run_table(runs, terminal_width(out)).c_str(), out);
  const auto model_of = [](const RunInfo& r) { return r.has_model ? r.model() : r.path / "last"; };
  // As --latest has it: a newer run that has finished no epoch is taken only by its number.
  const RunInfo* const finished = latest_run(runs);
  const RunInfo& newest = finished ? *finished : runs.back();
  const std::string question = &newest == &runs.back() ? "run number [newest]: "
                                                       : str_cat("run number [", newest.number,
                                                                 ", the newest with a finished epoch]: ");
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto answer = ask(out, question.c_str());
    check<ConfigError>(answer.has_value(), "no run was chosen; name it with --run, --latest or --best");
    if (answer->empty()) return model_of(newest);
    for (const RunInfo& r : runs)
      if (to_number<int>(*answer) == r.number) return model_of(r);
    std::fprintf(out, "\"%s\" is no number in the table\n", printable(*answer).c_str());
  }
  throw ConfigError("no run was chosen in three attempts");
}

std::vector<RunInfo> ModelChoice::trained_runs(bool unfinished) const {
  auto runs = roots.find();
  check_in_reach(runs);
  const std::size_t all = runs.size();
  std::erase_if(runs, [&](const RunInfo& r) {
    return !r.has_model && !(unfinished && is_model_folder(r.path / "last"));
  });
  check<ConfigError>(!runs.empty(), all == 0 ? "no runs" : "no runs with a model", " in ", roots,
                     "; train one, or say where it is with --run, --model or --root");
  std::erase_if(runs, [&](const RunInfo& r) { return data_of(r).find(data) == std::string::npos; });
  check<ConfigError>(!runs.empty(), "no run with a model in ", roots, " is on data with \"", data,
                     "\" in its name");
  return runs;
}

void ModelChoice::say(const std::string& text) const {
  std::fprintf(stderr, "%s: %s\n", program_.c_str(), printable(text).c_str());
}

}  // namespace minivit::cli
