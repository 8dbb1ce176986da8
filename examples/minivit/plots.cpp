// A gnuplot script for the curves of a run, and its pictures.
#include "plots.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "csv.hpp"
#include "program.hpp"

namespace minivit::cli {

namespace {

bool has_column(const CsvTable& table, std::string_view name) {
  return std::ranges::find(table.names, name) != table.names.end();
}

/// Whether the column has a number to draw.
bool drawable(const CsvTable& table, const char* name) {
  if (!has_column(table, name)) return false;
  const std::size_t c = table.column(name);
  return std::any_of(table.rows.begin(), table.rows.end(),
                     [c](const std::vector<double>& row) { return std::isfinite(row[c]); });
}

/// A block of data in a gnuplot script: rows of the columns `x` and `y`, those without a finite y left out.
std::string plot_data(const CsvTable& table, const char* name, const char* x, const char* y,
                      double scale = 1.0) {
  std::string out = str_cat("$", name, " << EOD\n");
  const std::size_t cx = table.column(x), cy = table.column(y);
  // A curve needs no more points than there are pixels; of more, every n-th and the last are kept.
  const std::size_t step = std::max<std::size_t>(1, table.rows.size() / 2000);
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (i % step != 0 && i + 1 != table.rows.size()) continue;
    const double value = table.rows[i][cy] * scale;
    if (std::isfinite(value)) out += str_cat(table.rows[i][cx], ' ', value, '\n');
  }
  return out + "EOD\n";
}

/// The smallest of 1, 2, 5, 10, 20, … that divides `span` into at most so many parts.
double whole_tick(double span, int parts) {
  double tick = 1;
  for (int i = 0; span / tick > parts && tick < 1e12; ++i) tick *= i % 3 == 1 ? 2.5 : 2.0;
  return tick;
}

/// Whether losses differ so much, as when a training diverges, that only a logarithmic axis shows them all.
bool wide_range(const CsvTable& history) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const char* name : {"train_loss", "val_loss"})
    for (const std::vector<double>& row : history.rows) {
      const double value = row[history.column(name)];
      if (std::isfinite(value) && value > 0) low = std::min(low, value), high = std::max(high, value);
    }
  return high > 100 * low;
}

