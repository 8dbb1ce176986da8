// Contents of a model directory besides the weights.
#pragma once

#include <string>
#include <vector>

#include "minivit/data/transform.hpp"
#include "minivit/model/vit_config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The settings of a model, what its classes are called, and how its images are prepared.
struct ModelConfig {
  ViTConfig vit;
  std::vector<std::string> labels;  ///< name of each class
  Preprocess preprocess;
  bool multi_label = false;  ///< classes do not exclude each other: the probability of each is its sigmoid
};

}  // namespace minivit::inline MINIVIT_ABI
