// The images of a training.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "minivit/vit.hpp"
#include "train_config.hpp"

namespace minivit::cli {

/// The training images and those for validation: of a folder of their own, or a part of each class.
struct TrainingImages {
  ImageFolder train, val;
  std::vector<std::size_t> train_part, val_part;  // indices

  static TrainingImages open(const TrainConfig& c);

  const std::vector<std::string>& classes() const { return train.classes(); }

  /// What a resumed run must find again.
  std::string digest() const;
};

}  // namespace minivit::cli