/// Everything that the script draws, in a style for people who do not tell red from green (M. Okabe, K. Ito,
/// "Color Universal Design", 2008).
std::string plot_script(const CsvTable& history, const CsvTable& rates) {
  const std::size_t epochs = history.rows.size();
  const bool labels = has_column(history, "val_acc");
  const std::size_t epoch = history.column("epoch"), accuracy = labels ? history.column("val_acc") : epoch;
  std::size_t best = 0;
  bool top5 = false;  // with five classes or fewer it is always right
  for (std::size_t i = 0; i < epochs && labels; ++i) {
    if (history.rows[i][accuracy] > history.rows[best][accuracy]) best = i;
    top5 = top5 || history.rows[i][history.column("val_top5")] < 1.0;
  }
  const double lowest = epochs > 0 ? history.rows[0][epoch] : 1,
               highest = epochs > 0 ? history.rows[epochs - 1][epoch] : 1;
  const double margin = std::max(0.5, 0.02 * (highest - lowest));
  const double tick = whole_tick(highest - lowest, 8);

  std::string s = "# Draws training_curves.png and .svg:   gnuplot training_curves.gnuplot\n";
  s += plot_data(history, "train_loss", "epoch", "train_loss") +
       plot_data(history, "val_loss", "epoch", "val_loss");
  if (labels)
    s += plot_data(history, "train_acc", "epoch", "train_acc", 100) +
         plot_data(history, "val_acc", "epoch", "val_acc", 100);
  if (top5) s += plot_data(history, "val_top5", "epoch", "val_top5", 100);
  s += plot_data(rates, "lr", "step", "lr");
  if (epochs > 0 && labels)
    s += str_cat("$best << EOD\n", history.rows[best][epoch], ' ', 100 * history.rows[best][accuracy],
                 "\nEOD\n");

  // The fewer the points, the larger.
  s += str_cat("\nsize = ", epochs > 10 ? 0.5 : 1.0);
  s += R"(
set style line 1 lc rgb '#0072B2' lw 2 pt 7 ps size
set style line 2 lc rgb '#D55E00' lw 2 pt 7 ps size
set style line 3 lc rgb '#E69F00' lw 1.5 dt 2 pt 7 ps size
set style line 4 lc rgb '#009E73' lw 2
set style line 9 lc rgb '#D8D8D8' lw 0.7
set style line 10 lc rgb '#707070' lw 1
set border 3 ls 10
set tics nomirror scale 0.5 textcolor rgb '#404040'
set grid ls 9
set key outside above center horizontal nobox maxrows 1 samplen 1.6 textcolor rgb '#202020'
set datafile missing 'nan'
draw = ")";
  // One point makes no line.
  s += epochs > 60 ? "lines\"\n" : "linespoints\"\n";
  const std::string epoch_axis = str_cat("set xrange [", lowest - margin, ":", highest + margin,
                                         "]\nset xtics ", tick, "\nset xlabel 'epoch'\n");
  s += "\ndo for [format in 'png svg'] {\n";
  s += "if (format eq 'png') { set terminal pngcairo size " + std::string(labels ? "1800" : "1200") +
       ",540 font 'Sans,13' enhanced background rgb 'white' }\n";
  s += "else { set terminal svg size " + std::string(labels ? "1350" : "900") +
       ",405 font 'Sans,11' enhanced background rgb 'white' }\n";
  s += "set output '.training_curves.'.format.'.tmp'\n";
  s += "set multiplot layout 1," + std::string(labels ? "3" : "2") +
       " margins 0.06,0.975,0.15,0.88 spacing 0.075,0\n";
  s += epoch_axis;
  s += "set ylabel 'loss'\nset yrange [*:*]\nunset format\n";
  // Of nothing but missing numbers gnuplot finds no range.
  const std::string empty =
      "set yrange [0:1]\nset label 1 'nothing is measured yet' at graph 0.5, 0.5 center "
      "textcolor rgb '#707070'\nplot NaN notitle\nunset label 1\n";
  if (wide_range(history)) s += "set logscale y\nset format y '%g'\n";
  s += drawable(history, "train_loss") || drawable(history, "val_loss")
           ? "plot $train_loss using 1:2 with @draw ls 1 title 'training', "
             "$val_loss using 1:2 with @draw ls 2 title 'validation'\n"
           : empty;
  s += "unset logscale y\nunset format\n";
  if (labels) s += "set ylabel 'accuracy, %'\nset yrange [*:100<*]\n";
  if (!labels) {
    // No panel for the accuracy.
  } else if (epochs > 0) {
    s += format("set xlabel 'epoch; best: %.2f %% in epoch %.0f'\n", 100 * history.rows[best][accuracy],
                history.rows[best][epoch]);
    s += "plot $train_acc using 1:2 with @draw ls 1 title 'training', "
         "$val_acc using 1:2 with @draw ls 2 title 'validation', ";
    if (top5) s += "$val_top5 using 1:2 with @draw ls 3 title 'top 5', ";
    s += "$best using 1:2 with points pt 6 ps 1.8 lw 2 lc rgb '#202020' notitle\n";
  } else {
    s += empty;
  }
  s += "set ylabel 'learning rate'\nset xtics autofreq\nset xlabel 'step'\nset format y '%g'\n";
  s += "set yrange [0:*]\nunset key\n";
  if (rates.rows.size() > 1)
    s += str_cat("set xtics ", whole_tick(rates.rows.back()[rates.column("step")], 6), "\n");
  s += rates.rows.size() > 1 ? str_cat("set xrange [0:", rates.rows.back()[rates.column("step")], "]\n")
                             : "set autoscale x\n";
  s += rates.rows.empty() ? empty
                          : str_cat("plot $lr using 1:2 with ", rates.rows.size() > 1 ? "lines" : "points",
                                    " ls 4 notitle\n");
  s += "set key\nunset multiplot\nunset output\n}\n";
  return s;
}

}  // namespace

Drawn draw_training_curves(const std::filesystem::path& run) {
  const CsvTable history = read_csv(run / "training_history.csv"),
                 rates = read_csv(run / "learning_rates_per_step.csv");
  return draw_with_gnuplot(run, "training_curves", plot_script(history, rates));
}

}  // namespace minivit::cli
