// Counts and sizes of the images of a training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "minivit/data/image_format.hpp"
#include "train_config.hpp"
#include "training_images.hpp"

namespace minivit::cli {

/// What is known of the images before they are trained on.
struct DataFacts {
  std::vector<std::string> classes;                           ///< names by label
  std::vector<std::size_t> train, val;                        ///< images of each class
  image::ImageSize smallest, median, largest;                 ///< by the number of pixels; 0 x 0: not known
  std::vector<std::pair<std::string, std::size_t>> suffixes;  ///< the most frequent first
  bool own_val = false;  ///< validation images have a folder of their own

  /// From the scan of the images. What cannot be read is left out.
  static DataFacts of(const TrainConfig& config, const TrainingImages& images);

  std::size_t train_total() const;
  std::size_t val_total() const;
};

/// Of the images counted, the share of the largest class: what is right by always answering with that class.
/// The label of that class is put where `label` points to.
double majority_share(const std::vector<std::size_t>& counts, std::size_t* label = nullptr);

}  // namespace minivit::cli
