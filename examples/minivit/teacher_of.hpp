// The teacher that a training asks for.
#pragma once

#include "minivit/train/objective.hpp"
#include "train_config.hpp"
#include "training_images.hpp"

namespace minivit::cli {

/// The model of training.teacher, ready to be asked; nothing if there is none. Throws FileError, ConfigError.
TeacherOptions teacher_of(const TrainConfig& config, const TrainingImages& images);

}  // namespace minivit::cli
