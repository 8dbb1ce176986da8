// A run's state as the notes of a checkpoint.
#include "training_state.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::cli;

TEST_CASE("every number of a state comes back") {
  const TrainingState a{.epoch = 3,
                        .batch = 7,
                        .step = 123456789012,
                        .trained = {.samples = 11, .correct = 5, .correct5 = 6, .loss_sum = 0.1 + 0.2},
                        .epoch_seconds = 1.0 / 3,
                        .seconds = 1e-300,
                        .best_val_acc = 2.0 / 3,
                        .best_val_loss = 0.7,
                        .best_epoch = 2,
                        .improved_epoch = 1,
                        .history_rows = 3,
                        .events_bytes = 1234,
                        .data = "23 images, \"names\" 17"};
  const TrainingState b = TrainingState::from(a.position(), "last");
  CHECK(a.epoch == b.epoch);
  CHECK(a.batch == b.batch);
  CHECK(a.step == b.step);
  CHECK(a.trained.samples == b.trained.samples);
  CHECK(a.trained.correct == b.trained.correct);
  CHECK(a.trained.correct5 == b.trained.correct5);
  CHECK(a.trained.loss_sum == b.trained.loss_sum);
  CHECK(a.epoch_seconds == b.epoch_seconds);
  CHECK(a.seconds == b.seconds);
  CHECK(a.best_val_acc == b.best_val_acc);
  CHECK(a.best_val_loss == b.best_val_loss);
  CHECK(a.best_epoch == b.best_epoch);
  CHECK(a.improved_epoch == b.improved_epoch);
  CHECK(a.history_rows == b.history_rows);
  CHECK(a.events_bytes == b.events_bytes);
  CHECK(a.data == b.data);
}

TEST_CASE("a state with something missing, negative or no number is refused") {
  const auto refused = [](const char* name, const char* text) {
    TrainingPosition position = TrainingState{}.position();
    if (text)
      position.notes[name] = text;
    else
      position.notes.erase(name);
    return message_of<FileError>([&] { static_cast<void>(TrainingState::from(position, "run/last")); });
  };
  CHECK(refused("best_epoch", nullptr) == "run/last: best_epoch is missing or not as expected");
  CHECK(refused("best_epoch", "two") == "run/last: best_epoch is missing or not as expected");
  CHECK(refused("history_rows", "-1") == "run/last: holds a negative count");
}

TEST_CASE("the digest of the data knows names, order and number") {
  const std::vector<std::string> names{"a", "b", "cd"}, other{"a", "bc", "d"};
  const auto of = [](const std::vector<std::string>& n, std::size_t count) {
    return data_digest(count, [&](std::size_t i) { return n[i]; });
  };
  CHECK(of(names, 3) == of(names, 3));
  CHECK(of(names, 3) != of(other, 3));
  CHECK(of(names, 3) != of(names, 2));
  // FNV-1a of an empty text is its offset basis.
  CHECK(of(names, 0) == "0 images, names 14695981039346656037");
}
