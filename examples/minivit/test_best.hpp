// The test at the end of a training: the best model on images that nothing was chosen by.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>

#include "minivit/train/metrics.hpp"
#include "training_images.hpp"

namespace minivit::cli {

/// Measures the model in `run`/best on images.test, which must be there. Stops early if `go_on()` says no;
/// `on_skip` is told of images that cannot be read. `flip`: what counts is the mean of what the model says of
/// an image and of its mirror image. Throws FileError for the model.
Metrics test_best(const std::filesystem::path& run, const TrainingImages& images, std::size_t batch_size,
                  int workers, const std::function<bool()>& go_on,
                  const std::function<void(const std::string&)>& on_skip, bool flip = false);

}  // namespace minivit::cli
