// One session of a run: from where it begins, or goes on, until its end or until it is stopped.
#pragma once

#include <cstdint>
#include <filesystem>

#include "minivit/model/vit.hpp"
#include "minivit/train/masked_autoencoder.hpp"
#include "resume.hpp"
#include "train_config.hpp"
#include "training_images.hpp"

namespace minivit::cli {

/// Trains `model` in the run folder `run`, from its checkpoint on if it has one, until the last epoch,
/// `until_epoch` (0: none), a signal, the time limit, or for want of progress. `resumed`: the settings of a
/// run that goes on. Returns the exit code. Throws FileError, ConfigError.
int train_session(const std::filesystem::path& run, const TrainConfig& config, const TrainingImages& images,
                  VisionTransformer model, std::int64_t until_epoch, const ResumedRun* resumed = nullptr);

/// The same of an autoencoder, whose encoder is what is saved.
int pretrain_session(const std::filesystem::path& run, const TrainConfig& config,
                     const TrainingImages& images, MaskedAutoencoder model, std::int64_t until_epoch,
                     const ResumedRun* resumed = nullptr);

}  // namespace minivit::cli
