// Overrides of the command line, and assignments with their places.
#include "overrides.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>

#include "printable.hpp"
#include "quotes.hpp"
#include "synonyms.hpp"

namespace minivit::cli {

namespace {

/// "; did you mean …?" for a word without an equals sign; empty if nothing is near.
std::string meant_by(std::string_view word, const Settings& schema) {
  std::error_code ignored;
  const std::filesystem::path path(word);
  if (std::filesystem::is_directory(path, ignored) && schema.contains("data.train"))
    return str_cat("; did you mean data.train=", word, "?");
  if (path.extension() == ".yaml" || path.extension() == ".yml")
    return str_cat("; did you mean --config ", word, "?");
  if (word.empty() || schema.contains(word)) return {};
  const std::string meaning = schema.meant(word);
  if (meaning.empty()) return schema.contains("data.train") ? "; images are named by data.train=FOLDER" : "";
  if (is_advice(meaning)) return str_cat("; ", meaning);
  return str_cat("; did you mean ", meaning, meaning.find('=') == std::string::npos ? "=…" : "", "?");
}

}  // namespace

std::string setting_for_option(std::string_view option, std::string_view value, const Settings& schema) {
  const std::size_t at = std::min(option.find('='), option.size());
  if (at < option.size()) value = option.substr(at + 1);
  const std::string plain = plain_spelling(option.substr(0, at)), meaning = schema.meant(plain);
  // What is only misspelled may as well be an option.
  const std::string_view last = std::string_view(meaning).substr(meaning.rfind('.') + 1);
  if (meaning.empty() || is_advice(meaning)) return meaning;
  if (synonym_of(plain).empty() && last != plain && meaning != plain) return {};
  if (meaning.find('=') != std::string::npos) return str_cat("did you mean ", meaning, "?");
  return str_cat("did you mean ", meaning, "=", value.empty() ? "…" : value, "?");
}

void say_on_stderr(const std::string& line) {
  thread_local std::set<std::string> said;  // a sweep reads the same file for each of its jobs
  if (said.insert(line).second) std::fprintf(stderr, "minivit train: %s\n", printable(line).c_str());
}

std::string_view override_name(std::string_view text) {
  const std::size_t begin = text.find_first_not_of("+~");
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find('=') - begin);
}

void apply_override(std::vector<Assignment>& assignments, std::string_view text, const Settings& schema) {
  const std::string_view whole = text;
  const bool removes = text.starts_with('~'), forces = text.starts_with("++"),
             adds = !forces && text.starts_with('+');
  text.remove_prefix(removes || adds ? 1 : forces ? 2 : 0);
  const std::size_t at = text.find('=');
  check<ConfigError>(at != std::string_view::npos || removes, "\"", whole,
                     "\": expected name=value, as training.lr=0.001", meant_by(whole, schema));
  std::string given;
  try {
    if (at != std::string_view::npos) given = without_quotes(text.substr(at + 1));
  } catch (const ConfigError& e) { throw ConfigError(str_cat("\"", whole, "\": ", e.what())); }
  const std::vector<Assignment> written{{std::string(text.substr(0, at)), given, {}}};
  const Assignment now = respelled(written, schema)[0];
  const std::string &name = now.name, &value = now.value;
  const bool note = name.starts_with(kNotes) && name.size() > kNotes.size();
  const auto set_before = std::find_if(assignments.begin(), assignments.end(),
                                       [&](const Assignment& a) { return a.name == name; });
  if (!note) {
    const bool unknown = !schema.contains(name);
    if (unknown && adds) try {
        schema.check_name(name);
      } catch (const ConfigError& e) {
        const std::string_view why = e.what();
        throw ConfigError(str_cat(why, why.ends_with('?') ? " " : ". ", "A note of your own is written +",
                                  kNotes, name, "=", value));
      }
    schema.check_name(name);
  }
  if (removes) {
    std::erase_if(assignments, [&](const Assignment& a) { return a.name == name; });
    return;
  }
  check<ConfigError>(!adds || set_before == assignments.end() || set_before->origin.empty(), whole,
                     ": already set in ", set_before == assignments.end() ? "" : set_before->origin,
                     "; write it without the + to change it");
  assignments.push_back({name, value, {}});
}

std::vector<Assignment> respelled(std::span<const Assignment> assignments, const Settings& schema,
                                  const std::function<void(const std::string&)>& say) {
  std::vector<Assignment> out;
  for (const Assignment& a : assignments) {
    Settings::Spelling now = schema.spelling(a.name, a.value);
    if (!now.change.empty()) say(str_cat(a.origin, a.origin.empty() ? "" : ": ", now.change));
    out.push_back({std::move(now.name), std::move(now.value), a.origin});
  }
  return out;
}

void assign(Settings& settings, std::span<const Assignment> assignments) {
  for (const Assignment& a : assignments) {
    if (a.name.starts_with(kNotes)) continue;
    if (a.origin.empty()) {
      settings.set(a.name, a.value);
      continue;
    }
    try {
      settings.set(a.name, a.value);
    } catch (const ConfigError& e) { throw ConfigError(str_cat(a.origin, ": ", e.what())); }
  }
}

}  // namespace minivit::cli
