// The two plain forms of YAML that are read: sections of settings, and a list of texts.
//
// yaml-cpp reports what it reads as events. Anything that is in neither form is refused where it appears, so
// that no tree is built and no alias is followed for a file of a stranger.
#include "yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/core/utf8.hpp"

namespace minivit::cli {

namespace {

/// Takes the events of one document; what it does not expect is an exception of yaml-cpp, with its place.
class YamlEvents : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { scalar(mark, ""); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "found an alias"); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& text) override {
    scalar(mark, text);
  }

 protected:
  virtual void scalar(const YAML::Mark& mark, const std::string& text) = 0;

  [[noreturn]] static void refuse(const YAML::Mark& mark, const std::string& why) {
    throw YAML::ParserException(mark, why);
  }
};

/// "line 3, column 7", as people count.
std::string place(const YAML::Mark& mark) {
  return str_cat("line ", mark.line + 1, ", column ", mark.column + 1);
}

/// What stands in a file of sections: a name with dots, its value and where that is.
struct YamlEntry {
  std::string name, text, place;
  bool null = false;
};

/// `section:` with `name: value` below it, or `name: value` without a section. At the top `defaults: name`
/// or `defaults: [name, name]` is kept apart.
class YamlSettings final : public YamlEvents {
 public:
  std::vector<YamlEntry> settings;
  std::vector<std::string> defaults;

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    if (in_defaults_) refuse(mark, "found a map, expected names of files beside this one");
    if (depth_ == 1 && !has_key_) refuse(mark, "found a map as a name");
    if (depth_ == 2) refuse(mark, "found a section in a section, expected name: value");
    if (depth_++ == 1) section_ = std::exchange(key_, {}) + ".";
    has_key_ = false;
  }
  void OnMapEnd() override {
    --depth_;
    section_.clear();
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    if (in_defaults_) refuse(mark, "found a list in a list, expected names of files beside this one");
    if (!names_defaults()) refuse(mark, "found a list, expected name: value; lists are for sweeps, name=a,b");
    in_defaults_ = true;
  }
  void OnSequenceEnd() override { in_defaults_ = has_key_ = false; }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    const std::size_t before = settings.size();
    scalar(mark, "");
    if (settings.size() > before) settings.back().null = true;
  }

 private:
  bool names_defaults() const { return depth_ == 1 && has_key_ && key_ == "defaults"; }

  void name_default(const YAML::Mark& mark, const std::string& text) {
    if (text.empty()) refuse(mark, "expected the name of a file beside this one");
    defaults.push_back(text);
  }

  void scalar(const YAML::Mark& mark, const std::string& text) override {
    if (depth_ == 0) {
      if (!text.empty()) refuse(mark, "expected name: value");
      return;  // an empty file
    }
    if (in_defaults_) return name_default(mark, text);
    if (!has_key_) {
      has_key_ = true;
      key_ = text;
      if (key_.empty()) refuse(mark, "expected the name of a setting");
      if (!names_.insert(section_ + key_).second) refuse(mark, section_ + key_ + " appears twice");
      return;
    }
    if (names_defaults())
      name_default(mark, text);
    else
      settings.push_back({section_ + key_, text, place(mark), false});
    has_key_ = false;
  }

  int depth_ = 0;
  bool has_key_ = false, in_defaults_ = false;
  std::string section_, key_;
  std::set<std::string> names_;
};

/// `- text` and so on.
class YamlList final : public YamlEvents {
 public:
  std::vector<std::string> items;

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    refuse(mark, "found name: value, expected a list of texts");
  }
  void OnMapEnd() override {}
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    if (std::exchange(open_, true)) refuse(mark, "found a list in a list, expected texts");
  }
  void OnSequenceEnd() override {}

 private:
  void scalar(const YAML::Mark& mark, const std::string& text) override {
    if (open_)
      items.push_back(text);
    else if (!text.empty())
      refuse(mark, "expected a list of texts");
  }

  bool open_ = false;
};

/// Reads a file; throws E for what is not as it should be, FileError if there is nothing to read.
template <class E>
void read_yaml_events(const std::filesystem::path& path, YamlEvents& events) {
  const std::string text = io::read_file(path, kMaxYamlBytes);
  check<E>(detail::is_utf8(text), path.string(), ": is not valid UTF-8");
  std::istringstream in(text);
  try {
    YAML::Parser parser(in);
    if (parser.HandleNextDocument(events) && parser)
      throw E(str_cat(path.string(), ": has more than one document"));
  } catch (const YAML::Exception& e) {
    throw E(str_cat(path.string(), ": ", place(e.mark), ": ", std::string_view(e.msg)));
  }
}

/// `open`: the files that are being read, to find circles.
std::vector<Assignment> read_yaml(const std::filesystem::path& path,
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

}  // namespace

SettingTexts read_yaml_settings(const std::filesystem::path& path) {
  YamlSettings events;
  read_yaml_events<FileError>(path, events);
  SettingTexts texts;
  for (YamlEntry& entry : events.settings) texts.emplace_back(std::move(entry.name), std::move(entry.text));
  return texts;
}

std::vector<std::string> read_yaml_list(const std::filesystem::path& path) {
  YamlList events;
  read_yaml_events<FileError>(path, events);
  return std::move(events.items);
}

std::vector<Assignment> read_yaml(const std::filesystem::path& path) { return read_yaml(path, {}); }

}  // namespace minivit::cli
