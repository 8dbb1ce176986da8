// The home folder in the place of ~.
#include "user_path.hpp"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace minivit::cli {

namespace {

/// The home folder of a user, of this one if the name is empty; empty if it is not known.
std::string home_of(const std::string& user) {
  if (const char* const home = std::getenv("HOME"); user.empty() && home && *home) return home;
  const passwd* const entry = user.empty() ? ::getpwuid(::getuid()) : ::getpwnam(user.c_str());
  return entry && entry->pw_dir ? entry->pw_dir : "";
}

}  // namespace

std::string expand_home(std::string_view typed) {
  if (!typed.starts_with('~')) return std::string(typed);
  const std::string_view user = typed.substr(1, typed.find('/') - 1);
  const std::string home = home_of(std::string(user));
  if (home.empty()) return std::string(typed);
  return home + std::string(typed.substr(1 + user.size()));
}

std::string absolute_path(std::string_view path) {
  if (path.empty()) return {};
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error).lexically_normal();
  if (error) return std::string(path);
  return whole.has_filename() || whole == whole.root_path() ? whole.native() : whole.parent_path().native();
}

}  // namespace minivit::cli
