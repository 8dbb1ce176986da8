// What a program says, on the terminal and in a file.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "minivit/core/check.hpp"
#include "terminal.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Writes lines to standard output and to a log file, and a progress line: on a terminal one that is written
/// over, elsewhere a plain line every half a minute. The file gets neither progress nor colors.
class RunLog {
 public:
  /// Appends to the file. Throws FileError if it cannot be written.
  explicit RunLog(const std::filesystem::path& path, const Terminal& terminal = Terminal::of_stdout())
      : file_(std::fopen(path.c_str(), "ae")), terminal_(terminal) {
    check<FileError>(file_ != nullptr, "cannot write ", path.string(), ": ",
                     std::generic_category().message(errno));
  }
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  ~RunLog() {
    clear_progress();
    std::fclose(file_);
  }

  const Terminal& terminal() const { return terminal_; }

  /// One line, the same in both; or with another look on the terminal.
  void line(std::string_view text) { line(text, text); }
  void line(std::string_view text, std::string_view on_terminal) {
    // In one piece with what takes the progress away, so that nothing flickers.
    write(stdout, str_cat(in_progress_ ? "\r\x1b[K" : "", on_terminal));
    in_progress_ = false;
    write(file_, text);
  }

  /// One line about something that went wrong, to standard error and the file.
  void warning(std::string_view text) {
    clear_progress();
    write(stderr, text);
    write(file_, text);
  }

  /// To the file alone.
  void note(std::string_view text) { write(file_, text); }

  /// Whether a progress line would be shown now: every tenth of a second on a terminal, every thirty seconds
  /// elsewhere.
  bool wants_progress() const {
    return std::chrono::steady_clock::now() - shown_ >=
           (terminal_.interactive ? std::chrono::milliseconds(100) : std::chrono::milliseconds(30'000));
  }

  /// A line that on a terminal the next one replaces.
  void progress(std::string_view text) {
    if (!wants_progress()) return;
    shown_ = std::chrono::steady_clock::now();
    if (!terminal_.interactive) return write(stdout, text);
    const std::string whole = str_cat("\r", text, "\x1b[K");
    std::fwrite(whole.data(), 1, whole.size(), stdout);
    std::fflush(stdout);
    in_progress_ = true;
  }

 private:
  static void write(std::FILE* to, std::string_view text) {
    const std::string whole = str_cat(text, '\n');
    std::fwrite(whole.data(), 1, whole.size(), to);
    std::fflush(to);
  }

  void clear_progress() {
    if (!in_progress_) return;
    std::fputs("\r\x1b[K", stdout);
    std::fflush(stdout);
    in_progress_ = false;
  }

  std::FILE* file_;
  Terminal terminal_;
  bool in_progress_ = false;
  std::chrono::steady_clock::time_point shown_ =
      terminal_.interactive ? std::chrono::steady_clock::time_point{} : std::chrono::steady_clock::now();
};

}  // namespace minivit::inline MINIVIT_ABI
