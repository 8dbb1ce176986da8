// A run's state to and from the notes of a checkpoint.
#include "training_state.hpp"

#include <optional>
#include <string_view>

namespace minivit::cli {

namespace {

/// f(name, member) for every number and text that is the run's own.
template <class State, class F>
void for_each_note(State& s, const F& f) {
  f("epoch_seconds", s.epoch_seconds), f("seconds", s.seconds);
  f("best_val_acc", s.best_val_acc), f("best_val_loss", s.best_val_loss), f("best_epoch", s.best_epoch);
  f("improved_epoch", s.improved_epoch);
  f("history_rows", s.history_rows), f("events_bytes", s.events_bytes), f("data", s.data);
}

bool parse_note(std::string_view text, std::string& value) {
  value = text;
  return true;
}

template <class T>
bool parse_note(std::string_view text, T& value) {
  const std::optional<T> number = to_number<T>(text);
  if (number) value = *number;
  return number.has_value();
}

}  // namespace

TrainingPosition TrainingState::position() const {
  TrainingPosition p{.epoch = epoch, .batch = batch, .step = step, .trained = trained, .notes = {}};
  for_each_note(*this, [&](const char* name, const auto& value) { p.notes[name] = str_cat(value); });
  return p;
}

TrainingState TrainingState::from(const TrainingPosition& position, const std::filesystem::path& checkpoint) {
  TrainingState s;
  s.epoch = position.epoch, s.batch = position.batch, s.step = position.step;
  s.trained = position.trained;
  for_each_note(s, [&](const char* name, auto& value) {
    const auto at = position.notes.find(name);
    check<FileError>(at != position.notes.end() && parse_note(at->second, value), checkpoint.string(), ": ",
                     name, " is missing or not as expected");
  });
  check<FileError>(s.history_rows >= 0 && s.events_bytes >= 0, checkpoint.string(),
                   ": holds a negative count");
  return s;
}

}  // namespace minivit::cli
