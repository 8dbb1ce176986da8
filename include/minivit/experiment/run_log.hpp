// What a program says, on the terminal and in a file.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Writes lines to standard output and to a log file, and a progress line that is overwritten, the latter
/// only if standard output is a terminal.
class RunLog {
 public:
  /// Throws FileError if the file cannot be written.
  explicit RunLog(const std::filesystem::path& path)
      : file_(std::fopen(path.c_str(), "a")), terminal_(::isatty(STDOUT_FILENO) == 1) {
    check<FileError>(file_ != nullptr, "cannot write ", path.string());
  }
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  ~RunLog() { std::fclose(file_); }

  /// One line.
  void line(std::string_view text) {
    clear_progress();
    std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
    std::fflush(stdout);
    std::fprintf(file_, "%.*s\n", static_cast<int>(text.size()), text.data());
    std::fflush(file_);
  }

  /// One line about something that went wrong, to standard error and the file.
  void warning(std::string_view text) {
    clear_progress();
    std::fflush(stdout);
    std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
    std::fprintf(file_, "%.*s\n", static_cast<int>(text.size()), text.data());
    std::fflush(file_);
  }

  /// A line that the next one replaces; at most ten times a second.
  void progress(std::string_view text) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ || now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    std::printf("\r%.*s\x1b[K", static_cast<int>(text.size()), text.data());
    std::fflush(stdout);
    in_progress_ = true;
  }

 private:
  void clear_progress() {
    if (in_progress_) std::printf("\r\x1b[K");
    in_progress_ = false;
  }

  std::FILE* file_;
  bool terminal_, in_progress_ = false;
  std::chrono::steady_clock::time_point shown_{};
};

}  // namespace minivit::inline MINIVIT_ABI
