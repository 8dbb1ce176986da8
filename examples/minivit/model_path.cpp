// The way from what was typed to a model folder.
#include "model_path.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <vector>

#include "fetch_list.hpp"
#include "minivit/core/atomic_directory.hpp"
#include "minivit/core/check.hpp"
#include "run_info.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// A folder that was being replaced when a program ended is put back first.
bool is_model_of_run(const fs::path& folder) {
  io::recover_directory(folder);
  return is_model_folder(folder);
}

/// best/ of a run folder; throws FileError if there is none.
fs::path best_of_run(const fs::path& run) {
  if (is_model_of_run(run / "best")) return run / "best";
  check<FileError>(!is_model_of_run(run / "last"), run.native(),
                   ": no epoch of this run is finished, there is no best/ yet; as it is now it is ",
                   (run / "last").native());
  throw FileError(str_cat(run.native(), ": this run has no model: neither best/ nor last/"));
}

/// The only run with a model below `folder`; `folder` if there is no run at all.
fs::path only_run_below(const fs::path& folder) {
  std::vector<RunInfo> runs = find_runs(std::array{folder});
  if (runs.empty()) return folder;
  const std::size_t all = runs.size();
  std::erase_if(runs, [](const RunInfo& run) { return !run.has_model; });
  check<FileError>(!runs.empty(), folder.native(), ": none of the ", all, " runs in it has a model");
  if (runs.size() == 1) return runs[0].model();
  std::string names;
  constexpr std::size_t kShown = 5;
  for (std::size_t i = 0; i < std::min(kShown, runs.size()); ++i)
    names += str_cat(i > 0 ? ", " : "", runs[runs.size() - 1 - i].path.native());
  throw FileError(str_cat(folder.native(), ": there are ", runs.size(), " runs with a model in it: ", names,
                          runs.size() > kShown ? ", …" : "", "; name one, or say --latest --root ",
                          folder.native()));
}

}  // namespace

bool is_model_folder(const fs::path& folder) {
  return is_there(folder / "model.safetensors") || is_there(folder / "config.json");
}

fs::path find_model(const std::string& typed, const char* option) {
  check<ConfigError>(
      !typed.empty(), option,
      " is empty, expected a folder: of a run, or of a model with config.json and model.safetensors");
  fs::path path = typed;
  std::error_code error;
  if (!is_there(path)) io::recover_directory(path);
  if (!is_there(path)) {
    const std::string hint = fetch_hint(typed);
    throw FileError(str_cat(typed, ": no such file or folder",
                            hint.empty() ? "; expected a run folder, a model folder with config.json and "
                                           "model.safetensors, or a safetensors file"
                                         : hint));
  }
  constexpr std::array<std::string_view, 5> kBeside{"config.json", "preprocessor_config.json", "config.yaml",
                                                    "result.json", "class_mapping.json"};
  if (!fs::is_directory(path, error)) {
    if (std::ranges::find(kBeside, path.filename().native()) == kBeside.end()) return path;
    path = path.has_parent_path() ? path.parent_path() : fs::path(".");
  }
  if (is_model_folder(path)) return path;
  if (is_there(path / "config.yaml")) return best_of_run(path);
  for (const char* const part : {"best", "last"})
    if (is_model_of_run(path / part)) return best_of_run(path);
  return only_run_below(path);
}

}  // namespace minivit::cli
