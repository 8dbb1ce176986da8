// A trained model on disk: model.safetensors with timm's names, config.json, preprocessor_config.json.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/io/image_classifier.hpp"
#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Writes parameters as one safetensors file, under their names, atomically. Throws FileError.
void save_weights(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters);
template <class Module>
void save_weights(const std::filesystem::path& path, const Module& module) {
  save_weights(path, named_parameters(const_cast<Module&>(module)));
}

/// Reads parameters from a safetensors file. Strict: a tensor that is missing, not expected or of another
/// shape is an error that names it, and the parameters are then unchanged; so is one that holds an infinite
/// number or one that is none, but those before it have been read. Throws FileError.
void load_weights(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters);
template <class Module>
void load_weights(const std::filesystem::path& path, Module& module) {
  load_weights(path, named_parameters(module));
}

/// Writes a model directory that timm can open too, in the place of an earlier one: a crash at any moment
/// leaves the old or the new one complete. Throws FileError (a full disk, no permission; the earlier
/// directory is then as it was), ConfigError unless there is a label for each class, and for a model with
/// adapters.
void save_model(const std::filesystem::path& directory, const VisionTransformer& net,
                const std::vector<std::string>& labels, const Preprocess& preprocess);

/// The same of everything that a model directory holds.
void save_model(const std::filesystem::path& directory, const ModelBundle& model);

/// Reads a model directory: config.json and model.safetensors, strictly: the model as it can be trained
/// further or exported. Throws FileError that names the file and what is wrong in it, ConfigError for a
/// configuration that makes no model.
[[nodiscard]] ModelBundle load_bundle(const std::filesystem::path& directory);

/// Reads a model directory to predict with it. Throws as `load_bundle`.
[[nodiscard]] ImageClassifier load_model(const std::filesystem::path& directory);

namespace detail {

/// Writes the files of a model directory into `directory`, one by one. Throws as `save_model`.
void write_model_files(const std::filesystem::path& directory, const VisionTransformer& net,
                       const std::vector<std::string>& labels, const Preprocess& preprocess,
                       bool multi_label = false);

/// Throws ConfigError for a model with adapters, which no other library knows.
void check_merged(const VisionTransformer& net);

/// Throws FileError, naming file and tensor, if a value is infinite or no number.
void check_finite(const Tensor& values, std::string_view file, std::string_view tensor);

}  // namespace detail
}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>

#include "minivit/core/atomic_directory.hpp"
#include "minivit/io/model_config_json.hpp"
#include "minivit/io/name_list.hpp"
#include "minivit/io/safetensors.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

MINIVIT_INLINE void check_merged(const VisionTransformer& net) {
  check<ConfigError>(net.encoder.blocks.empty() || !net.encoder.blocks[0].attn.qkv.lora.defined(),
                     "the model has adapters (LoRA); make them one with the weights with merge_lora first");
}

MINIVIT_INLINE void check_finite(const Tensor& values, std::string_view file, std::string_view tensor) {
  const std::span<const float> all = values.values();
  constexpr std::uint32_t kExponent = 0x7F800000;
  std::uint32_t found = 0;  // without a branch, so that it is done in vectors
  for (const float x : all)
    found |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(x) & kExponent) == kExponent);
  if (found == 0) return;
  const auto bad = std::ranges::find_if_not(all, [](float x) { return std::isfinite(x); });
  throw FileError(str_cat(file, ": ", tensor, " holds ", *bad,
                          ", expected finite numbers only; the weights "
                          "are damaged, or of a training that failed"));
}

