// Configuration files: YAML with a section for each group of settings.
#pragma once

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/experiment/overrides.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Reads one file and those that it names under `defaults:`, these first.
class YamlReader {
 public:
  std::vector<Assignment> read(const std::filesystem::path& path) {
    std::error_code ignored;
    const std::filesystem::path whole = std::filesystem::weakly_canonical(path, ignored);
    check<ConfigError>(std::find(open_.begin(), open_.end(), whole) == open_.end(), path.string(),
                       ": includes itself by way of its defaults");
    open_.push_back(whole);
    std::vector<Assignment> own;
    try {
      const YAML::Node root = YAML::Load(read_file(path, kMaxBytes));
      check<ConfigError>(root.IsMap() || root.IsNull(), path.string(),
                         ": expected sections of settings, as training: {lr: 0.001}");
      if (root.IsMap()) {
        if (const YAML::Node defaults = root["defaults"]) inherit(defaults, path);
        walk(root, "", path, own);
      }
    } catch (const YAML::Exception& e) {  // what yaml-cpp says begins with the place once more: leave it out
      throw ConfigError(concat(place(path, e.mark), ": ", e.msg));
    }
    open_.pop_back();
    std::vector<Assignment> all = std::move(inherited_);
    inherited_.clear();
    all.insert(all.end(), own.begin(), own.end());
    return all;
  }

 private:
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 20, kMaxSettings = 10000;

  static std::string place(const std::filesystem::path& path, const YAML::Mark& mark) {
    return mark.is_null() ? path.string()
                          : concat(path.string(), ", line ", mark.line + 1, ", column ", mark.column + 1);
  }

  void walk(const YAML::Node& map, const std::string& prefix, const std::filesystem::path& path,
            std::vector<Assignment>& out) {
    std::vector<std::string> keys;
    for (const auto& member : map) {
      const YAML::Node &key = member.first, &value = member.second;
      check<ConfigError>(key.IsScalar() && !key.Scalar().empty(), place(path, key.Mark()),
                         ": expected the name of a setting");
      const std::string name = prefix + key.Scalar();
      check<ConfigError>(std::find(keys.begin(), keys.end(), key.Scalar()) == keys.end(),
                         place(path, key.Mark()), ": ", name, " is there twice");
      keys.push_back(key.Scalar());
      if (prefix.empty() && key.Scalar() == "defaults") continue;
      // Aliases may repeat a section: a small file must not become a large one.
      check<ConfigError>(++visited_ <= kMaxSettings, path.string(), ": more than ", kMaxSettings,
                         " settings");
      if (value.IsMap()) {
        check<ConfigError>(std::count(name.begin(), name.end(), '.') < 8, place(path, value.Mark()), ": ",
                           name, " is nested too deeply");
        walk(value, name + ".", path, out);
      } else if (value.IsNull()) {
        // Set back to the default, in case that an inherited file says otherwise.
        std::erase_if(inherited_, [&](const Assignment& a) { return a.name == name; });
      } else {
        check<ConfigError>(value.IsScalar(), place(path, value.Mark()), ": ", name,
                           " is a list, expected one value; lists are for sweeps, --multirun ", name, "=a,b");
        out.push_back({name, value.Scalar(), place(path, value.Mark())});
      }
    }
  }

  void inherit(const YAML::Node& value, const std::filesystem::path& path) {
    std::vector<YAML::Node> names;
    if (value.IsSequence())
      for (const YAML::Node& name : value) names.push_back(name);
    else
      names.push_back(value);
    std::vector<Assignment> all;
    for (const YAML::Node& name : names) {
      check<ConfigError>(name.IsScalar(), place(path, name.Mark()),
                         ": defaults are names of files beside this one, as [base, augment]");
      std::filesystem::path file = path.parent_path() / name.Scalar();
      if (!file.has_extension()) file += ".yaml";
      YamlReader inner;
      inner.open_ = open_;
      const std::vector<Assignment> more = inner.read(file);
      all.insert(all.end(), more.begin(), more.end());
    }
    inherited_.insert(inherited_.end(), all.begin(), all.end());
  }

  std::vector<std::filesystem::path> open_;  // files that are being read, to find circles
  std::vector<Assignment> inherited_;
  std::size_t visited_ = 0;
};

}  // namespace detail

/// The assignments of a YAML file: sections of scalars (`training: {lr: 1e-4}` is training.lr=1e-4), all
/// taken as the text that stands there, so that it is the setting's type that decides what `no` or `1e-4`
/// means. A list `defaults:` names files beside this one to start from; a null takes back what they say. At
/// most 1 MiB. Throws FileError if it cannot be read, ConfigError with line and column for what is malformed,
/// repeated or a list.
inline std::vector<Assignment> read_yaml(const std::filesystem::path& path) {
  return detail::YamlReader().read(path);
}

}  // namespace minivit::inline MINIVIT_ABI
