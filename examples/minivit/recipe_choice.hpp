// The choice of a recipe for a training that is about to begin.
#pragma once

#include <chrono>
#include <vector>

#include "recipe.hpp"
#include "train_config.hpp"
#include "training_images.hpp"

namespace minivit::cli {

/// Whether settings that are not given are chosen: there is a time for the training, and its length is not
/// given otherwise.
bool chooses_recipe(const TrainConfig& config);

/// Before the images are opened: how many of them are set aside for validation, if nothing says it.
void choose_split(TrainConfig& config);

/// Chooses what is not given, by the images, by what this machine does in two seconds, and by the time that
/// is left of the budget since `begun`. Changes `config` and how `images` are prepared. Prints each setting
/// with the reason, and returns them.
std::vector<RecipeChoice> choose_recipe_for(TrainConfig& config, TrainingImages& images,
                                            std::chrono::steady_clock::time_point begun);

}  // namespace minivit::cli
