// All scores of a model: JSON, tables, pictures.
#include "evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <system_error>
#include <utility>

#include "csv.hpp"
#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"
#include "minivit/insight/calibration.hpp"
#include "program.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

/// Scores of a class against all others.
struct OneAgainstRest {
  double roc_area, average_precision;

  OneAgainstRest(const Answers& a, const std::vector<double>& p, std::size_t k) {
    const auto K = static_cast<std::size_t>(a.logits.size(1));
    std::vector<double> scores;
    std::vector<char> positive;
    for (std::size_t i = 0; i < a.images(); ++i) {
      scores.push_back(p[i * K + k]);
      positive.push_back(a.labels[i] == static_cast<int>(k));
    }
    roc_area = minivit::roc_area(scores, positive);
    average_precision = minivit::average_precision(scores, positive);
  }
};

/// JSON has no word for what is no number.
io::Json json_number(double value) { return std::isfinite(value) ? io::Json(value) : io::Json(); }

io::Json means(const MeanScores& m) {
  return io::Json::object({{"precision", m.precision}, {"recall", m.recall}, {"f1", m.f1}});
}

std::string csv_number(double value) { return std::isfinite(value) ? str_cat(value) : std::string(); }

std::string per_class_csv(const NamedAnswers& a) {
  std::string out = "class,support,answered,right,precision,recall,f1,roc_auc,average_precision\n";
  const std::vector<double> p = probabilities(a.answers.logits);
  const std::vector<ClassScores> rows = a.answers.confusion().by_class();
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const ClassScores& r = rows[k];
    const OneAgainstRest one(a.answers, p, k);
    out += str_cat(csv_field(a.classes[k]), ',', r.support, ',', r.answered, ',', r.right, ',', r.precision,
                   ',', r.recall, ',', r.f1, ',', csv_number(one.roc_area), ',',
                   csv_number(one.average_precision), '\n');
  }
  return out;
}

std::string confusion_csv(const NamedAnswers& a) {
  const ConfusionMatrix m = a.answers.confusion();
  std::string out = "class";
  for (const std::string& name : a.classes) out += str_cat(',', csv_field(name));
  out += '\n';
  for (std::size_t i = 0; i < m.classes(); ++i) {
    out += csv_field(a.classes[i]);
    for (std::size_t j = 0; j < m.classes(); ++j) out += str_cat(',', m(i, j));
    out += '\n';
  }
  return out;
}

std::string calibration_csv(const CalibrationScores& s) {
  std::string out = "above,to,images,confidence,accuracy\n";
  for (const ReliabilityBin& bin : s.bins)
    out +=
        str_cat(bin.low, ',', bin.high, ',', bin.images, ',', bin.images > 0 ? str_cat(bin.confidence) : "",
                ',', bin.images > 0 ? str_cat(bin.accuracy) : "", '\n');
  return out;
}

std::string predictions_csv(const NamedAnswers& a) {
  std::string out = "image,class,answer,probability,probability_of_class\n";
  const std::vector<double> p = probabilities(a.answers.logits);
  const auto K = a.classes.size();
  for (std::size_t i = 0; i < a.answers.images(); ++i) {
    const auto label = static_cast<std::size_t>(a.answers.labels[i]),
               answer = static_cast<std::size_t>(a.answers.answer(i));
    out += str_cat(csv_field(a.images[i]), ',', csv_field(a.classes[label]), ',',
                   csv_field(a.classes[answer]), ',', p[i * K + answer], ',', p[i * K + label], '\n');
  }
  return out;
}

