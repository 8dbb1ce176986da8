// Which configuration file a program begins with.
#pragma once

#include <filesystem>
#include <string>
#include <vector>
#include "yaml.hpp"

/// What was asked for on the command line.
struct ConfigurationChoice {
  std::string file;       ///< --config: a path
  std::string name;       ///< --config-name: NAME.yaml in one of the folders
  std::string directory;  ///< --config-dir: where to look for it instead
};

/// Folders with configurations, the first that has the name counts: one's own before those of the library.
inline std::vector<std::filesystem::path> configuration_folders(const ConfigurationChoice& choice) {
  if (!choice.directory.empty()) return {choice.directory};
  return {"configs", "examples/configs", MINIVIT_CONFIG_DIR};
}

/// The file to begin with; empty for the defaults alone, if none is asked for and there is no config.yaml.
/// Throws minivit::ConfigError, naming what there is, if the one asked for does not exist.
inline std::filesystem::path find_configuration(const ConfigurationChoice& choice) {
  namespace fs = std::filesystem;
  using minivit::check, minivit::ConfigError, minivit::str_cat;
  std::error_code error;
  if (!choice.file.empty()) {
    check<ConfigError>(fs::is_regular_file(choice.file, error), "--config ", choice.file, ": no such file");
    return choice.file;
  }
  const fs::path name = choice.name.empty() ? "config" : choice.name;
  std::string known;
  for (const fs::path& folder : configuration_folders(choice)) {
    fs::path file = folder / name;
    if (file.extension() != ".yaml") file += ".yaml";
    if (fs::is_regular_file(file, error)) return file;
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml")
        known += str_cat(known.empty() ? "" : ", ", entry.path().stem().string());
  }
  check<ConfigError>(choice.name.empty(), "--config-name ", choice.name, ": there is no such configuration, ",
                     known.empty() ? "none at all; --config-dir names their folder" : "only ", known);
  return {};
}
