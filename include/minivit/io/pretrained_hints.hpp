// Hints of configuration files about a model, before its weights are looked at.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/io/model_config.hpp"
#include "minivit/model/positions.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What is known about a model before its weights are looked at.
struct PretrainedHints {
  ModelConfig config;
  bool of_transformers = false;
  bool complete = false;          ///< the configuration says everything, as the library's own
  bool knows_image_size = false;  ///< config.vit.image_height and image_width are the model's
  bool knows_heads = false;
  bool knows_pooling = false;                    ///< config.vit.pooling is the model's
  bool knows_distillation = false;               ///< config.vit.distillation is the model's
  bool headless = false;                         ///< the class of the model has no classifier
  bool has_labels = false;                       ///< config.labels are names and not numbers
  bool has_preprocess = false;                   ///< config.preprocess is the model's, but for its size
  bool knows_input_size = false;                 ///< config.preprocess.height and width, too
  PositionFilter filter = PositionFilter::timm;  ///< how the library it comes from interpolates positions

  /// Settings of config.vit that the weights have to agree with, and what the file calls them.
  std::vector<std::pair<std::string_view, std::string>> stated{};
  std::vector<std::string> notes{};  ///< what was assumed
};

}  // namespace minivit::inline MINIVIT_ABI