/// A matrix of rates as a picture, with the names of the classes where there is room for them.
std::string confusion_script(const NamedAnswers& a) {
  const ConfusionMatrix m = a.answers.confusion();
  const std::vector<ClassScores> rows = m.by_class();
  const std::size_t K = m.classes();
  constexpr std::size_t kNamed = 40, kNumbered = 15;
  std::string s =
      "# Draws confusion_matrix.png and .svg:   gnuplot confusion_matrix.gnuplot\n$rates << EOD\n";
  for (std::size_t i = 0; i < K; ++i) {
    for (std::size_t j = 0; j < K; ++j)
      s += str_cat(j > 0 ? " " : "", rows[i].support > 0
                                         ? static_cast<double>(m(i, j)) / static_cast<double>(rows[i].support)
                                         : 0.0);
    s += '\n';
  }
  s += "EOD\n";
  const int edge = static_cast<int>(std::clamp<std::size_t>(320 + 34 * K, 560, 1700));
  s += "do for [format in 'png svg'] {\n" + gnuplot_output("confusion_matrix", edge + 140, edge);
  s += "set palette defined (0 '#ffffff', 0.25 '#b9d6ea', 1 '#08519c')\nset cbrange [0:1]\n"
       "set cblabel 'part of the class'\nset size ratio 1\nunset key\nset border lc rgb '#909090'\n"
       "set tics scale 0\nset xlabel 'answer'\nset ylabel 'class'\n";
  s += str_cat("set xrange [-0.5:", K, "-0.5]\nset yrange [", K, "-0.5:-0.5]\n");
  if (K <= kNamed) {
    std::string tics;
    for (std::size_t k = 0; k < K; ++k)
      tics += str_cat(k > 0 ? ", " : "", gnuplot_text(a.classes[k]), ' ', k);
    s += "set xtics rotate by 45 right (" + tics + ")\nset ytics (" + tics + ")\n";
  }
  if (K <= kNumbered)
    for (std::size_t i = 0; i < K; ++i)
      for (std::size_t j = 0; j < K; ++j)
        if (m(i, j) > 0)
          s += str_cat("set label '", m(i, j), "' at ", j, ",", i, " center front textcolor rgb '",
                       2 * m(i, j) > rows[i].support ? "#ffffff" : "#202020", "'\n");
  return s + "plot $rates matrix with image\nunset output\nunset label\n}\n";
}

/// How often answers of each confidence are right, and how many there are.
std::string reliability_script(const CalibrationScores& s) {
  std::string script = "# Draws reliability.png and .svg:   gnuplot reliability.gnuplot\n$bins << EOD\n";
  double most = 0;
  for (const ReliabilityBin& bin : s.bins) {
    most = std::max(most, static_cast<double>(bin.images));
    if (bin.images > 0)
      script +=
          str_cat((bin.low + bin.high) / 2, ' ', bin.accuracy, ' ', bin.confidence, ' ', bin.images, '\n');
  }
  script += "EOD\ndo for [format in 'png svg'] {\n" + gnuplot_output("reliability", 720, 760);
  script += str_cat(
      "width = ", 1.0 / static_cast<double>(std::max<std::size_t>(s.bins.size(), 1)),
      "\nset multiplot\nset xrange [0:1]\nset border 3 lc rgb '#707070'\nset tics nomirror scale 0.5\n"
      "set grid lc rgb '#D8D8D8'\nset style fill solid 0.85 noborder\nset boxwidth 0.92*width\n"
      "set key outside above center horizontal samplen 1.6\n"
      "set lmargin at screen 0.15\nset rmargin at screen 0.96\n"
      "set tmargin at screen 0.93\nset bmargin at screen 0.36\nset yrange [0:1]\n"
      "set ylabel 'part that is right'\nset format x ''\n"
      "plot $bins using 1:2 with boxes lc rgb '#0072B2' title 'right', "
      "$bins using 1:3 with points pt 7 ps 0.9 lc rgb '#D55E00' title 'confidence', "
      "x with lines lc rgb '#404040' dt 2 notitle\n"
      "set tmargin at screen 0.32\nset bmargin at screen 0.10\nset format x '%g'\nset yrange [0:*]\n"
      "set ylabel 'images'\nset xlabel 'confidence: probability of the answer'\nunset key\n"
      "plot $bins using 1:4 with boxes lc rgb '#808080' notitle\n"
      "unset multiplot\nunset output\nunset format\nset key\n}\n");
  return script;
}

}  // namespace

