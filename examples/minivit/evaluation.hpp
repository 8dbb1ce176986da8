// All scores of a model on a folder of images, as JSON, as tables and as pictures.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "minivit/insight/answers.hpp"
#include "minivit/io/json.hpp"
#include "plots.hpp"

namespace minivit::cli {

/// Answers with the names of what they are about.
struct NamedAnswers {
  Answers answers;
  std::vector<std::string> classes;  ///< by number
  std::vector<std::string> images;   ///< by place in `answers`
};

/// Scores, those of every class, and calibration, each by its name in scikit-learn.
io::Json scores_json(const NamedAnswers& a);

/// Accuracy with its interval and the scores that say most, for the terminal.
std::vector<std::string> score_lines(const NamedAnswers& a);

/// Writes scores.json, per_class.csv, confusion_matrix.csv, calibration.csv and predictions.csv into a
/// folder, which is made, and with gnuplot confusion_matrix.png, reliability.png and their .svg. Throws
/// FileError.
Drawn write_evaluation(const std::filesystem::path& folder, const NamedAnswers& a);

}  // namespace minivit::cli
