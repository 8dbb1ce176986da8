// Maps of an image as pictures: colors laid over it, with their scale.
#pragma once

#include "minivit/data/image_type.hpp"
#include "minivit/data/preprocess.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::cli {

/// A map (rows, columns) over a normalized image (1, channels, height, width), which is enlarged to at least
/// 256 pixels: from dark blue where the map is least to yellow where it is most (viridis, by S. van der Walt
/// and N. Smith), smoothly between the middles of the patches. On the right the scale of the colors, least at
/// the bottom.
Image overlay(const Tensor& image, const Tensor& map, const Preprocess& preprocess);

}  // namespace minivit::cli
