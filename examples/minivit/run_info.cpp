// Run folders, found and read.
#include "run_info.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/core/number.hpp"
#include "minivit/io/json.hpp"
#include "run_files.hpp"
#include "run_lock.hpp"
#include "train_config.hpp"

namespace minivit::cli {

namespace {

/// True if `text` has digits where `pattern` has 0, and its other characters.
bool fits(std::string_view text, std::string_view pattern) {
  return text.size() == pattern.size() &&
         std::equal(text.begin(), text.end(), pattern.begin(),
                    [](char c, char p) { return p == '0' ? c >= '0' && c <= '9' : c == p; });
}

std::string time_of_file(const std::filesystem::path& path) {
  struct stat status {};
  std::tm parts{};
  if (::stat(path.c_str(), &status) != 0 || !localtime_r(&status.st_mtime, &parts)) return {};
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

/// Reads result.json. Throws FileError if it cannot be read at all.
void read_result(RunInfo& run) {
  const std::filesystem::path path = run.path / "result.json";
  add_result(run, io::read_json_file(path, {.max_bytes = kMaxYamlBytes}), path.native());
}

/// The same from training_history.csv, for want of a result.
void read_history(RunInfo& run) {
  constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
  add_history(run, io::read_file(run.path / "training_history.csv", kMaxBytes));
}

/// Calls `read`; if it fails, notes why.
template <class Read>
bool readable(RunInfo& run, const Read& read) {
  try {
    read();
    return true;
  } catch (const Error& e) {
    run.out_of_reach = run.out_of_reach || dynamic_cast<const AccessError*>(&e) != nullptr;
    run.problem += str_cat(run.problem.empty() ? "" : "; ", e.what());
    return false;
  }
}

/// A folder that was looked through: a run, or one that the system does not let be read.
struct Found {
  std::filesystem::path path;
  std::string problem;
};

/// Adds the folders at `folder` and so many levels below it that have a config.yaml or cannot be read.
/// `seen`: what has been looked at, by device and number, so that links in a circle end and nothing is found
/// twice.
void find_run_folders(const std::filesystem::path& folder, int levels,
                      std::set<std::pair<std::uint64_t, std::uint64_t>>& seen, std::vector<Found>& found) {
  const auto unreadable = [&](const std::string& reason) {
    found.push_back({folder, str_cat("cannot read ", folder.native(), ": ", reason)});
  };
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) {
    if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) unreadable(io::detail::reason(errno));
    return;
  }
  if (!S_ISDIR(status.st_mode) || !seen.emplace(status.st_dev, status.st_ino).second) return;
  std::error_code error;
  if (std::filesystem::exists(folder / "config.yaml", error)) found.push_back({folder, {}});
  if (error) return unreadable(error.message());
  std::vector<std::filesystem::path> inside;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && levels > 0 && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (!name.starts_with('.') && entry->is_directory(ignored)) inside.push_back(entry->path());
  }
  if (error) unreadable(error.message());
  std::sort(inside.begin(), inside.end());  // a run with two names always has the same
  for (const auto& path : inside) find_run_folders(path, levels - 1, seen, found);
}

}  // namespace

const std::string* RunInfo::setting(std::string_view name) const {
  for (const auto& [key, value] : settings)
    if (key == name) return &value;
  return nullptr;
}

RunPlace RunPlace::of(const std::filesystem::path& path) {
  // Relative paths such as "." have no names to look at.
  std::error_code ignored;
  std::filesystem::path p = std::filesystem::absolute(path, ignored).lexically_normal();
  if (!p.has_filename()) p = p.parent_path();
  RunPlace place;
  if (const auto job = to_number<int>(p.filename().string()); job && *job >= 0) {
    place.job = *job;
    p = p.parent_path();
  }
  std::string time = p.filename().string();
  const std::string day = p.parent_path().filename().string();
  if (const auto at = time.find('_'); at != std::string::npos) {
    place.copy = to_number<int>(std::string_view(time).substr(at + 1)).value_or(0);
    time.resize(at);
  }
  if (!fits(time, "00-00-00") || !fits(day, "0000-00-00") || place.copy < 1) return {};
  std::replace(time.begin(), time.end(), '-', ':');
  place.date = day + " " + time;
  return place;
}

