// Messages of a run, on the terminal and in a file.
#pragma once

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

#include "terminal.hpp"

namespace minivit::cli {

/// Writes lines to standard output and to a log file, and a progress line: on a terminal one that is written
/// over, elsewhere a plain line every half a minute. The file gets neither progress nor colors. What names
/// and messages hold cannot steer the terminal, see printable.hpp.
class RunLog {
 public:
  /// Appends to the file. Throws FileError if it cannot be written.
  explicit RunLog(const std::filesystem::path& path, const Terminal& terminal = Terminal::of_stdout());
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  ~RunLog();

  const Terminal& terminal() const { return terminal_; }

  /// One line, the same in both; or with another look on the terminal, which is written as it is.
  void line(std::string_view text);
  void line(std::string_view text, std::string_view on_terminal);

  /// One line about something that went wrong, to standard error and the file.
  void warning(std::string_view text);

  /// To the file alone.
  void note(std::string_view text);

  /// Whether the file has everything. The first line that it cannot take is followed by a warning; the
  /// training goes on.
  bool complete() const { return complete_; }

  /// Whether a progress line would be shown now: every tenth of a second on a terminal, every thirty seconds
  /// elsewhere.
  bool wants_progress() const;

  /// A line that on a terminal the next one replaces.
  void progress(std::string_view text);

 private:
  static bool write(std::FILE* to, std::string_view text);

  void keep(std::string_view text);

  void clear_progress();

  std::filesystem::path path_;
  std::FILE* file_;
  bool complete_ = true;
  Terminal terminal_;
  bool in_progress_ = false;
  std::chrono::steady_clock::time_point shown_ =
      terminal_.interactive ? std::chrono::steady_clock::time_point{} : std::chrono::steady_clock::now();
};

}  // namespace minivit::cli
