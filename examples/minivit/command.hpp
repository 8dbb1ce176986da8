// A subcommand of the program.
#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace CLI {
class App;
}

namespace minivit::cli {

/// A subcommand: one file of its name defines it, and commands.cpp lists it.
struct Command {
  const char* name;
  const char* summary;  ///< one line

  /// Adds the options to `app`. The function that is returned is called once they are parsed: it does the
  /// work and returns the exit code.
  std::function<int()> (*setup)(CLI::App& app);

  bool computes = true;  ///< whether threads work for seconds: then they wait asleep, see main.cpp
};

/// All of them, in the order of `minivit --help`.
std::span<const Command* const> commands();

/// The subcommand of this name; null pointer if there is none.
const Command* find_command(std::string_view name);

}  // namespace minivit::cli