RunInfo read_run(const std::filesystem::path& path) {
  RunInfo run;
  run.path = path;
  std::error_code ignored;
  run.has_model = std::filesystem::is_regular_file(path / "best" / "model.safetensors", ignored);
  run.status = "unknown";
  const bool result =
      std::filesystem::exists(path / "result.json", ignored) && readable(run, [&] { read_result(run); });
  if (!result && std::filesystem::exists(path / "training_history.csv", ignored))
    readable(run, [&] { read_history(run); });
  if (std::filesystem::exists(path / "overrides.yaml", ignored))
    readable(run, [&] { run.overrides = read_yaml_list(path / "overrides.yaml"); });
  if (!readable(run, [&] { run.settings = read_yaml_settings(path / "config.yaml"); }))
    run.status = "unreadable";
  TrainConfig names;
  const Settings schema = names.settings();
  for (auto& [name, value] : run.settings) {
    Settings::Spelling now = schema.spelling(name, value);
    name = std::move(now.name), value = std::move(now.value);
  }
  if (run.status.empty()) run.status = "unknown";
  // What says that it runs may have ended since, which the result that is there now tells, or have been
  // killed. A run that is made, as those of a sweep are, may not have begun.
  if (run.status == "running" && !in_use(path)) {
    readable(run, [&] { read_result(run); });
    if (run.status == "running" && !in_use(path)) run.status = "stopped";
  }
  if (!result && run.status == "unknown" && run.problem.empty() && !run.epochs_done) run.status = "waiting";
  if (!run.epochs)
    if (const std::string* epochs = run.setting("training.epochs"))
      run.epochs = to_number<std::int64_t>(*epochs);
  if (fits(run.started, "0000-00-00 00:00:00"))
    run.date = run.started;
  else if (run.date = RunPlace::of(path).date; run.date.empty())
    run.date = time_of_file(path / "config.yaml");
  return run;
}

std::vector<RunInfo> find_runs(std::span<const std::filesystem::path> roots) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  std::vector<Found> folders;
  for (const auto& root : roots) find_run_folders(root, 3, seen, folders);
  std::vector<RunInfo> found;
  for (Found& folder : folders) {
    if (folder.problem.empty()) {
      found.push_back(read_run(folder.path));
      continue;
    }
    RunInfo run;
    run.path = std::move(folder.path), run.problem = std::move(folder.problem);
    run.status = "unreadable", run.out_of_reach = true;
    run.date = RunPlace::of(run.path).date;
    found.push_back(std::move(run));
  }
  std::vector<std::pair<std::tuple<std::string, int, int, std::string>, std::size_t>> order;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto place = RunPlace::of(found[i].path);
    order.push_back({{found[i].date, place.copy, place.job, found[i].path.string()}, i});
  }
  std::sort(order.begin(), order.end());
  std::vector<RunInfo> runs;
  for (const auto& [key, i] : order) {
    runs.push_back(std::move(found[i]));
    runs.back().number = static_cast<int>(runs.size());
  }
  return runs;
}

void check_in_reach(std::span<const RunInfo> runs) {
  for (const RunInfo& run : runs)
    check<AccessError>(!run.out_of_reach, run.problem,
                       "; until it can be read, name runs by their folders, as --run FOLDER");
}

const RunInfo* latest_run(std::span<const RunInfo> runs) {
  for (std::size_t i = runs.size(); i-- > 0;)
    if (runs[i].has_model) return &runs[i];
  return nullptr;
}

const RunInfo* best_run(std::span<const RunInfo> runs) {
  const RunInfo* best = nullptr;
  for (const RunInfo& run : runs)
    if (run.has_model && run.best_val_acc && !(best && *best->best_val_acc > *run.best_val_acc)) best = &run;
  return best;
}

}  // namespace minivit::cli
