// Choice of a model: a directory that is named, the latest or the best run, or one from a list.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "minivit/io/model_folder.hpp"

namespace CLI {
class App;
}
namespace minivit::cli {

struct RunInfo;

/// Writes `question` and reads a line, without the blanks around it. Nothing at the end of the input.
std::optional<std::string> ask(std::FILE* out, const char* question);

/// Where runs are looked for: what --root says, or where `minivit train` puts them.
struct RunRoots {
  std::vector<std::string> names;

  void add_to(CLI::App& app);
  std::vector<std::filesystem::path> paths() const;
  std::vector<RunInfo> find() const;

  /// The folders, with a word about those that are not there.
  std::string str() const;
};

/// The command-line options that say which model, and what they mean.
struct ModelChoice {
  std::string architecture, data;
  std::optional<std::string> run, model;  // an empty name is a name, if a wrong one: nobody is asked then
  bool latest = false, best = false;
  std::int64_t num_heads = 0;
  bool not_finite = false;
  RunRoots roots;

  /// required: one of the options has to be given; otherwise the user can be asked.
  void add_to(CLI::App& app, bool required);

  /// True if the options say which model.
  bool made() const { return run || model || latest || best; }

  /// Reads the model of a folder that was chosen. Says on standard error what had to be guessed.
  ModelBundle load(const std::filesystem::path& folder) const;
  ModelBundle load() const { return load(folder()); }

  /// The model folder of a choice that is made, see find_model. With --latest and --best it says on standard
  /// error what it chose among: the accuracies of runs on other data are not compared. Throws ConfigError if
  /// there is no run.
  std::filesystem::path folder() const;

  /// The model folder of the run whose number in a table the user types; empty input is the newest that has
  /// finished an epoch. Of a run without one it is last/. Throws ConfigError if there is no run, at the end
  /// of the input, and after three wrong answers.
  std::filesystem::path ask_for_folder(std::FILE* out) const;

 private:
  /// Those with a model; `unfinished`: also those that have only last/.
  std::vector<RunInfo> trained_runs(bool unfinished) const;

  std::filesystem::path best_folder() const;
  std::filesystem::path latest_folder() const;
  void say(const std::string& text) const;

  std::string program_;  // for messages
};

}  // namespace minivit::cli
