// Configuration files: YAML with a section for each group of settings, which may begin with other files; and
// lists of texts.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "overrides.hpp"

namespace minivit::cli {

/// Names with their values as text, in the file's order. A value that is marked !!binary is the bytes that it
/// stands for, as the names of files are bytes.
using SettingTexts = std::vector<std::pair<std::string, std::string>>;

/// The largest YAML file that is read, in bytes.
inline constexpr std::size_t kMaxYamlBytes = std::size_t{1} << 20;

/// The settings in a file of sections, `section.name` with its text; an empty value is the empty text. Throws
/// FileError, with line and column, if the file has more than kMaxYamlBytes, cannot be read, or is anything
/// else: with a list, deeper sections, aliases, a name that appears twice.
SettingTexts read_yaml_settings(const std::filesystem::path& path);

/// The texts in a file that is a list of them. Throws FileError as read_yaml_settings does.
std::vector<std::string> read_yaml_list(const std::filesystem::path& path);

/// The assignments of a YAML file: sections of scalars (`training: {lr: 1e-4}` is training.lr=1e-4), all
/// taken as the text that stands there, so that it is the setting's type that decides what `no` or `1e-4`
/// means. A list `defaults:` names files beside this one to start from, each of which is read once, where it
/// is first named; what comes later counts, and a null takes back what was said before. At most kMaxYamlBytes
/// in a file, 32 files one below the other and 256 in all. Throws FileError if one cannot be read,
/// ConfigError with line and column for what is malformed, repeated, an alias, a list or a section in a
/// section, and for a file that includes itself.
std::vector<Assignment> read_yaml(const std::filesystem::path& path);

/// The same of a text without `defaults`; `name` is what messages call it.
std::vector<Assignment> parse_yaml(const std::string& text, const std::string& name);

/// The texts in a text that is a list of them.
std::vector<std::string> parse_yaml_list(const std::string& text, const std::string& name);

}  // namespace minivit::cli
