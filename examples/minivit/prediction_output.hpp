// Predictions as lines: text for people, JSON or CSV for programs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/io/image_classifier.hpp"

namespace minivit::cli {

/// Writes a line for each image to standard output.
class PredictionOutput {
 public:
  enum class Format { text, json, csv };

  /// What is the same for all images.
  struct Options {
    Format format = Format::text;
    std::string model;     ///< the model's folder
    std::size_t top = 5;   ///< classes of an image, at most those that the model has
    double threshold = 0;  ///< less probable classes are left out
  };

  /// Begins a table with its header.
  explicit PredictionOutput(Options options);

  /// Aligns lines of text for names of images that are so many bytes long, as `escaped` writes them.
  void align(std::size_t width) { width_ = width; }

  /// The classes of an image, the most probable first; at least one. Names may be any bytes.
  void row(std::string_view image, std::span<const Prediction> best, std::span<const float> logits) const;

  /// An image that cannot be read: a row in JSON and CSV, so that each image has one.
  void failed(std::string_view image, std::string_view why) const;

  /// Those of the classes that reach the threshold.
  std::span<const Prediction> reached(std::span<const Prediction> best) const;

 private:
  void json_row(std::string_view image, std::span<const Prediction> best,
                std::span<const float> logits) const;
  void csv_row(std::string_view image, std::span<const Prediction> best, std::string_view error) const;

  Options options_;
  std::size_t width_ = 0;
};

}  // namespace minivit::cli
