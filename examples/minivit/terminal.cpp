// The terminal, asked for its width and abilities.
#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace minivit::cli {

Terminal Terminal::of_stdout() {
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

std::size_t terminal_width(std::FILE* file) {
  winsize size{};
  return ::isatty(::fileno(file)) == 1 && ::ioctl(::fileno(file), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace minivit::cli
