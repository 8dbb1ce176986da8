// Lines for the terminal and the log file.
#include "run_log.hpp"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "minivit/core/check.hpp"
#include "printable.hpp"

namespace minivit::cli {

RunLog::RunLog(const std::filesystem::path& path, const Terminal& terminal)
    : path_(path), file_(std::fopen(path.c_str(), "ae")), terminal_(terminal) {
  check<FileError>(file_ != nullptr, "cannot write ", path.string(), ": ",
                   std::generic_category().message(errno));
}

RunLog::~RunLog() {
  clear_progress();
  std::fclose(file_);
}

void RunLog::line(std::string_view text) {
  const std::string shown = printable_lines(text);
  line(shown, shown);
}

void RunLog::line(std::string_view text, std::string_view on_terminal) {
  // In one piece with what takes the progress away, so that nothing flickers.
  write(stdout, str_cat(in_progress_ ? "\r\x1b[K" : "", on_terminal));
  in_progress_ = false;
  keep(text);
}

void RunLog::warning(std::string_view text) {
  const std::string shown = printable_lines(text);
  clear_progress();
  write(stderr, shown);
  keep(shown);
}

void RunLog::note(std::string_view text) { keep(printable_lines(text)); }

bool RunLog::wants_progress() const {
  return std::chrono::steady_clock::now() - shown_ >=
         (terminal_.interactive ? std::chrono::milliseconds(100) : std::chrono::milliseconds(30'000));
}

void RunLog::progress(std::string_view text) {
  if (!wants_progress()) return;
  shown_ = std::chrono::steady_clock::now();
  if (!terminal_.interactive) {
    write(stdout, text);
    return;
  }
  const std::string whole = str_cat("\r", text, "\x1b[K");
  std::fwrite(whole.data(), 1, whole.size(), stdout);
  std::fflush(stdout);
  in_progress_ = true;
}

bool RunLog::write(std::FILE* to, std::string_view text) {
  const std::string whole = str_cat(text, '\n');
  const bool taken = std::fwrite(whole.data(), 1, whole.size(), to) == whole.size();
  return std::fflush(to) == 0 && taken;
}

void RunLog::keep(std::string_view text) {
  if (write(file_, text)) return;
  const int error = errno;
  if (std::exchange(complete_, false))
    write(stderr, printable(str_cat("minivit train: cannot write ", path_.native(), ": ",
                                    std::generic_category().message(error), "; lines are missing in it")));
  std::clearerr(file_);
}

void RunLog::clear_progress() {
  if (!in_progress_) return;
  std::fputs("\r\x1b[K", stdout);
  std::fflush(stdout);
  in_progress_ = false;
}

}  // namespace minivit::cli
