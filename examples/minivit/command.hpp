// A subcommand of the program.
#pragma once

#include <functional>
#include <span>
#include <string>
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

  /// What to say about an option that there is not, given the argument behind it; empty if nothing is known.
  std::string (*instead_of)(std::string_view option, std::string_view next) = nullptr;
};

/// All of them, in the order of `minivit --help`.
std::span<const Command* const> commands();

/// The subcommand of this name; null pointer if there is none.
const Command* find_command(std::string_view name);

}  // namespace minivit::cli
