// Properties of standard output: a terminal or not, its width, with colors or without.
#pragma once

#include <cstddef>
#include <cstdio>

namespace minivit::cli {

/// What can be shown.
struct Terminal {
  bool interactive = false;  ///< someone is watching: a line may be written over
  bool color = false;
  bool utf8 = false;
  int width = 80;  ///< characters

  /// Of standard output, now. NO_COLOR (no-color.org) and TERM=dumb are obeyed.
  static Terminal of_stdout();
};

/// Characters in a line of the terminal that `file` writes to; 0, any number, if it is none.
std::size_t terminal_width(std::FILE* file = stdout);

}  // namespace minivit::cli
