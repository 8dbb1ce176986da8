// Text that shows on a terminal and does not steer it.
#pragma once

#include <string>
#include <string_view>

namespace minivit::cli {

/// `text` as one line that can be shown on a terminal and written as JSON. Question marks take the place of
/// control characters (escape sequences begin with one), of those that turn the direction of writing, and of
/// bytes that are not UTF-8. Names of files, classes and folders, and all else that others wrote, go through
/// this before they are printed.
std::string printable(std::string_view text);

/// The same for a text of several lines: an end of line stays. Lines after the first are indented if they are
/// not, so that a name with an end of line in it cannot pass for a line of the program.
std::string printable_lines(std::string_view text);

}  // namespace minivit::cli
