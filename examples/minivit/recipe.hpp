// A recipe for a training: all settings that nobody gave, chosen for the images, the machine and the time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "minivit/data/image_format.hpp"
#include "train_config.hpp"

namespace minivit::cli {

/// What a recipe is chosen by.
struct RecipeFacts {
  std::size_t images = 0;  ///< for training
  std::size_t classes = 0;
  image::ImageSize size;   ///< of the image in the middle
  bool gray = false;       ///< whether images have no color
  double budget = 0;       ///< seconds
  double speed = 0;        ///< of this machine in training: multiplications with addition per second
  bool unlabeled = false;  ///< the pretrained model has only completed images so far, see pretrain.cpp
};

/// A setting, its value and why it was chosen.
struct RecipeChoice {
  std::string name, value, reason;
};

/// The model and how it is trained, but for its length. From scratch, or from a pretrained model whose own
/// sizes stay. One that has seen no labels is trained as if from scratch: all of it.
std::vector<RecipeChoice> choose_recipe(const RecipeFacts& facts, const ViTConfig* pretrained = nullptr);

/// The same for pretraining: the model that training from scratch would choose, so that it can go on with
/// what was learned, and how it learns without labels.
std::vector<RecipeChoice> choose_pretraining(const RecipeFacts& facts);

/// Seconds that the parts of a training take.
struct RecipeSpeed {
  double image = 0;     ///< a training image: loaded, forward, backward, step
  double val = 0;       ///< a validation image
  double epoch = 0.05;  ///< what an epoch takes besides: files, curves
};

/// Number of epochs and images in each, which fill `seconds` with `val_images` evaluated after every epoch.
std::vector<RecipeChoice> choose_length(double seconds, const RecipeSpeed& speed, std::size_t images,
                                        std::size_t val_images, std::int64_t batch_size);

/// How long the average of the weights lasts in a training of so many steps.
RecipeChoice choose_average(std::int64_t steps);

/// The part of the images that is set aside for validation.
double val_fraction_for(std::size_t images);

/// The choices that nobody has made: those whose settings are not among `given`.
std::vector<RecipeChoice> not_given(std::vector<RecipeChoice> choices, std::span<const std::string> given);

}  // namespace minivit::cli
