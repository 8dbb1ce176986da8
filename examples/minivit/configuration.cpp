// The search for a configuration file.
#include "configuration.hpp"

#include <set>
#include <system_error>

#include "minivit/core/check.hpp"
#include "overrides.hpp"

namespace minivit::cli {

namespace {

/// The file `name`.yaml in the first of the folders that has it; empty if none has.
std::filesystem::path find_named(std::filesystem::path name,
                                 const std::vector<std::filesystem::path>& folders) {
  if (name.extension() != ".yaml") name += ".yaml";
  std::error_code error;
  for (const std::filesystem::path& folder : folders)
    if (std::filesystem::is_regular_file(folder / name, error)) return folder / name;
  return {};
}

}  // namespace

std::vector<std::filesystem::path> configuration_folders(const ConfigurationChoice& choice) {
  if (!choice.directory.empty()) return {choice.directory};
  std::error_code error;  // of an installation: bin/minivit, share/minivit/configs
  const std::filesystem::path installed =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path().parent_path() / "share" /
      "minivit" / "configs";
  // What is read if nothing is asked for is one's own or came with the program: a source tree may be newer,
  // and have settings that this program does not know.
  if (choice.name.empty()) return {"configs", installed, MINIVIT_CONFIG_DIR};
  return {"configs", "examples/configs", installed, MINIVIT_CONFIG_DIR};
}

std::filesystem::path find_configuration(const ConfigurationChoice& choice) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!choice.file.empty()) {
    check<ConfigError>(fs::is_regular_file(choice.file, error), "--config ", choice.file,
                       fs::exists(choice.file, error) ? ": not a file" : ": no such file");
    return choice.file;
  }
  const fs::path name = choice.name.empty() ? "config" : choice.name;
  const std::vector<fs::path> folders = configuration_folders(choice);
  if (fs::path file = find_named(name, folders); !file.empty()) return file;
  if (name == "seed")
    if (fs::path file = find_named("mini", folders); !file.empty()) {
      say_on_stderr("--config-name seed is now called --config-name mini");
      return file;
    }
  std::set<std::string> names;
  for (const fs::path& folder : folders)
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml") names.insert(entry.path().stem().string());
  std::string known;
  for (const std::string& one : names) known += str_cat(known.empty() ? "" : ", ", one);
  check<ConfigError>(choice.name.empty(), "--config-name ", choice.name, ": there is no such configuration, ",
                     known.empty() ? "none at all; --config-dir names their folder" : "only ", known);
  return {};
}

}  // namespace minivit::cli
