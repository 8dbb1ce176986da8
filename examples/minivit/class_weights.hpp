// Weights of the classes in the loss.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minivit::cli {

/// The numbers of training.class_weights, with blanks or commas between them; none for "none" and "balanced".
/// Throws ConfigError for anything else, and for a number that is not above 0 and finite.
std::vector<float> parse_class_weights(std::string_view text);

/// A weight for each class, for images with these labels; empty if all are 1. Balanced is, as in
/// scikit-learn, images / (classes · images of the class), so that every class weighs the same. Throws
/// ConfigError if the text is malformed or has a number of weights that is not that of the classes.
std::vector<float> class_weights(std::string_view text, std::span<const int> labels,
                                 const std::vector<std::string>& classes);

}  // namespace minivit::cli
