// The model that a path means: a model folder, a file in it, or a run folder above it.
#pragma once

#include <filesystem>
#include <string>

namespace minivit::cli {

/// The model folder or safetensors file that `typed` means, a path from the option `option` (for messages):
/// itself; the folder that a file of a model or run lies in; best/ of a run folder; the only trained run
/// below a folder. Throws FileError that says what is there instead: a run that has only last/, several runs,
/// nothing; for a name as the Hugging Face hub has them also how to fetch it. A folder in which nothing is
/// recognized is returned as it is: whoever loads it says what it lacks. Throws
/// ConfigError for an empty name.
std::filesystem::path find_model(const std::string& typed, const char* option);

/// True if a folder holds a model, or a configuration of one.
bool is_model_folder(const std::filesystem::path& folder);

}  // namespace minivit::cli
