// Completion of what is typed in a shell.
#pragma once

#include <string>

namespace minivit::cli {

/// A script for bash that completes subcommands, options, settings and their values, and names of files:
/// `minivit --completion bash`.
std::string bash_completion();

}  // namespace minivit::cli
