// Choice and settings of a run that goes on.
#include "resume.hpp"

#include <algorithm>
#include <array>
#include <system_error>

#include "minivit/core/atomic_file.hpp"
#include "program.hpp"
#include "run_info.hpp"
#include "train_run.hpp"
#include "train_sweep.hpp"
#include "yaml.hpp"

namespace minivit::cli {

namespace {

/// The value of an override of this name, which is taken out; `otherwise` if there is none.
std::string taken(std::vector<std::string>& overrides, std::string_view name, std::string otherwise) {
  for (const std::string& text : overrides)
    if (override_name(text) == name && text.find('=') != std::string::npos)
      otherwise = text.substr(text.find('=') + 1);
  std::erase_if(overrides, [&](const std::string& text) { return override_name(text) == name; });
  return otherwise;
}

/// Settings that do not change the result; the folders may be called otherwise, the images are compared.
bool may_change(std::string_view name) {
  return name == "training.epochs" || name == "training.time_limit" || name == "training.patience" ||
         name == "training.save_seconds" || name == "data.workers" || name == "data.cache_mb" ||
         name == "data.bad_fraction" || name == "data.train" || name == "data.val" || name == "data.test" ||
         name.starts_with("log.") || name.starts_with(kNotes);
}

}  // namespace

std::filesystem::path resumed_folder(const std::string& given, std::vector<std::string>& overrides) {
  std::error_code ignored;
  const std::filesystem::path folder(given);
  if (std::filesystem::exists(folder / "model.safetensors", ignored) &&
      std::filesystem::exists(folder / ".." / "config.yaml",
                              ignored))  // best/ or last/ of the run that is meant
    return std::filesystem::absolute(folder / "..", ignored).lexically_normal();
  if (given != "latest" || std::filesystem::exists(std::filesystem::path(given) / "config.yaml", ignored) ||
      is_sweep(given))
    return given;
  const std::filesystem::path roots[] = {taken(overrides, "output.dir", "outputs"),
                                         taken(overrides, "output.multirun", "multirun")};
  const std::vector<RunInfo> runs = find_runs(roots);
  check<ConfigError>(!runs.empty(), "--resume latest: no runs in ", roots[0].string(), " and ",
                     roots[1].string());
  const std::filesystem::path run = runs.back().path;  // the newest
  return is_sweep(run.parent_path()) ? run.parent_path() : run;
}

void ResumedRun::write(const std::filesystem::path& run) const {
  if (config.training.epochs == epochs_before) return;
  for (const NewFile& file : files_of(config, overrides))
    io::write_file_atomically(run / file.name, file.content);
}

ResumedRun resumed_run(const std::filesystem::path& run, std::span<const std::string> overrides, Task task) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(run / "config.yaml", error)) {
    const std::vector<RunInfo> below = find_runs(std::array{run});
    throw FileError(str_cat(run.string(), ": is no run folder, there is no config.yaml in it",
                            below.empty() ? std::string()
                                          : str_cat("; the newest of the ", below.size(), " in it is ",
                                                    below.back().path.string())));
  }
  TrainConfig names(task);
  const Settings schema = names.settings();
  std::vector<Assignment> assignments = respelled(read_yaml(run / "config.yaml"), schema);
  const Task began_as = is_of_pretraining(assignments) ? Task::pretrain : Task::train;
  check<ConfigError>(began_as == task, run.string(), ": is a run of ", command_of(began_as),
                     "; to go on with it: ", command_of(began_as), " --resume ", run.string());
  ResumedRun resumed;
  resumed.epochs_before = TrainConfig::from(assignments, true, task).training.epochs;
  if (std::filesystem::exists(run / "overrides.yaml", error))
    resumed.overrides = read_yaml_list(run / "overrides.yaml");
  for (const std::string& text : overrides) {
    apply_override(assignments, text, schema);
    const std::string_view name = override_name(text);
    check<ConfigError>(
        may_change(name), name,
        ": a run goes on as it began; only training.time_limit, training.patience, "
        "training.save_seconds, data.workers, data.cache_mb, data.bad_fraction, log.* and, to make it "
        "longer, training.epochs may change, and data.train, data.val and data.test if the images "
        "were moved");
    check<ConfigError>(name != "training.epochs" || !text.starts_with('~'), text,
                       ": write how many epochs, as training.epochs=20");
  }
  resumed.config = TrainConfig::from(assignments, true, task);
  // What the command line said before about the length counts no more.
  if (resumed.config.training.epochs != resumed.epochs_before) {
    std::erase_if(resumed.overrides,
                  [](const std::string& text) { return override_name(text) == "training.epochs"; });
    resumed.overrides.push_back(str_cat("training.epochs=", resumed.config.training.epochs));
  }
  return resumed;
}

std::string nothing_left(const std::filesystem::path& run, const TrainConfig& config) {
  const RunInfo info = read_run(run);
  const std::int64_t epochs = config.training.epochs;
  std::error_code ignored;
  if (info.status != "finished" || info.epochs_done.value_or(0) < epochs || !info.has_model ||
      !std::filesystem::exists(run / "last", ignored))
    return {};
  return str_cat(run.string(), ": ",
                 epochs == 1 ? "its only epoch is" : str_cat("all ", epochs, " epochs are"),
                 " done; to train longer: ", command_of(config.task), " --resume ", run.string(),
                 " training.epochs=", 2 * epochs);
}

bool same_start(const CosineSchedule& a, const CosineSchedule& b, std::int64_t steps) {
  for (std::int64_t step = 0; step < steps; ++step)
    if (a(step) != b(step)) return false;
  return true;
}

std::vector<std::string> explain_length(const std::filesystem::path& run, const CosineSchedule& before,
                                        const CosineSchedule& after, std::int64_t epochs_before,
                                        std::int64_t epochs, std::int64_t steps, Task task) {
  const std::string now = str_cat("training.epochs is now ", epochs, ", it was ", epochs_before, ": ");
  if (same_start(before, after, steps))
    return {str_cat(now,
                    "the learning rate so far is the same for both, so the run ends as one that began with ",
                    epochs, " epochs, to the bit")};
  return {
      str_cat(now, "the learning rate goes on as that of a run of ", epochs, " epochs, at ",
              format("%.3g", after(steps)), " where the last step had ", format("%.3g", before(steps - 1))),
      str_cat("so far it was that of ", epochs_before,
              " epochs: the result is not that of a run that began with ", epochs,
              "; for that one: ", command_of(task), " --config ", (run / "config.yaml").string())};
}

}  // namespace minivit::cli
