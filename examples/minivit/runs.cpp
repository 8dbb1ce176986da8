// The runs of `minivit train`, listed, and two compared and compares two: runs [--root DIR]... [--sort
// date|accuracy] [--json]
//                                             runs diff A B [--json]
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "choose_run.hpp"
#include "command.hpp"
#include "program.hpp"
#include "run_info.hpp"
#include "run_table.hpp"
#include "terminal.hpp"
#include "text_table.hpp"

namespace minivit::cli {

namespace {

struct Options {
  RunRoots roots;
  std::string sort = "date", a, b;
  bool json = false;
};

int list(const Options& options) {
  std::vector<RunInfo> runs = options.roots.find();
  if (runs.empty())
    std::fprintf(
        options.json ? stderr : stdout,
        "no runs in %s\nmake one with: minivit train data.train=FOLDER; or say where they are with --root\n",
        options.roots.str().c_str());
  const RunInfo *latest = latest_run(runs), *best = best_run(runs);
  const std::string latest_path = latest ? latest->path.string() : "",
                    best_path = best ? best->path.string() : "";
  if (options.sort == "accuracy")  // the best last, where the newest is otherwise
    std::stable_sort(runs.begin(), runs.end(), [](const RunInfo& a, const RunInfo& b) {
      return a.best_val_acc.value_or(-1) < b.best_val_acc.value_or(-1);
    });
  if (options.json) {
    io::Json all = io::Json::array();
    for (const RunInfo& run : runs) all.push_back(run_json(run));
    std::printf("%s\n", io::json_text(all, 2).c_str());
    return 0;
  }
  if (runs.empty()) return 0;
  std::fputs(run_table(runs, terminal_width(stdout)).c_str(), stdout);
  if (latest) std::printf("newest model: %s\n", printable(latest_path).c_str());
  if (best) std::printf("best model: %s\n", printable(best_path).c_str());
  return 0;
}

/// The run that a number of the table or a folder names.
RunInfo named(const std::string& name, std::span<const RunInfo> runs, const RunRoots& roots) {
  if (const auto number = to_number<int>(name)) {
    for (const RunInfo& run : runs)
      if (run.number == *number) return run;
    throw ConfigError(str_cat("there is no run ", *number, " in ", roots, ": it has ", runs.size(),
                              " runs; `minivit runs` lists them"));
  }
  std::error_code ignored;
  check<FileError>(std::filesystem::exists(std::filesystem::path(name) / "config.yaml", ignored), name,
                   ": expected a run's number or folder; it has no config.yaml");
  return read_run(name);
}

int diff(const Options& options) {
  const std::vector<RunInfo> runs = options.roots.find();
  const RunInfo a = named(options.a, runs, options.roots), b = named(options.b, runs, options.roots);
  for (const RunInfo* run : {&a, &b})
    if (!run->problem.empty()) std::fprintf(stderr, "minivit runs: %s\n", printable(run->problem).c_str());
  const RunDiff d = diff_runs(a, b);
  std::fputs(options.json ? str_cat(io::json_text(d.json(), 2), '\n').c_str() : d.text().c_str(), stdout);
  return 0;
}

std::function<int()> setup(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.fallthrough();  // options may follow `diff`
  options->roots.add_to(app);
  app.add_option("--sort", options->sort, "date, or accuracy: the best last")
      ->check(CLI::IsMember({"date", "accuracy"}))
      ->capture_default_str();
  app.add_flag("--json", options->json, "as JSON, with all that is known");
  auto* two = app.add_subcommand("diff", "the settings and results in which two runs differ");
  two->add_option("A", options->a, "number in the table, or folder")->required();
  two->add_option("B", options->b, "the same")->required();
  return [options, two] { return two->parsed() ? diff(*options) : list(*options); };
}

}  // namespace

extern constexpr Command runs_command{
    "runs", "Lists the runs of `minivit train`, the newest last, and compares two of them.", setup, false};

}  // namespace minivit::cli
