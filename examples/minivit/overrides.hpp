// What a configuration is put together from: assignments in their order, each knowing where it was written.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "settings.hpp"

namespace minivit::inline MINIVIT_ABI {

/// `name = value`, and where that stands: "photos.yaml: line 3, column 7", or empty for the command line.
struct Assignment {
  std::string name, value, origin;
};

/// Names below this section are the user's own: any name, any text. They are kept with the run.
inline constexpr std::string_view kNotes = "notes.";

/// The name in an override: training.lr of ++training.lr=0.1.
inline std::string_view override_name(std::string_view text) {
  const std::size_t begin = text.find_first_not_of("+~");
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find('=') - begin);
}

/// Changes `assignments` as a command line says, in the words of Hydra:
///   name=value    sets it (the last one counts)
///   +name=value   sets what no file has set, or adds a note: +notes.purpose=baseline
///   ++name=value  sets it, whatever was there
///   ~name         takes it back: the default counts again
/// Throws ConfigError for a name that `schema` does not know and for `+` of what a file has set.
inline void apply_override(std::vector<Assignment>& assignments, std::string_view text,
                           const Settings& schema) {
  const std::string_view whole = text;
  const bool removes = text.starts_with('~'), forces = text.starts_with("++"),
             adds = !forces && text.starts_with('+');
  text.remove_prefix(removes || adds ? 1 : forces ? 2 : 0);
  const std::size_t at = text.find('=');
  check<ConfigError>(at != std::string_view::npos || removes, "\"", whole,
                     "\": expected name=value, as training.lr=0.001");
  const std::string_view name = text.substr(0, at),
                         value = at == std::string_view::npos ? "" : text.substr(at + 1);
  const bool note = name.starts_with(kNotes) && name.size() > kNotes.size();
  const auto set_before = std::find_if(assignments.begin(), assignments.end(),
                                       [&](const Assignment& a) { return a.name == name; });
  if (!note) {
    const bool unknown = !schema.contains(name);
    if (unknown && adds) try {
        schema.check_name(name);
      } catch (const ConfigError& e) {
        throw ConfigError(str_cat(e.what(), " A note of your own is written +", kNotes, name, "=", value));
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
  assignments.push_back({std::string(name), std::string(value), {}});
}

/// Gives the settings their values, in order; notes are left out. Throws ConfigError that says where the
/// wrong value stands.
inline void assign(Settings& settings, std::span<const Assignment> assignments) {
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

}  // namespace minivit::inline MINIVIT_ABI
