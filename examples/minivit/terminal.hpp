// What standard output is: a terminal or not, how wide, with colors or without.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What can be shown.
struct Terminal {
  bool interactive = false;  ///< someone is watching: a line may be written over
  bool color = false;
  bool utf8 = false;
  int width = 80;  ///< characters

  /// Of standard output, now. NO_COLOR (no-color.org) and TERM=dumb are obeyed.
  static Terminal of_stdout() {
    const auto variable = [](const char* name) {
      const char* text = std::getenv(name);
      return std::string_view(text ? text : "");
    };
    Terminal t;
    t.interactive = ::isatty(STDOUT_FILENO) == 1 && variable("TERM") != "dumb";
    t.color = t.interactive && variable("NO_COLOR").empty();
    std::string_view locale = variable("LC_ALL");
    if (locale.empty()) locale = variable("LC_CTYPE");
    if (locale.empty()) locale = variable("LANG");
    t.utf8 = locale.find("UTF-8") != std::string_view::npos || locale.find("utf8") != std::string_view::npos;
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
      t.width = size.ws_col;
    else if (const int columns = std::atoi(std::string(variable("COLUMNS")).c_str()); columns > 0)
      t.width = columns;
    return t;
  }
};

/// Characters in a line of the terminal that `file` writes to; 0, any number, if it is none.
inline std::size_t terminal_width(std::FILE* file = stdout) {
  winsize size{};
  return ::isatty(::fileno(file)) == 1 && ::ioctl(::fileno(file), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace minivit::inline MINIVIT_ABI
