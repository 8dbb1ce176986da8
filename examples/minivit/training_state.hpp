// Where a run is, in numbers that its checkpoint keeps beside weights and moments.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "minivit/core/check.hpp"
#include "minivit/io/checkpoint.hpp"

namespace minivit::inline MINIVIT_ABI {

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

namespace detail {

/// f(name, member) for every number and text that is the run's own.
template <class State, class F>
void for_each_note(State& s, const F& f) {
  f("epoch_seconds", s.epoch_seconds), f("seconds", s.seconds);
  f("best_val_acc", s.best_val_acc), f("best_val_loss", s.best_val_loss), f("best_epoch", s.best_epoch);
  f("improved_epoch", s.improved_epoch);
  f("history_rows", s.history_rows), f("events_bytes", s.events_bytes), f("data", s.data);
}

inline bool parse_note(std::string_view text, std::string& value) {
  value = text;
  return true;
}
template <class T>
bool parse_note(std::string_view text, T& value) {
  const std::optional<T> number = to_number<T>(text);
  if (number) value = *number;
  return number.has_value();
}

}  // namespace detail

inline TrainingPosition TrainingState::position() const {
  TrainingPosition p{.epoch = epoch, .batch = batch, .step = step, .trained = trained, .notes = {}};
  detail::for_each_note(*this, [&](const char* name, const auto& value) { p.notes[name] = str_cat(value); });
  return p;
}

inline TrainingState TrainingState::from(const TrainingPosition& position,
                                         const std::filesystem::path& checkpoint) {
  TrainingState s;
  s.epoch = position.epoch, s.batch = position.batch, s.step = position.step;
  s.trained = position.trained;
  detail::for_each_note(s, [&](const char* name, auto& value) {
    const auto at = position.notes.find(name);
    check<FileError>(at != position.notes.end() && detail::parse_note(at->second, value), checkpoint.string(),
                     ": ", name, " is missing or not as expected");
  });
  check<FileError>(s.history_rows >= 0 && s.events_bytes >= 0, checkpoint.string(),
                   ": holds a negative count");
  return s;
}

/// Names what a run is trained on: how many images, and a hash of their names (FNV-1a, 64 bits) in order.
template <class Names>
std::string data_digest(std::size_t count, const Names& name_of) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (std::size_t i = 0; i < count; ++i)
    for (const char c : str_cat(name_of(i), '\n'))
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return str_cat(count, " images, names ", hash);
}

}  // namespace minivit::inline MINIVIT_ABI
