// One training in its run folder: begun, or taken up where it stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "run_folder.hpp"
#include "train_config.hpp"

namespace minivit::cli {

/// The files that a run folder begins with: the settings with paths from the root on, and what was typed.
std::vector<NewFile> files_of(const TrainConfig& config, std::span<const std::string> overrides);

/// A new run, of the task that the settings are of. Nothing is written before everything is known to fit.
/// `explain`: only says what is chosen for the images and the time, see recipe_choice.hpp.
int start_run(TrainConfig config, std::span<const std::string> overrides, std::int64_t until_epoch,
              bool explain = false);

/// Goes on with a run of this task. Of its settings only those can be changed that do not change the result,
/// and its length, see resume.hpp.
int resume_run(const std::filesystem::path& folder, std::span<const std::string> overrides,
               std::int64_t until_epoch, Task task = Task::train);

}  // namespace minivit::cli
