// Pictures of what a masked autoencoder makes of images.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "minivit/train/masked_autoencoder.hpp"
#include "minivit/vit.hpp"

namespace minivit::cli {

/// Some of `samples` of a data set, `count` at most, spread over all: of each the image, its visible patches,
/// and these with what the decoder says of the others. Six columns, two images a row; small images are
/// enlarged. The masks are always the same. An image that cannot be read is left out; without any the picture
/// is empty.
Image reconstructions(const MaskedAutoencoder& model, const ImageFolder& images,
                      const std::vector<std::size_t>& samples, std::int64_t count, const Preprocess& p);

}  // namespace minivit::cli
