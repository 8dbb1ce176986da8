// Settings of a program: names with dots, types, ranges, one line of help, overridden as `training.lr=0.005`.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/fields.hpp"
#include "minivit/core/number.hpp"

namespace minivit::cli {

/// Number of insertions, deletions and replacements that make `b` of `a` (V. Levenshtein, 1966).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// A text in double quotes, as YAML reads it; as !!binary, with a comment, if it is not UTF-8, which names of
/// files need not be.
std::string yaml_text(std::string_view text);

/// The settings of a program: each is tied to a variable that holds its default and gets its value.
class Settings {
 public:
  /// A whole number in [low, high].
  template <std::integral T>
  requires(!std::same_as<T, bool>) void add(std::string name, T& target, std::string help,
                                            T low = std::numeric_limits<T>::lowest(),
                                            T high = std::numeric_limits<T>::max()) {
    add_number(std::move(name), target, std::move(help), low, high, "a whole number");
  }

  /// A number in [low, high].
  template <std::floating_point T>
  void add(std::string name, T& target, std::string help, T low = std::numeric_limits<T>::lowest(),
           T high = std::numeric_limits<T>::max()) {
    add_number(std::move(name), target, std::move(help), low, high, "a number");
  }

  /// true or false; yes, no, on and off are understood, in any case, as in YAML.
  void add(std::string name, bool& target, std::string help);

  /// Any text.
  void add(std::string name, std::string& target, std::string help);

  /// One of several words.
  void add(std::string name, std::string& target, std::string help, std::vector<std::string> words);

  /// A member of a struct of settings, as its `fields` describe it: a number in `range`, true or false, or an
  /// enumerator by its name.
  template <class T>
  void add_field(std::string name, T& target, std::string help, const Range& range) {
    if constexpr (std::same_as<T, bool>) {
      add(std::move(name), target, std::move(help));
    } else if constexpr (NamedEnum<T>) {
      std::vector<std::string> words;
      std::string expected = "one of";
      for (const auto& entry : kEnumNames<T>) {
        words.emplace_back(entry.name);
        expected += str_cat(' ', entry.name);
      }
      add_entry(
          std::move(name), std::move(help), std::move(expected),
          [&target](std::string_view text) {
            const std::optional<T> value = enum_value<T>(text);
            if (value) target = *value;
            return value.has_value();
          },
          [&target] { return std::string(enum_name(target)); }, std::move(words));
    } else {
      const bool closed = !range.without_low && !range.without_high;
      add_entry(
          std::move(name), std::move(help),
          str_cat(std::integral<T> ? "a whole number" : "a number", closed ? " from " : ", ", range.str()),
          [&target, range](std::string_view text) {
            T value{};
            if (!detail::parse_number(text, value) || !range.contains(static_cast<double>(value)))
              return false;
            target = value;
            return true;
          },
          [&target] { return str_cat(target); });
    }
  }

  /// The settings that are added from now on stand under this title in help and tables.
  void group(std::string title) { title_ = std::move(title); }

  /// Names of the settings that help and tables show first.
  void usual(std::vector<std::string> names) { usual_ = std::move(names); }

  /// What is called `name` was once called `old`, and files still say so: see `spelling`.
  void rename(std::string old, std::string name);

  /// The value of `name` that is `value` was once called `old`.
  void rename_value(std::string name, std::string old, std::string value);

  /// Takes out all settings whose names begin with one of these.
  void leave_out(const std::vector<std::string_view>& beginnings);

  /// A setting and its value as they are spelled now.
  struct Spelling {
    std::string name, value;
    std::string change;  ///< "training.x is now called training.y"; empty if it is spelled so already
  };
  Spelling spelling(std::string_view name, std::string_view value) const;

  /// Sets `name=value`. Throws ConfigError for a text without `=`, and as `set`.
  void apply(std::string_view assignment);

  /// Gives a setting its value. Throws ConfigError for an unknown name (it says the nearest), the name of a
  /// whole section, a value of the wrong type or out of range.
  void set(std::string_view name, std::string_view value);

  /// What was probably meant by a name that is none: a setting, a setting with its value, or a sentence about
  /// what there is in its place, see synonyms.hpp. Empty if nothing is near.
  std::string meant(std::string_view name) const;

  /// Whether there is a setting of this name.
  bool contains(std::string_view name) const;

  /// Throws ConfigError, naming what was probably meant, unless there is a setting of this name.
  void check_name(std::string_view name) const { find(name); }

  /// The words that this setting may be; empty if it may be other things.
  std::vector<std::string> words(std::string_view name) const;

  /// The line of help of this setting.
  const std::string& help_of(std::string_view name) const { return find(name).help; }

  /// Names and values as they would be written in YAML, in the order of their declaration.
  std::vector<std::pair<std::string, std::string>> values() const;

  /// All settings with their values, as YAML.
  std::string yaml() const;

  /// A line for each of the usual settings: name, value, help, what is expected.
  std::string usual_help() const;

  /// The same for all others, each group below its title.
  std::string help() const;

  /// All of them as tables in Markdown, the usual ones first.
  std::string markdown() const;

 private:
  struct Entry {
    std::string name, help, expected, title;
    std::function<bool(std::string_view)> set;
    std::function<std::string()> get;  // the value as YAML
    std::vector<std::string> words;    // all values, if they are few
  };

  struct Renamed {
    std::string name, old_value, now, value;  // of a setting: old_value and value are empty
  };

  const Entry& find(std::string_view name) const;

  void add_entry(std::string name, std::string help, std::string expected,
                 std::function<bool(std::string_view)> set, std::function<std::string()> get,
                 std::vector<std::string> words = {});

  template <class T>
  void add_number(std::string name, T& target, std::string help, T low, T high, const char* what) {
    std::string expected = what;
    const bool has_low = std::is_unsigned_v<T> || low != std::numeric_limits<T>::lowest(),
               has_high = high != std::numeric_limits<T>::max();
    if (has_low && has_high)
      expected += str_cat(" from ", low, " to ", high);
    else if (has_low)
      expected += str_cat(", ", low, " or more");
    add_entry(
        std::move(name), std::move(help), std::move(expected),
        [&target, low, high](std::string_view text) {
          T value{};
          if (!detail::parse_number(text, value) || !(value >= low && value <= high)) return false;
          target = value;
          return true;
        },
        [&target] { return str_cat(target); });
  }

  bool is_usual(const Entry& entry) const;
  std::string line(const Entry& entry) const;

  /// Calls begin(title) for each group and one(entry) for its settings, the usual ones first.
  template <class Begin, class One>
  void for_each_group(const Begin& begin, const One& one) const;

  /// " did you mean …?" for a value that is none of the words of a setting; empty if nothing is near.
  static std::string meant_value(const Entry& entry, std::string_view value);

  std::string title_;
  std::vector<std::string> usual_;
  std::vector<Entry> entries_;
  std::vector<Renamed> renamed_;
};

}  // namespace minivit::cli
