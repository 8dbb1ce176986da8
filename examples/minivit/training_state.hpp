// State of a run, in numbers that its checkpoint keeps beside weights and moments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "minivit/core/check.hpp"
#include "minivit/io/checkpoint.hpp"

namespace minivit::cli {

/// The position of the training, and what the run's files need to go on as if it had never stopped.
struct TrainingState {
  std::int64_t epoch = 0;                 ///< the one that is going on, from 0
  std::int64_t batch = 0;                 ///< batches of it that are done
  std::int64_t step = 0;                  ///< optimizer steps that are done
  Metrics trained{};                      ///< of those batches
  double epoch_seconds = 0, seconds = 0;  ///< spent on this epoch and on all

  double best_val_acc = -1, best_val_loss = 0;  ///< -1: none yet
  std::int64_t best_epoch = 0;                  ///< from 1; 0: none yet
  std::int64_t improved_epoch = 0;              ///< the last whose accuracy was higher than any before

  std::int64_t history_rows = 0;  ///< lines of training_history.csv, header not counted
  std::int64_t events_bytes = 0;  ///< length of the TensorBoard file

  std::string data;  ///< what it is trained on, see data_digest: it must be the same

  /// As `save_checkpoint` takes it.
  TrainingPosition position() const;

  /// Of what `load_checkpoint` returned for the folder `checkpoint`. Throws FileError that names it if
  /// something is missing or no number.
  static TrainingState from(const TrainingPosition& position, const std::filesystem::path& checkpoint);
};

/// Names what a run is trained on: how many images, and a hash of their names (FNV-1a, 64 bits) in order.
template <class Names>
std::string data_digest(std::size_t count, const Names& name_of) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (std::size_t i = 0; i < count; ++i)
    for (const char c : str_cat(name_of(i), '\n'))
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return str_cat(count, " images, names ", hash);
}

}  // namespace minivit::cli
