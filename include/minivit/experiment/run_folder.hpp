// The folder of a run: outputs/DATE/TIME, one for each run even if two start in the same second.
#pragma once

#include <ctime>
#include <filesystem>
#include <string>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Local time in strftime's `format`.
inline std::string local_time(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char buffer[64];
  return {buffer, std::strftime(buffer, sizeof buffer, format, &parts)};
}

/// Makes and returns `base`/YYYY-MM-DD/HH-MM-SS, or the same with _2, _3, … if another run has it: a folder
/// is only used by who made it. Throws FileError if it cannot be made.
inline std::filesystem::path make_run_folder(const std::filesystem::path& base) {
  std::error_code error;
  const std::filesystem::path day = base / local_time("%Y-%m-%d");
  std::filesystem::create_directories(day, error);
  check<FileError>(!error, "cannot make the folder ", day.string(), ": ", error.message());
  const std::string time = local_time("%H-%M-%S");
  for (int i = 1;; ++i) {
    const std::filesystem::path folder = day / (i == 1 ? time : concat(time, "_", i));
    if (std::filesystem::create_directory(folder, error)) return folder;  // false if it was there already
    check<FileError>(!error, "cannot make the folder ", folder.string(), ": ", error.message());
  }
}

}  // namespace minivit::inline MINIVIT_ABI
