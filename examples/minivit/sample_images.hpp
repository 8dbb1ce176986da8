// Validation images as a model sees them, and with what it takes them for, for TensorBoard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "minivit/data/image_folder.hpp"
#include "minivit/io/tensorboard.hpp"
#include "minivit/model/vit.hpp"

namespace minivit::cli {

/// Images of a data set, with their labels; one that cannot be read is 0 everywhere, with label -1.
struct SampleImages {
  Tensor images;  ///< (n, C, H, W), or empty
  std::vector<int> labels;
};

/// `count` of `samples`, or all if these are fewer, spread over all, since they are ordered by class.
SampleImages spread_samples(const ImageFolder& images, const std::vector<std::size_t>& samples,
                            std::int64_t count);

/// Draws a normalized image (channels, H, W) into a picture of three channels, each pixel as a square of
/// `zoom`.
void draw_planes(Image& picture, int left, int top, int zoom, const float* x, int H, int W,
                 const Preprocess& p);

/// Some validation images as the model sees them, framed green if it is right and red if not, and a table
/// of what it says: `count` of `samples`, spread over all. The model has the weights that are evaluated.
void show_samples(io::TensorBoard& board, std::int64_t step, const VisionTransformer& model,
                  const ImageFolder& images, const std::vector<std::size_t>& samples, std::int64_t count,
                  const Preprocess& p);

}  // namespace minivit::cli
