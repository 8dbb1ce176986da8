// Settings: added, parsed, checked.
#include "settings.hpp"

#include <yaml-cpp/binary.h>

#include <algorithm>

#include "minivit/core/utf8.hpp"
#include "printable.hpp"
#include "synonyms.hpp"

namespace minivit::cli {

std::string yaml_text(std::string_view text) {
  if (!detail::is_utf8(text)) {  // YAML is UTF-8: the bytes as YAML's base64, for people what can be shown
    const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
    return str_cat("!!binary \"", YAML::EncodeBase64(bytes, text.size()), "\"  # ", printable(text));
  }
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    const std::string_view character = text.substr(0, std::max<std::size_t>(1, detail::utf8_length(text)));
    text.remove_prefix(character.size());
    if (!detail::steers_terminal(character)) {
      if (character == "\"" || character == "\\") out += '\\';
      out += character;
      continue;
    }
    // YAML's escape by number: of one byte, or of a character of two or three.
    unsigned code = static_cast<unsigned char>(character[0]);
    if (character.size() > 1) code &= character.size() == 2 ? 0x1Fu : 0x0Fu;
    for (const char c : character.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3Fu);
    out += character.size() == 1 ? "\\x" : "\\u";
    for (int shift = character.size() == 1 ? 4 : 12; shift >= 0; shift -= 4) out += kHex[code >> shift & 0xF];
  }
  return out + "\"";
}

void Settings::add(std::string name, bool& target, std::string help) {
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
      [&target] { return std::string(target ? "true" : "false"); }, {"true", "false"});
}

void Settings::add(std::string name, std::string& target, std::string help) {
  add_entry(
      std::move(name), std::move(help), "text",
      [&target](std::string_view text) {
        target = text;
        return true;
      },
      [&target] { return yaml_text(target); });
}

void Settings::add(std::string name, std::string& target, std::string help, std::vector<std::string> words) {
  std::string expected = "one of";
  for (const std::string& word : words) expected += str_cat(' ', word);
  add_entry(
      std::move(name), std::move(help), std::move(expected),
      [&target, words](std::string_view text) {
        if (std::find(words.begin(), words.end(), text) == words.end()) return false;
        target = text;
        return true;
      },
      [&target] { return target; }, words);
}

void Settings::rename(std::string old, std::string name) {
  renamed_.push_back({std::move(old), {}, std::move(name), {}});
}

void Settings::rename_value(std::string name, std::string old, std::string value) {
  renamed_.push_back({name, std::move(old), name, std::move(value)});
}

void Settings::leave_out(const std::vector<std::string_view>& beginnings) {
  const auto is_left_out = [&](const std::string& name) {
    return std::ranges::any_of(beginnings, [&](std::string_view text) { return name.starts_with(text); });
  };
  std::erase_if(entries_, [&](const Entry& entry) { return is_left_out(entry.name); });
  std::erase_if(usual_, is_left_out);
}

Settings::Spelling Settings::spelling(std::string_view name, std::string_view value) const {
  Spelling s{std::string(name), std::string(value), {}};
  for (const Renamed& r : renamed_) {
    const bool of_value = !r.old_value.empty();
    if (s.name != r.name || (of_value && s.value != r.old_value)) continue;
    s.change += str_cat(s.change.empty() ? "" : "; ", r.name, of_value ? "=" : "", r.old_value,
                        " is now called ", r.now, of_value ? "=" : "", r.value);
    s.name = r.now;
    if (of_value) s.value = r.value;
  }
  return s;
}

void Settings::apply(std::string_view assignment) {
  const std::size_t at = assignment.find('=');
  check<ConfigError>(at != std::string_view::npos, "\"", assignment,
                     "\": expected name=value, as training.lr=0.001");
  set(assignment.substr(0, at), assignment.substr(at + 1));
}

void Settings::set(std::string_view name, std::string_view value) {
  const Entry& entry = find(name);
  if (!entry.set(value))
    throw ConfigError(
        str_cat(name, " is \"", value, "\", expected ", entry.expected, meant_value(entry, value)));
}

bool Settings::contains(std::string_view name) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
}

std::vector<std::string> Settings::words(std::string_view name) const { return find(name).words; }

std::vector<std::pair<std::string, std::string>> Settings::values() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Entry& e : entries_) out.emplace_back(e.name, e.get());
  return out;
}

const Settings::Entry& Settings::find(std::string_view name) const {
  for (const Entry& e : entries_)
    if (e.name == name) return e;
  std::string inside;  // is it a section?
  for (const Entry& e : entries_)
    if (e.name.starts_with(str_cat(name, '.'))) inside += str_cat(inside.empty() ? "" : ", ", e.name);
  const std::string meaning = meant(name);
  const std::string hint = meaning.empty()      ? std::string()
                           : is_advice(meaning) ? str_cat("; ", meaning)
                                                : str_cat("; did you mean \"", meaning, "\"?");
  check<ConfigError>(inside.empty(), name, " is a section", hint, hint.empty() ? ", " : ". ",
                     hint.empty() ? "expected one of its settings: " : "Its settings: ", inside);
  throw ConfigError(str_cat("unknown setting \"", name, "\"", hint));
}

void Settings::add_entry(std::string name, std::string help, std::string expected,
                         std::function<bool(std::string_view)> set, std::function<std::string()> get,
                         std::vector<std::string> words) {
  entries_.push_back({std::move(name), std::move(help), std::move(expected), title_, std::move(set),
                      std::move(get), std::move(words)});
}

}  // namespace minivit::cli
