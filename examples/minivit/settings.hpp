// Settings of a program: names with dots, types, ranges, one line of help, overridden as `training.lr=0.005`.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/number.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Number of insertions, deletions and replacements that make `b` of `a` (V. Levenshtein, 1966).
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace detail

/// A text in double quotes, as YAML reads it.
inline std::string yaml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {  // YAML's escape by number
      constexpr char kHex[] = "0123456789abcdef";
      out += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
      continue;
    }
    out += c;
  }
  return out + "\"";
}

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
  void add(std::string name, bool& target, std::string help) {
    add_entry(
        std::move(name), std::move(help), "true or false",
        [&target](std::string_view text) {
          std::string word(text);
          for (char& c : word)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
          const bool yes = word == "true" || word == "yes" || word == "on";
          if (!yes && word != "false" && word != "no" && word != "off") return false;
          target = yes;
          return true;
        },
        [&target] { return std::string(target ? "true" : "false"); });
  }

  /// Any text.
  void add(std::string name, std::string& target, std::string help) {
    add_entry(
        std::move(name), std::move(help), "text",
        [&target](std::string_view text) {
          target = text;
          return true;
        },
        [&target] { return yaml_text(target); });
  }

  /// One of several words.
  void add(std::string name, std::string& target, std::string help, std::vector<std::string> words) {
    std::string expected = "one of";
    for (const std::string& word : words) expected += str_cat(' ', word);
    add_entry(
        std::move(name), std::move(help), std::move(expected),
        [&target, words](std::string_view text) {
          if (std::find(words.begin(), words.end(), text) == words.end()) return false;
          target = text;
          return true;
        },
        [&target] { return target; });
  }

  /// Sets `name=value`. Throws ConfigError for a text without `=`, and as `set`.
  void apply(std::string_view assignment) {
    const std::size_t at = assignment.find('=');
    check<ConfigError>(at != std::string_view::npos, "\"", assignment,
                       "\": expected name=value, as training.lr=0.001");
    set(assignment.substr(0, at), assignment.substr(at + 1));
  }

  /// Gives a setting its value. Throws ConfigError for an unknown name (it says the nearest), the name of a
  /// whole section, a value of the wrong type or out of range.
  void set(std::string_view name, std::string_view value) {
    const Entry& entry = find(name);
    check<ConfigError>(entry.set(value), name, " is \"", value, "\", expected ", entry.expected);
  }

  /// Whether there is a setting of this name.
  bool contains(std::string_view name) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
  }

  /// Throws ConfigError, naming what was probably meant, unless there is a setting of this name.
  void check_name(std::string_view name) const { find(name); }

  /// Names and values as they would be written in YAML, in the order of their declaration.
  std::vector<std::pair<std::string, std::string>> values() const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const Entry& e : entries_) out.emplace_back(e.name, e.get());
    return out;
  }

  /// All settings with their values, as YAML.
  std::string yaml() const {
    std::string out, section;
    for (const Entry& e : entries_) {
      const std::size_t dot = e.name.find('.');
      if (e.name.substr(0, dot) != section) out += (section = e.name.substr(0, dot)) + ":\n";
      out += str_cat("  ", e.name.substr(dot + 1), ": ", e.get(), "\n");
    }
    return out;
  }

  /// A line for each setting: name, value, help, what is expected.
  std::string help() const {
    std::size_t width = 0;
    for (const Entry& e : entries_) width = std::max(width, e.name.size() + e.get().size());
    std::string out;
    for (const Entry& e : entries_) {
      const std::string left = str_cat(e.name, "=", e.get());
      out += str_cat("  ", left, std::string(width + 3 - left.size(), ' '), e.help, " (", e.expected, ")\n");
    }
    return out;
  }

 private:
  struct Entry {
    std::string name, help, expected;
    std::function<bool(std::string_view)> set;
    std::function<std::string()> get;  // the value as YAML
  };

  const Entry& find(std::string_view name) const {
    for (const Entry& e : entries_)
      if (e.name == name) return e;
    std::string inside;  // is it a section?
    for (const Entry& e : entries_)
      if (e.name.starts_with(str_cat(name, '.'))) inside += str_cat(inside.empty() ? "" : ", ", e.name);
    check<ConfigError>(inside.empty(), name, " is a section, expected one of its settings: ", inside);
    throw ConfigError(str_cat("unknown setting \"", name, "\"; did you mean \"", nearest(name), "\"?"));
  }

  void add_entry(std::string name, std::string help, std::string expected,
                 std::function<bool(std::string_view)> set, std::function<std::string()> get) {
    entries_.push_back(
        {std::move(name), std::move(help), std::move(expected), std::move(set), std::move(get)});
  }

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

  std::string nearest(std::string_view name) const {
    // A forgotten section is the commonest mistake: compare with the last part of the name, too.
    const auto distance = [&](const Entry& e) {
      const std::string_view full = e.name, last = full.substr(full.find('.') + 1);
      return std::min(detail::edit_distance(name, full), detail::edit_distance(name, last));
    };
    const Entry* best = nullptr;
    for (const Entry& e : entries_)
      if (!best || distance(e) < distance(*best)) best = &e;
    return best ? best->name : std::string();
  }

  std::vector<Entry> entries_;
};

}  // namespace minivit::inline MINIVIT_ABI
