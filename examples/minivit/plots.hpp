// The curves of a training as pictures, drawn by gnuplot.
#pragma once

#include <filesystem>

#include "gnuplot.hpp"

namespace minivit::cli {

/// Draws training_curves.png and .svg (loss, accuracy, learning rate) in the folder of a run from its
/// training_history.csv and learning_rates_per_step.csv. The script stays beside them, so that it can be
/// changed or run where gnuplot is. Never throws for a gnuplot that is missing or fails; FileError if the
/// tables cannot be read or the script not written.
Drawn draw_training_curves(const std::filesystem::path& run);

}  // namespace minivit::cli
