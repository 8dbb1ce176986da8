// The two plain forms of YAML that are read: sections of settings, and a list of texts.
//
// yaml-cpp reports what it reads as events. Anything that is in neither form is refused where it appears, so
// that no tree is built and no alias is followed for a file of a stranger.
#include "yaml.hpp"

#include <yaml-cpp/binary.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>
#include <vector>

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
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& text) override {
    if (tag != "tag:yaml.org,2002:binary") return scalar(mark, text);
    const std::vector<unsigned char> bytes = YAML::DecodeBase64(text);
    if (bytes.empty() && !text.empty()) refuse(mark, "found !!binary that is not base64");
    scalar(mark, {bytes.begin(), bytes.end()});
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

/// Whether a line, counted from 0, begins with a tab, which YAML does not take for an indentation.
bool indented_by_tab(std::string_view text, int line) {
  for (; line > 0; --line) {
    if (text.find('\n') == std::string_view::npos) return false;
    text.remove_prefix(text.find('\n') + 1);
  }
  const std::size_t first = text.find_first_not_of(' ');
  return first != std::string_view::npos && text[first] == '\t';
}

/// Reads a text; `name` is what messages call it. Throws E for what is not as it should be.
template <class E>
void read_yaml_events(const std::string& text, const std::string& name, YamlEvents& events) {
  check<E>(detail::is_utf8(text), name, ": is not valid UTF-8");
  std::istringstream in(text);
  try {
    YAML::Parser parser(in);
    if (parser.HandleNextDocument(events) && parser) throw E(str_cat(name, ": has more than one document"));
  } catch (const YAML::Exception& e) {
    throw E(
        str_cat(name, ": ", place(e.mark), ": ", std::string_view(e.msg),
                indented_by_tab(text, e.mark.line) ? "; a tab stands before the name, expected blanks" : ""));
  }
}

/// Reads a file; throws as the other form, FileError if there is nothing to read.
template <class E>
void read_yaml_events(const std::filesystem::path& path, YamlEvents& events) {
  read_yaml_events<E>(io::read_file(path, kMaxYamlBytes), path.string(), events);
}

/// A file and those that it begins with, one after the other: what comes later counts.
class YamlChain {
 public:
  std::vector<Assignment> assignments;

  /// Adds what the file says, behind what the files in its `defaults` say. A file that was added before is
  /// not added again, so the time is that of reading every file once.
  void add(const std::filesystem::path& path) {
    std::error_code ignored;
    const std::filesystem::path real = std::filesystem::weakly_canonical(path, ignored);
    if (const auto at = std::find(open_.begin(), open_.end(), real); at != open_.end()) {
      std::string circle;
      for (auto file = at; file != open_.end(); ++file) circle += str_cat(file->filename().string(), " -> ");
      throw ConfigError(str_cat(path.string(), ": includes itself by way of its defaults: ", circle,
                                real.filename().string()));
    }
    if (!read_.insert(real).second) return;
    check<ConfigError>(open_.size() < kMaxDepth, path.string(), ": is the ", kMaxDepth + 1,
                       "th file of a chain of defaults, at most ", kMaxDepth, " are accepted");
    check<ConfigError>(read_.size() <= kMaxFiles, path.string(), ": more than ", kMaxFiles,
                       " files are included by way of defaults");
    open_.push_back(real);
    YamlSettings file;
    read_yaml_events<ConfigError>(path, file);
    check<ConfigError>(file.defaults.size() <= kMaxFiles, path.string(), ": has ", file.defaults.size(),
                       " defaults, at most ", kMaxFiles, " are accepted");
    for (const std::string& name : file.defaults) {
      std::filesystem::path other = path.parent_path() / name;
      if (!other.has_extension()) other += ".yaml";
      add(other);
    }
    add_settings(file, path.string());
    open_.pop_back();
  }

  void add_settings(const YamlSettings& file, const std::string& name) {
    for (const YamlEntry& entry : file.settings)
      if (entry.null)  // back to the default, whatever was said before
        std::erase_if(assignments, [&](const Assignment& a) { return a.name == entry.name; });
      else
        assignments.push_back({entry.name, entry.text, str_cat(name, ": ", entry.place)});
  }

 private:
  static constexpr std::size_t kMaxDepth = 32, kMaxFiles = 256;

  std::vector<std::filesystem::path> open_;  // being read, each included by the one before
  std::set<std::filesystem::path> read_;
};

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

std::vector<Assignment> read_yaml(const std::filesystem::path& path) {
  YamlChain chain;
  chain.add(path);
  return std::move(chain.assignments);
}

std::vector<Assignment> parse_yaml(const std::string& text, const std::string& name) {
  YamlSettings file;
  read_yaml_events<ConfigError>(text, name, file);
  check<ConfigError>(file.defaults.empty(), name, ": has defaults, which only a file may have");
  YamlChain chain;
  chain.add_settings(file, name);
  return std::move(chain.assignments);
}

std::vector<std::string> parse_yaml_list(const std::string& text, const std::string& name) {
  YamlList events;
  read_yaml_events<FileError>(text, name, events);
  return std::move(events.items);
}

}  // namespace minivit::cli
