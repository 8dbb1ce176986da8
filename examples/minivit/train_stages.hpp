// Stages of a training: epochs with images of another size or larger patches, before those with the model's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/model/training_view.hpp"
#include "train_config.hpp"

namespace minivit::cli {

/// (height, width) of "224" or "224x160"; throws ConfigError that names the setting.
std::pair<std::int64_t, std::int64_t> size_from(std::string_view text, std::string_view setting);

/// Which images and patches the epochs of a training have, by training.image_sizes and training.patch_sizes:
/// "16:0.3 24:0.5" gives the first 0.3 of the epochs images of 16 pixels, the next 0.5 of 24, and the rest
/// the model's own.
class TrainStages {
 public:
  /// Throws ConfigError for what cannot be read, for shares that leave nothing for the model's own size, and
  /// for sizes that the model does not fit.
  explicit TrainStages(const TrainConfig& config);

  /// What the model sees in this epoch, from 0 on.
  ViewOptions at(std::int64_t epoch) const;

  /// The work of a batch of this epoch as a part of that of one with the model's own sizes.
  double work(std::int64_t epoch) const;

  /// Mean of that over all epochs.
  double mean_work() const;

  /// One line: "images of 16, 24, 32 pixels from epoch 1, 5, 14 on"; empty if all epochs are alike.
  std::string text() const;

 private:
  struct Stage {
    std::int64_t until;  // epochs from 0 on
    ViewOptions view;
    double work = 1;
  };
  std::vector<Stage> stages_;  // the last one has the model's own sizes
};

}  // namespace minivit::cli