inline void load_weights(const io::SafetensorsFile& file, const std::vector<NamedParameter>& parameters) {
  NameList missing("; missing: "), extra("; not expected: "), misshapen("; of another shape: ");
  std::vector<char> expected(file.tensors().size());
  for (const auto& [name, p] : parameters) {
    if (!file.contains(name)) {
      missing.add(name);
      continue;
    }
    const io::SafetensorsInfo& info = file.info(name);
    expected[static_cast<std::size_t>(&info - file.tensors().data())] = true;
    if (!info.has_shape(p->value.shape()))
      misshapen.add(str_cat(name, " is ", info.shape_text(), ", expected ", p->value.shape()));
  }
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (!expected[i]) extra.add(file.tensors()[i].name);
  const std::string problems = missing.text() + extra.text() + misshapen.text();
  check<FileError>(problems.empty(), file.path().native(), ": does not hold this model", problems);
  for (const auto& [name, p] : parameters) {
    file.read_into(name, p->value);
    check_finite(p->value, file.path().native(), name);
  }
}

MINIVIT_INLINE void write_model_files(const std::filesystem::path& directory, const VisionTransformer& net,
                                      const std::vector<std::string>& labels, const Preprocess& preprocess,
                                      bool multi_label) {
  check<ConfigError>(static_cast<std::int64_t>(labels.size()) == net.config.num_classes,
                     "save_model: ", labels.size(), " labels given for ", net.config.num_classes, " classes");
  save_weights(directory / "model.safetensors", net);
  io::write_json_file(directory / "config.json",
                      to_json(ModelConfig{net.config, labels, preprocess, multi_label}));
  io::write_json_file(directory / "preprocessor_config.json", preprocessor_to_json(preprocess));
}

}  // namespace detail

MINIVIT_INLINE void save_weights(const std::filesystem::path& path,
                                 const std::vector<NamedParameter>& parameters) {
  io::SafetensorsWriter writer;
  writer.set_metadata("format", "pt");  // what loaders of the format ask for
  for (const auto& [name, p] : parameters) writer.add(name, p->value);
  writer.save(path);
}

MINIVIT_INLINE void load_weights(const std::filesystem::path& path,
                                 const std::vector<NamedParameter>& parameters) {
  detail::load_weights(io::SafetensorsFile(path), parameters);
}

MINIVIT_INLINE void save_model(const std::filesystem::path& directory, const VisionTransformer& net,
                               const std::vector<std::string>& labels, const Preprocess& preprocess) {
  detail::check_merged(net);
  io::AtomicDirectory fresh(directory);
  detail::write_model_files(fresh.path(), net, labels, preprocess);
  fresh.commit();
}

MINIVIT_INLINE void save_model(const std::filesystem::path& directory, const ModelBundle& model) {
  detail::check_merged(model.net);
  io::AtomicDirectory fresh(directory);
  detail::write_model_files(fresh.path(), model.net, model.labels, model.preprocess, model.multi_label);
  fresh.commit();
}

namespace detail {

inline ModelBundle read_bundle(const std::filesystem::path& directory) {
  const auto config_path = directory / "config.json", weights_path = directory / "model.safetensors";
  ModelConfig config = model_config_from_json(io::read_json_file(config_path), config_path.native());
  const io::SafetensorsFile file(weights_path);
  // Before memory is asked for: a configuration may promise anything.
  std::int64_t stored = 0;
  for (const io::SafetensorsInfo& tensor : file.tensors()) stored += tensor.numel();
  check<FileError>(config.vit.parameter_count() / 4 <= stored + 1'000'000, weights_path.native(), ": holds ",
                   stored, " weights, ", config_path.native(), " describes a model of ",
                   config.vit.parameter_count());
  const SkipInit weights_come_from_the_file;
  ModelBundle model{VisionTransformer(config.vit), std::move(config.labels), config.preprocess,
                    config.multi_label};
  detail::load_weights(file, named_parameters(model.net));
  return model;
}

}  // namespace detail

MINIVIT_INLINE ModelBundle load_bundle(const std::filesystem::path& directory) {
  return io::read_unchanged(directory, [&] { return detail::read_bundle(directory); });
}

MINIVIT_INLINE ImageClassifier load_model(const std::filesystem::path& directory) {
  return ImageClassifier(load_bundle(directory));
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
