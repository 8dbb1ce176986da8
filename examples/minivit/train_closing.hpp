// The lines that a training ends with: how good it is, class by class, and what to do next.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "class_results.hpp"
#include "data_facts.hpp"
#include "train_config.hpp"

namespace minivit::cli {

/// A table of the classes, and the images that were right beside those of always answering with the largest
/// class.
std::vector<std::string> result_lines(const ClassResults& results, const std::vector<std::string>& classes);

/// Commands that use the model of a run.
std::vector<std::string> next_lines(const std::filesystem::path& run, Task task = Task::train);

/// `text` as a shell takes it for one word.
std::string shell_word(const std::string& text);

/// `path` as seen from the working directory if it is below that, else as it is.
std::filesystem::path short_path(const std::filesystem::path& path);

}  // namespace minivit::cli
