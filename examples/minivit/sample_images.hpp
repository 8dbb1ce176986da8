// Validation images with what the model takes them for, for TensorBoard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "minivit/data/image_folder.hpp"
#include "minivit/io/tensorboard.hpp"
#include "minivit/model/vit.hpp"

namespace minivit::cli {

/// Some validation images as the model sees them, framed green if it is right and red if not, and a table
/// of what it says: `count` of `samples`, spread over all. The model has the weights that are evaluated.
void show_samples(io::TensorBoard& board, std::int64_t step, const VisionTransformer& model,
                  const ImageFolder& images, const std::vector<std::size_t>& samples, std::int64_t count,
                  const Preprocess& p);

}  // namespace minivit::cli