io::Json scores_json(const NamedAnswers& a) {
  const ConfusionMatrix m = a.answers.confusion();
  const std::vector<double> p = probabilities(a.answers.logits);
  const CalibrationScores c = calibration(a.answers.logits, a.answers.labels);
  const std::int64_t right = std::llround(m.accuracy() * static_cast<double>(m.images()));
  const Interval interval = wilson_interval(right, m.images());
  io::Json json = io::Json::object({{"images", m.images()},
                                    {"correct", right},
                                    {"accuracy", m.accuracy()},
                                    {"accuracy_low", interval.low},
                                    {"accuracy_high", interval.high},
                                    {"top3", top_k_accuracy(a.answers.logits, a.answers.labels, 3)},
                                    {"top5", top_k_accuracy(a.answers.logits, a.answers.labels, 5)},
                                    {"balanced_accuracy", m.balanced_accuracy()},
                                    {"cohen_kappa", json_number(m.kappa())},
                                    {"matthews_corrcoef", m.matthews()},
                                    {"macro", means(m.macro_mean())},
                                    {"weighted", means(m.weighted_mean())},
                                    {"log_loss", c.nll},
                                    {"brier", c.brier},
                                    {"ece", c.ece},
                                    {"mce", c.mce},
                                    {"classwise_ece", c.classwise}});
  io::Json classes = io::Json::array();
  const std::vector<ClassScores> rows = m.by_class();
  double roc_sum = 0, precision_sum = 0, counted = 0;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const ClassScores& r = rows[k];
    const OneAgainstRest one(a.answers, p, k);
    if (std::isfinite(one.roc_area))
      roc_sum += one.roc_area, precision_sum += one.average_precision, ++counted;
    classes.push_back(io::Json::object({{"class", a.classes[k]},
                                        {"support", r.support},
                                        {"answered", r.answered},
                                        {"correct", r.right},
                                        {"precision", r.precision},
                                        {"recall", r.recall},
                                        {"f1", r.f1},
                                        {"roc_auc", json_number(one.roc_area)},
                                        {"average_precision", json_number(one.average_precision)}}));
  }
  json["roc_auc"] = json_number(counted > 0 ? roc_sum / counted : std::nan(""));
  json["average_precision"] = json_number(counted > 0 ? precision_sum / counted : std::nan(""));
  json["classes"] = std::move(classes);
  return json;
}

std::vector<std::string> score_lines(const NamedAnswers& a) {
  const ConfusionMatrix m = a.answers.confusion();
  const CalibrationScores c = calibration(a.answers.logits, a.answers.labels);
  const MeanScores macro = m.macro_mean();
  const std::int64_t right = std::llround(m.accuracy() * static_cast<double>(m.images()));
  const Interval i = wilson_interval(right, m.images());
  return {format("accuracy %.4f (%lld/%lld), with a probability of 95 %% between %.4f and %.4f", m.accuracy(),
                 static_cast<long long>(right), static_cast<long long>(m.images()), i.low, i.high),
          format("mean of the classes: recall %.4f, precision %.4f, f1 %.4f; kappa %.4f", macro.recall,
                 macro.precision, macro.f1, m.kappa()),
          format("probabilities: log loss %.4f, Brier score %.4f, expected calibration error %.4f", c.nll,
                 c.brier, c.ece)};
}

Drawn write_evaluation(const fs::path& folder, const NamedAnswers& a) {
  std::error_code error;
  fs::create_directories(folder, error);
  check<FileError>(!error, folder.native(), ": cannot be made a folder (", error.message(), ")");
  const CalibrationScores c = calibration(a.answers.logits, a.answers.labels);
  io::write_json_file(folder / "scores.json", scores_json(a));
  io::write_file_atomically(folder / "per_class.csv", per_class_csv(a));
  io::write_file_atomically(folder / "confusion_matrix.csv", confusion_csv(a));
  io::write_file_atomically(folder / "calibration.csv", calibration_csv(c));
  io::write_file_atomically(folder / "predictions.csv", predictions_csv(a));
  const Drawn matrix = draw_with_gnuplot(folder, "confusion_matrix", confusion_script(a));
  return matrix.drawn ? draw_with_gnuplot(folder, "reliability", reliability_script(c)) : matrix;
}

}  // namespace minivit::cli
