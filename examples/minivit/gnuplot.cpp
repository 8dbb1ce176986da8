// Pictures by gnuplot: they are drawn under other names and get their own when they are complete.
#include "gnuplot.hpp"

#include <cstddef>
#include <system_error>
#include <vector>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"
#include "printable.hpp"
#include "process.hpp"

namespace minivit::cli {

namespace {

std::string temporary(const std::string& name) { return str_cat("'.", name, ".'.format.'.tmp'"); }

}  // namespace

std::string gnuplot_text(std::string_view text) {
  std::string out = "'";
  for (const char c : printable(std::string(text))) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

std::string gnuplot_output(const std::string& name, int width, int height) {
  return str_cat("if (format eq 'png') { set terminal pngcairo size ", width, ",", height,
                 " font 'Sans,13' noenhanced background rgb 'white' }\n", "else { set terminal svg size ",
                 width * 3 / 4, ",", height * 3 / 4, " font 'Sans,11' noenhanced background rgb 'white' }\n",
                 "set output ", temporary(name), "\n");
}

Drawn draw_with_gnuplot(const std::filesystem::path& folder, const std::string& name,
                        const std::string& script) {
  // For whoever runs it by hand the pictures have their names.
  std::string by_hand = script;
  by_hand.replace(by_hand.find(temporary(name)), temporary(name).size(), str_cat("'", name, ".'.format"));
  io::write_file_atomically(folder / (name + ".gnuplot"), by_hand);
  const std::filesystem::path hidden = folder / str_cat(".", name, ".gnuplot.tmp");
  io::write_file_atomically(hidden, script);
  const std::vector<std::string> command{"gnuplot", hidden.filename().string()};
  const ProcessResult result = run_process(command, 20.0, folder);
  std::error_code ignored;
  std::filesystem::remove(hidden, ignored);
  Drawn drawn{result.code == 0, result.code < 0 ? result.error : result.output};
  for (const char* format : {"png", "svg"}) {
    const auto made = folder / str_cat(".", name, ".", format, ".tmp");
    if (drawn.drawn)
      std::filesystem::rename(made, folder / str_cat(name, ".", format), ignored);
    else
      std::filesystem::remove(made, ignored);
  }
  if (result.code == 127) drawn.why = "there is no gnuplot (Debian: gnuplot-nox)";
  return drawn;
}

}  // namespace minivit::cli
