// A training that can go on where it was: everything that decides its next step, in `last/`.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/core/atomic_folder.hpp"
#include "minivit/experiment/number.hpp"
#include "minivit/io/model_folder.hpp"
#include "minivit/train/ema.hpp"
#include "minivit/train/metrics.hpp"
#include "minivit/train/optimizer_concept.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Where a training is. Weights, moments and average are tensors beside it; random draws need nothing, they
/// are a function of these numbers.
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
};

namespace detail {

/// f(name, member) for every number and text of a state.
template <class State, class F>
void for_each_field(State& s, const F& f) {
  f("epoch", s.epoch), f("batch", s.batch), f("step", s.step);
  f("trained.samples", s.trained.samples), f("trained.correct", s.trained.correct);
  f("trained.correct5", s.trained.correct5), f("trained.loss_sum", s.trained.loss_sum);
  f("epoch_seconds", s.epoch_seconds), f("seconds", s.seconds);
  f("best_val_acc", s.best_val_acc), f("best_val_loss", s.best_val_loss), f("best_epoch", s.best_epoch);
  f("improved_epoch", s.improved_epoch);
  f("history_rows", s.history_rows), f("events_bytes", s.events_bytes), f("data", s.data);
}

inline void parse_field(std::string_view text, std::string& value, bool& ok) {
  value = text;
  ok = true;
}
template <class T>
void parse_field(std::string_view text, T& value, bool& ok) {
  const std::optional<T> number = to_number<T>(text);
  ok = number.has_value();
  if (ok) value = *number;
}

}  // namespace detail

/// Names what a run is trained on: how many images, and a hash of their names (FNV-1a, 64 bits) in order.
template <class Names>
std::string data_digest(std::size_t count, const Names& name_of) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (std::size_t i = 0; i < count; ++i)
    for (const char c : str_cat(name_of(i), '\n'))
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return str_cat(count, " images, names ", hash);
}

/// Writes `folder`, in the place of an earlier one, whole or not at all: a model folder (of the moving
/// average if there is one) and training_state.safetensors with all that resuming needs. Throws FileError;
/// the earlier folder is then as it was.
template <Optimizer O>
void save_checkpoint(const std::filesystem::path& folder, const VisionTransformer& net,
                     const std::vector<std::string>& labels, const Preprocess& preprocess,
                     const TrainingState& state, const ParameterArena& parameters, const O& optimizer,
                     std::optional<Ema>& ema) {
  AtomicFolder fresh(folder);
  SafetensorsWriter writer;
  detail::for_each_field(
      state, [&](const char* name, const auto& value) { writer.set_metadata(name, str_cat(value)); });
  writer.add("weights", parameters.values);
  for (const NamedTensor& t : optimizer.state()) writer.add("optimizer." + t.name, t.tensor);
  if (ema) writer.add("ema", ema->average());
  writer.save(fresh.path() / "training_state.safetensors");
  {
    const UseAverage average(ema);  // it is what is evaluated and shown
    write_model_files(fresh.path(), net, labels, preprocess);
  }
  fresh.commit();
}

/// Reads what `save_checkpoint` wrote into a model, optimizer and average made from the same configuration.
/// Throws FileError if there is none, it is damaged or of another model.
template <Optimizer O>
TrainingState load_checkpoint(const std::filesystem::path& folder, VisionTransformer& net,
                              ParameterArena& parameters, O& optimizer, std::optional<Ema>& ema) {
  recover_folder(folder);
  const std::filesystem::path path = folder / "training_state.safetensors";
  const SafetensorsFile file(path);
  std::size_t expected = 1 + optimizer.state().size() + (ema ? 1 : 0);
  check<FileError>(file.tensors().size() == expected, path.string(), ": holds ", file.tensors().size(),
                   " tensors, expected ", expected, " for this optimizer and average");
  // Parameters that are not trained are in the model alone.
  load_weights(SafetensorsFile(folder / "model.safetensors"), (folder / "model.safetensors").string(), net);
  file.read_into("weights", parameters.values);
  for (NamedTensor& t : optimizer.state()) file.read_into("optimizer." + t.name, t.tensor);
  if (ema) file.read_into("ema", ema->average());

  TrainingState state;
  const std::map<std::string, std::string> texts = file.metadata();
  detail::for_each_field(state, [&](const char* name, auto& value) {
    const auto at = texts.find(name);
    bool ok = at != texts.end();
    if (ok) detail::parse_field(at->second, value, ok);
    check<FileError>(ok, path.string(), ": ", name, " is missing or not as expected");
  });
  check<FileError>(state.epoch >= 0 && state.batch >= 0 && state.step >= 0 && state.history_rows >= 0 &&
                       state.events_bytes >= 0,
                   path.string(), ": holds a negative count");
  optimizer.set_steps(state.step);
  if (ema) ema->set_steps(state.step);
  return state;
}

}  // namespace minivit::inline MINIVIT_ABI
