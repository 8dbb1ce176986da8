// A training that can go on where it was: everything that decides its next step.
//
// Not part of minivit/vit.hpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "minivit/core/atomic_directory.hpp"
#include "minivit/core/number.hpp"
#include "minivit/io/model_folder.hpp"
#include "minivit/io/safetensors.hpp"
#include "minivit/train/ema.hpp"
#include "minivit/train/fine_tuning.hpp"
#include "minivit/train/metrics.hpp"
#include "minivit/train/optimizer_concept.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Where a training is. Weights, moments and average are tensors beside it; random draws need nothing, they
/// are a function of these numbers.
struct TrainingPosition {
  std::int64_t epoch = 0;                    ///< the one that is going on, from 0
  std::int64_t batch = 0;                    ///< batches of it that are done
  std::int64_t step = 0;                     ///< optimizer steps that are done
  Metrics trained{};                         ///< of those batches
  std::map<std::string, std::string> notes;  ///< what else the training wants back, by names other than these
};

namespace detail {

/// f(name, member) for every number of a position.
template <class Position, class F>
void for_each_number(Position& p, const F& f) {
  f("epoch", p.epoch), f("batch", p.batch), f("step", p.step);
  f("trained.samples", p.trained.samples), f("trained.correct", p.trained.correct);
  f("trained.correct5", p.trained.correct5), f("trained.loss_sum", p.trained.loss_sum);
}

/// The weights below adapters, which are not trained: they cannot be had back from a model in which the
/// adapters are one with them.
inline std::vector<NamedTensor> adapted_weights(const VisionTransformer& net) {
  std::vector<NamedTensor> weights;
  for (std::size_t i = 0; i < net.encoder.blocks.size(); ++i) {
    const auto& attn = net.encoder.blocks[i].attn;
    if (attn.qkv.lora.defined()) weights.push_back({str_cat("adapted.", i, ".qkv"), attn.qkv.weight.value});
    if (attn.proj.lora.defined())
      weights.push_back({str_cat("adapted.", i, ".proj"), attn.proj.weight.value});
  }
  return weights;
}

}  // namespace detail

/// Writes `folder`, in the place of an earlier one, whole or not at all: a model folder (of the moving
/// average if there is one, with adapters made one with their weights), which `load_model` reads, and
/// training_state.safetensors with all that resuming needs. Throws FileError; the earlier folder is then as
/// it was.
template <Optimizer O>
void save_checkpoint(const std::filesystem::path& folder, const VisionTransformer& net,
                     const std::vector<std::string>& labels, const Preprocess& preprocess,
                     const TrainingPosition& position, const ParameterArena& parameters, const O& optimizer,
                     std::optional<Ema>& ema) {
  io::AtomicDirectory fresh(folder);
  io::SafetensorsWriter writer;
  for (const auto& [name, text] : position.notes) writer.set_metadata(name, text);
  detail::for_each_number(
      position, [&](const char* name, const auto& value) { writer.set_metadata(name, str_cat(value)); });
  writer.add("weights", parameters.values);
  for (const NamedTensor& t : optimizer.state()) writer.add("optimizer." + t.name, t.tensor);
  if (ema) writer.add("ema", ema->average());
  for (const NamedTensor& t : detail::adapted_weights(net)) writer.add(t.name, t.tensor);
  writer.save(fresh.path() / "training_state.safetensors");
  {
    const UseAverage average(ema);  // it is what is evaluated and shown
    if (has_lora(net)) {
      VisionTransformer merged = net;
      merge_lora(merged);
      detail::write_model_files(fresh.path(), merged, labels, preprocess);
    } else {
      detail::write_model_files(fresh.path(), net, labels, preprocess);
    }
  }
  fresh.commit();
}

/// Reads what `save_checkpoint` wrote into a model, optimizer and average made from the same configuration.
/// Throws FileError if there is none, it is damaged or of another model.
template <Optimizer O>
TrainingPosition load_checkpoint(const std::filesystem::path& folder, VisionTransformer& net,
                                 ParameterArena& parameters, O& optimizer, std::optional<Ema>& ema) {
  io::recover_directory(folder);
  const std::filesystem::path path = folder / "training_state.safetensors";
  const io::SafetensorsFile file(path);
  std::vector<NamedTensor> adapted = detail::adapted_weights(net);
  // Before, the adapters were in the model's file.
  if (!adapted.empty() && !file.contains(adapted[0].name)) adapted.clear();
  const std::size_t expected = 1 + optimizer.state().size() + (ema ? 1 : 0) + adapted.size();
  check<FileError>(file.tensors().size() == expected, path.string(), ": holds ", file.tensors().size(),
                   " tensors, expected ", expected, " for this optimizer and average");
  // Parameters that are not trained are in the model alone.
  std::vector<NamedParameter> stored = named_parameters(net);
  if (!adapted.empty())
    std::erase_if(stored, [](const NamedParameter& p) { return p.name.find(".lora.") != std::string::npos; });
  load_weights(folder / "model.safetensors", std::as_const(stored));
  for (NamedTensor& t : adapted) file.read_into(t.name, t.tensor);
  file.read_into("weights", parameters.values);
  for (NamedTensor& t : optimizer.state()) file.read_into("optimizer." + t.name, t.tensor);
  if (ema) file.read_into("ema", ema->average());

  TrainingPosition position;
  position.notes = file.metadata();
  detail::for_each_number(position, [&]<class T>(const char* name, T& value) {
    const auto at = position.notes.find(name);
    const std::optional<T> number = at == position.notes.end() ? std::nullopt : to_number<T>(at->second);
    check<FileError>(number.has_value(), path.string(), ": ", name, " is missing or not as expected");
    value = *number;
    position.notes.erase(at);
  });
  check<FileError>(position.epoch >= 0 && position.batch >= 0 && position.step >= 0, path.string(),
                   ": holds a negative count");
  optimizer.set_steps(position.step);
  if (ema) ema->set_steps(position.step);
  return position;
}

}  // namespace minivit::inline MINIVIT_ABI
