// Configuration files: YAML with a section for each group of settings, which may begin with other files.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "minivit/core/check.hpp"
#include "overrides.hpp"
#include "yaml_text.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// `open`: the files that are being read, to find circles.
inline std::vector<Assignment> read_yaml(const std::filesystem::path& path,
                                         std::vector<std::filesystem::path> open) {
  std::error_code ignored;
  open.push_back(std::filesystem::weakly_canonical(path, ignored));
  check<ConfigError>(std::count(open.begin(), open.end(), open.back()) == 1, path.string(),
                     ": includes itself by way of its defaults");
  YamlSettings file;
  read_yaml_events<ConfigError>(path, file);
  std::vector<Assignment> all;
  for (const std::string& name : file.defaults) {
    std::filesystem::path other = path.parent_path() / name;
    if (!other.has_extension()) other += ".yaml";
    const std::vector<Assignment> inherited = read_yaml(other, open);
    all.insert(all.end(), inherited.begin(), inherited.end());
  }
  for (const YamlEntry& entry : file.settings)
    if (entry.null)  // back to the default, whatever an inherited file says
      std::erase_if(all, [&](const Assignment& a) { return a.name == entry.name; });
    else
      all.push_back({entry.name, entry.text, str_cat(path.string(), ": ", entry.place)});
  return all;
}

}  // namespace detail

/// The assignments of a YAML file: sections of scalars (`training: {lr: 1e-4}` is training.lr=1e-4), all
/// taken as the text that stands there, so that it is the setting's type that decides what `no` or `1e-4`
/// means. A list `defaults:` names files beside this one to start from; a null takes back what they say. At
/// most kMaxYamlBytes. Throws FileError if it cannot be read, ConfigError with line and column for what is
/// malformed, repeated, an alias, a list or a section in a section.
inline std::vector<Assignment> read_yaml(const std::filesystem::path& path) {
  return detail::read_yaml(path, {});
}

}  // namespace minivit::inline MINIVIT_ABI
