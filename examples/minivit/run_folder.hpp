// The folder of a run: outputs/DATE/TIME, one for each run even if two start in the same second.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "run_lock.hpp"

namespace minivit::cli {

/// Local time in strftime's `format`.
std::string local_time(const char* format);

/// A file that a new folder begins with; its name may have folders in it.
struct NewFile {
  std::string name, content;
};

/// Makes and returns `base`/YYYY-MM-DD/HH-MM-SS, or the same with _2, _3, … if another run has it: a folder
/// is only used by who made it. It appears with its files in it, so whatever comes later, a run can be told
/// from what it began with. Throws FileError if it cannot be made; nothing is left then.
std::filesystem::path make_run_folder(const std::filesystem::path& base, std::span<const NewFile> files = {});

}  // namespace minivit::cli
