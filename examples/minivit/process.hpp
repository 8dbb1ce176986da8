// Other programs: run, read, not waited for for ever.
#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace minivit::cli {

/// How a program ended.
struct ProcessResult {
  int code = -1;       ///< exit code; -1: it did not start, was killed or took too long
  std::string output;  ///< of standard output and standard error, at most 64 KiB
  std::string error;   ///< why the code is -1
};

/// Runs a program, found in PATH, without a shell, in the folder `directory` (empty: this one), and kills it
/// after `seconds`. Never throws for what the program does.
ProcessResult run_process(std::span<const std::string> command, double seconds,
                          const std::filesystem::path& directory = {});

/// Runs a program, found in PATH, without a shell, whose messages and progress go to our standard error.
/// Returns its exit code; 128 and the signal if that ended it. Throws FileError if it cannot be started.
int run_in_sight(std::span<const std::string> command);

}  // namespace minivit::cli
