// Assignments of a configuration in their order, each with the place where it was written.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "settings.hpp"

namespace minivit::cli {

/// `name = value`, and where that stands: "photos.yaml: line 3, column 7", or empty for the command line.
struct Assignment {
  std::string name, value, origin;
};

/// Names below this section are the user's own: any name, any text. They are kept with the run.
inline constexpr std::string_view kNotes = "notes.";

/// The value of a setting that a file leaves to the command line, as in Hydra.
inline constexpr std::string_view kMissing = "???";

/// Writes the line to standard error, once for each text.
void say_on_stderr(const std::string& line);

/// The name in an override: training.lr of ++training.lr=0.1.
std::string_view override_name(std::string_view text);

/// What is said about an option that there is not, as --lr or --lr=0.1, if a setting was meant, with the
/// value behind it (which may be empty): "did you mean training.lr=0.1?". Empty if none was.
std::string setting_for_option(std::string_view option, std::string_view value, const Settings& schema);

/// Changes `assignments` as a command line says, in the words of Hydra:
///   name=value    sets it (the last one counts)
///   +name=value   sets what no file has set, or adds a note: +notes.purpose=baseline
///   ++name=value  sets it, whatever was there
///   ~name         takes it back: the default counts again
/// Quotes around a whole value are taken off.
/// Throws ConfigError for a name that `schema` does not know and for `+` of what a file has set.
void apply_override(std::vector<Assignment>& assignments, std::string_view text, const Settings& schema);

/// The assignments as they are spelled now, notes as they are. Calls `say` with a line for each that was
/// spelled in an old way: where it stands and what it is called now.
std::vector<Assignment> respelled(std::span<const Assignment> assignments, const Settings& schema,
                                  const std::function<void(const std::string&)>& say = say_on_stderr);

/// Gives the settings their values, in order; notes are left out. Throws ConfigError that says where the
/// wrong value stands.
void assign(Settings& settings, std::span<const Assignment> assignments);

}  // namespace minivit::cli
