// Version of the program, and what it was compiled with, as a text.
#pragma once

#include <string>

namespace minivit::cli {

/// Version, instruction set, threads and libraries of this program: `minivit --version`.
std::string version_text();

}  // namespace minivit::cli
