// Search for a configuration file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace minivit::cli {

/// What was asked for on the command line.
struct ConfigurationChoice {
  std::string file;       ///< --config: a path
  std::string name;       ///< --config-name: NAME.yaml in one of the folders
  std::string directory;  ///< --config-dir: where to look for it instead
};

/// Folders with configurations, the first that has the name counts: one's own before those of the library.
std::vector<std::filesystem::path> configuration_folders(const ConfigurationChoice& choice);

/// The file to begin with; empty for the defaults alone, if none is asked for and there is no config.yaml.
/// A name of before that no file has any more gives the one of now, with a line on standard error. Throws
/// ConfigError, naming what there is, if the one asked for does not exist.
std::filesystem::path find_configuration(const ConfigurationChoice& choice);

}  // namespace minivit::cli
