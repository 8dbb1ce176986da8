// The lines that a training begins with: what it found, what it will do, and what does not fit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data_facts.hpp"
#include "train_config.hpp"

namespace minivit::cli {

/// What training consists of.
struct TrainPlan {
  std::int64_t batches = 0;     ///< of an epoch
  std::int64_t parameters = 0;  ///< weights of the model
  std::int64_t trained = 0;     ///< those of them that are trained
  double flop = 0;              ///< floating-point operations of all epochs
  std::int64_t decoder = 0;     ///< weights of the decoder of Task::pretrain
};

/// Images by class, their sizes and kinds, the model, epochs and steps.
std::vector<std::string> opening_lines(const TrainConfig& config, const DataFacts& facts,
                                       const TrainPlan& plan);

/// What a user should know before time is spent: sizes, counts and settings that do not fit each other. Each
/// line says what to do.
std::vector<std::string> advice_lines(const TrainConfig& config, const DataFacts& facts);

}  // namespace minivit::cli
