// Pictures by gnuplot, which is a program and may be missing.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace minivit::cli {

/// Whether pictures were drawn, and if not, why.
struct Drawn {
  bool drawn = false;
  std::string why;
};

/// A text in a script, in quotes, whatever is in it.
std::string gnuplot_text(std::string_view text);

/// The line of a script that begins NAME.png or NAME.svg, as its variable `format` says, of so many pixels.
std::string gnuplot_output(const std::string& name, int width, int height);

/// Runs a script that draws NAME.png and NAME.svg in a folder, whole or not at all. The script stays beside
/// them as NAME.gnuplot, so that it can be changed or run where gnuplot is. Never throws for a gnuplot that
/// is missing or fails; FileError if the script cannot be written.
Drawn draw_with_gnuplot(const std::filesystem::path& folder, const std::string& name,
                        const std::string& script);

}  // namespace minivit::cli
