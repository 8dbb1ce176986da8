// The program's frame: how it starts, how errors end it.
#pragma once

#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace minivit::cli {

/// The whole program: finds the subcommand that the first argument names and runs it. Returns the exit code:
/// 0 if all is well, 2 for wrong usage or settings, 1 for everything else that went wrong; `train` has more.
int run_minivit(int argc, const char* const* argv);

/// Runs `body`, which returns the exit code, and turns errors into one line on standard error that begins
/// with `name`: 2 for ConfigError, 1 for every other exception.
int run_program(const std::string& name, const std::function<int()>& body);

/// What an exception says, in words: "std::bad_alloc" is none.
std::string error_text(const std::exception& error);

/// printf into a string.
template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

/// Whether a program may put a folder of these files in the place of `folder`: there is none, or nothing else
/// is in it.
bool replaceable(const std::filesystem::path& folder, std::initializer_list<std::string_view> files);

}  // namespace minivit::cli
