// The runs of `minivit train`, listed, compared, moved to a bin:
//   runs [--root DIR]... [--sort date|accuracy] [--limit N] [--status S] [--data TEXT] [--where NAME=VALUE]
//   [--json] runs diff A B [--json] runs delete A...
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "choose_run.hpp"
#include "command.hpp"
#include "escaped.hpp"
#include "minivit/core/number.hpp"
#include "option_checks.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "run_bin.hpp"
#include "run_data.hpp"
#include "run_info.hpp"
#include "run_table.hpp"
#include "terminal.hpp"
#include "train_config.hpp"
#include "train_sweep.hpp"

namespace minivit::cli {

namespace {

/// Which of the runs are listed.
struct Filter {
  std::string status, data;
  std::vector<std::string> where;
  std::size_t limit = 0;

  bool takes(const RunInfo& run) const {
    if (!status.empty() && run.status != status) return false;
    if (data_of(run).find(data) == std::string::npos) return false;
    return std::ranges::all_of(where, [&](const std::string& text) {
      const std::size_t equals = text.find('=');
      const std::string* value = run.setting(std::string_view(text).substr(0, equals));
      return value && same_value(*value, std::string_view(text).substr(equals + 1));
    });
  }
};

struct RunsOptions {
  RunRoots roots;
  Filter filter;
  std::string sort = "date", a, b;
  std::vector<std::string> deleted;
  bool json = false;
};

/// The best run of each kind of data, in words.
void print_best(std::span<const RunInfo> runs) {
  if (const RunInfo* latest = latest_run(runs))
    std::printf("newest model: %s\n", printable(latest->path.string()).c_str());
  std::vector<DataGroup> groups = by_data(runs);
  std::erase_if(groups, [](const DataGroup& group) { return best_run(group.runs) == nullptr; });
  for (const DataGroup& group : groups)
    std::printf("best model%s: %s\n", groups.size() > 1 ? str_cat(" on ", printable(group.data)).c_str() : "",
                printable(best_run(group.runs)->path.string()).c_str());
}

/// Throws ConfigError if --where names a setting that there is not, nor in any run.
void check_where(std::span<const std::string> where, std::span<const RunInfo> runs) {
  TrainConfig config;
  const Settings schema = config.settings();
  for (const std::string& text : where) {
    const std::string name = text.substr(0, text.find('='));
    check<ConfigError>(!name.empty() && name != text, "--where is ", text,
                       ", expected a setting and its value, as training.lr=0.001");
    if (std::ranges::none_of(runs, [&](const RunInfo& run) { return run.setting(name) != nullptr; }))
      schema.check_name(name);
  }
}

/// "; their status is finished or stopped": what --status may be.
std::string statuses_of(std::span<const RunInfo> runs) {
  std::set<std::string> all;
  for (const RunInfo& run : runs) all.insert(run.status);
  std::string text;
  for (const std::string& one : all)
    text += str_cat(text.empty() ? "; their status is " : " or ", printable(one));
  return text;
}

int list(const RunsOptions& options) {
  std::vector<RunInfo> runs = options.roots.find();
  check_where(options.filter.where, runs);
  const std::string statuses = options.filter.status.empty() ? std::string() : statuses_of(runs);
  const std::size_t all = runs.size();
  bool complete = true;
  for (const RunInfo& run : runs) {
    if (!run.out_of_reach) continue;
    complete = false;
    std::fprintf(stderr, "minivit runs: %s\n", printable(run.problem).c_str());
  }
  std::erase_if(runs, [&](const RunInfo& run) { return !run.out_of_reach && !options.filter.takes(run); });
  if (const std::size_t limit = options.filter.limit; limit > 0 && runs.size() > limit)
    runs.erase(runs.begin(), runs.end() - static_cast<std::ptrdiff_t>(limit));
  std::FILE* const notes = options.json ? stderr : stdout;
  if (all == 0)
    std::fprintf(
        notes,
        "no runs in %s\nmake one with: minivit train data.train=FOLDER; or say where they are with --root\n",
        options.roots.str().c_str());
  else if (runs.empty())
    std::fprintf(notes, "none of the %zu runs in %s is of this kind%s\n", all, options.roots.str().c_str(),
                 statuses.c_str());
  const std::vector<RunInfo> by_date = runs;
  if (options.sort == "accuracy")  // the best last, where the newest is otherwise
    std::stable_sort(runs.begin(), runs.end(), [](const RunInfo& a, const RunInfo& b) {
      return a.best_val_acc.value_or(-1) < b.best_val_acc.value_or(-1);
    });
  if (options.json) {
    io::Json array = io::Json::array();
    for (const RunInfo& run : runs) array.push_back(run_json(run));
    std::printf("%s\n", shown_json(io::json_text(array, 2)).c_str());
    return complete ? 0 : 1;
  }
  if (runs.empty()) return 0;
  std::fputs(run_table(runs, terminal_width(stdout)).c_str(), stdout);
  if (runs.size() < all) std::printf("%zu of %zu runs\n", runs.size(), all);
  print_best(by_date);
  return complete ? 0 : 1;
}

/// The run that a number of the table or a folder names.
RunInfo named(const std::string& name, std::span<const RunInfo> runs, const RunRoots& roots) {
  if (const auto number = to_number<int>(name)) {
    check_in_reach(runs);
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

int diff(const RunsOptions& options) {
  const std::vector<RunInfo> runs = options.roots.find();
  const RunInfo a = named(options.a, runs, options.roots), b = named(options.b, runs, options.roots);
  for (const RunInfo* run : {&a, &b})
    if (!run->problem.empty()) std::fprintf(stderr, "minivit runs: %s\n", printable(run->problem).c_str());
  const RunDiff d = diff_runs(a, b);
  std::fputs(options.json ? str_cat(shown_json(io::json_text(d.json(), 2)), '\n').c_str() : d.text().c_str(),
             stdout);
  return 0;
}

int move_runs_to_bin(const RunsOptions& options) {
  const std::vector<RunInfo> runs = options.roots.find();
  std::vector<std::filesystem::path>
      folders;  // all of them are found before one is moved: numbers change then
  for (const std::string& name : options.deleted) {
    std::filesystem::path folder =
        is_sweep(name) ? std::filesystem::path(name) : named(name, runs, options.roots).path;
    if (std::ranges::find(folders, folder) == folders.end()) folders.push_back(std::move(folder));
  }
  for (const auto& folder : folders) {
    const auto now = move_to_bin(folder, options.roots.paths());
    std::printf("%s is now %s\n", printable(folder.native()).c_str(), printable(now.native()).c_str());
  }
  std::printf("mv brings a run back; rm -r of the folder %s removes what is in it for good\n", kBin);
  return 0;
}

std::function<int()> setup_runs(CLI::App& app) {
  const auto options = std::make_shared<RunsOptions>();
  app.fallthrough();  // options may follow `diff`
  options->roots.add_to(app);
  app.add_option("--sort", options->sort, "date, or accuracy: the best last")
      ->check(CLI::IsMember({"date", "accuracy"}))
      ->capture_default_str();
  app.add_option("--limit", options->filter.limit, "only the newest so many; 0: all")
      ->check(number_from<std::int64_t>(0));
  app.add_option("--status", options->filter.status,
                 "only runs of this status, as finished, interrupted or running");
  app.add_option("--data", options->filter.data,
                 "only runs whose data.train or data.val has this in its name");
  app.add_option("--where", options->filter.where,
                 "only runs with this value of a setting, as training.lr=0.001; can be repeated")
      ->allow_extra_args(false);
  app.add_flag("--json", options->json, "as JSON, with all that is known");
  auto* two = app.add_subcommand("diff", "the settings and results in which two runs differ");
  two->add_option("A", options->a, "number in the table, or folder")->required();
  two->add_option("B", options->b, "the same")->required();
  auto* bin = app.add_subcommand("delete", "moves runs to a bin, a hidden folder beside them");
  bin->add_option("RUN", options->deleted, "numbers in the table, or folders of runs or sweeps")->required();
  return [options, two, bin] {
    return two->parsed() ? diff(*options) : bin->parsed() ? move_runs_to_bin(*options) : list(*options);
  };
}

}  // namespace

extern constexpr Command runs_command{
    "runs", "Lists the runs of `minivit train`, the newest last, compares two, deletes some.", setup_runs,
    false};

}  // namespace minivit::cli
