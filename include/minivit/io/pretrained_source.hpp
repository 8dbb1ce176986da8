// A file of weights of timm, transformers or this library, with what is known about its model before a weight
// is read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "minivit/core/atomic_directory.hpp"
#include "minivit/io/pretrained_options.hpp"
#include "minivit/io/pretrained_shapes.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// The path, a folder that was being replaced when the program ended put back in its place.
inline const std::filesystem::path& recovered(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) io::recover_directory(path);
  return path;
}

/// f(), what it says about a configuration being said about the file that it is from.
template <class F>
auto read_from(const std::filesystem::path& file, const F& f) {
  try {
    return f();
  } catch (const ConfigError& e) { throw FileError(str_cat(file.native(), ": ", e.what())); }
}

/// The safetensors file of `path`: itself, or the one in the folder. Throws FileError.
inline std::filesystem::path weights_file(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(path, error))
    throw FileError(str_cat(path.native(),
                            ": no such file or folder; expected a model folder with config.json "
                            "and model.safetensors, or a safetensors file"));
  if (!fs::is_directory(path, error)) return path;
  const fs::path file = path / "model.safetensors";
  if (fs::exists(file, error)) return file;
  const char* const why =
      fs::exists(path / "model.safetensors.index.json", error)
          ? "the weights are in several files, put them into one"
      : fs::exists(path / "pytorch_model.bin", error)
          ? "pytorch_model.bin can run code when it is read, convert it to safetensors where it comes from"
          : "a model folder has it beside config.json";
  throw FileError(str_cat(file.native(), ": no such file; ", why));
}

/// What the files beside the weights say, or the caller.
inline PretrainedHints pretrained_hints(const std::filesystem::path& folder,
                                        const PretrainedOptions& options) {
  PretrainedHints hints;
  std::error_code error;
  const auto config = folder / "config.json", processor = folder / "preprocessor_config.json";
  if (std::filesystem::exists(config, error)) {
    const io::Json json = io::read_json_file(config);
    const bool of_transformers = json.is_object() && io::JsonFields(json, config.native()).has("model_type");
    hints = read_from(config, [&] {
      return of_transformers ? hints_from_transformers(json, config.native())
                             : hints_from_timm(json, config.native());
    });
  }
  if (hints.filter == PositionFilter::transformers && std::filesystem::exists(processor, error)) {
    hints.config.preprocess = read_from(processor, [&] {
      return preprocess_from_transformers(io::read_json_file(processor), processor.native());
    });
    hints.has_preprocess = true;
  }
  if (!options.architecture.empty() && !hints.knows_heads && !hints.complete) {
    const auto heads = heads_of_architecture(options.architecture);
    check<ConfigError>(
        heads.has_value(), "architecture ", io::detail::in_quotes(options.architecture),
        " is not known, expected one of timm's, as vit_small_patch16_224, deit_base_patch16_224 "
        "or vit_small_patch14_dinov2");
    hints.config.vit.num_heads = *heads;
    hints.knows_heads = true;
  }
  if (options.num_heads > 0) hints.config.vit.num_heads = options.num_heads, hints.knows_heads = true;
  return hints;
}

/// A file of weights and what is known about the model, before any weight is read.
struct PretrainedSource {
  std::filesystem::path weights;
  PretrainedHints hints;
  io::SafetensorsFile file;
  NamedTensors tensors;
  ViTConfig config;  // as the file has it
  bool new_head = false;

  PretrainedSource(const std::filesystem::path& path, const PretrainedOptions& options)
      : weights(weights_file(recovered(path))),
        hints(pretrained_hints(weights.parent_path(), options)),
        file(weights),
        tensors(file),
        config(hints.complete ? hints.config.vit
               : options.num_heads > 0 || !options.architecture.empty()
                   ? config_from_shapes(tensors, hints)
                   : read_from(weights, [&] { return config_from_shapes(tensors, hints); })) {
    ViTConfig& v = config;
    const bool has_head = tensors.has("head.weight");
    std::vector<std::string>& labels = hints.config.labels;
    // What the configuration promises is expected.
    if (!has_head && !hints.complete && !hints.headless && !labels.empty())
      v.num_classes = static_cast<std::int64_t>(labels.size());
    if (options.without_head) {
      new_head = has_head;
      v.num_classes = 0;
      if (v.distillation == Distillation::head) v.distillation = Distillation::token;
    } else if (!has_head && options.missing_head && v.num_classes > 0) {
      new_head = true;
    }
    // Before memory is asked for: a configuration may promise anything.
    check<FileError>(v.parameter_count() / 4 <= tensors.numel() + 1'000'000, weights.native(), ": holds ",
                     tensors.numel(), " weights, its configuration describes a model of ",
                     v.parameter_count());
    if (v.num_classes == 0) labels.clear();
    check<FileError>(labels.empty() || static_cast<std::int64_t>(labels.size()) == v.num_classes,
                     weights.native(), ": the head has ", v.num_classes, " classes, config.json names ",
                     labels.size());
    for (auto i = static_cast<std::int64_t>(labels.size()); i < v.num_classes; ++i)
      labels.push_back(str_cat(i));
  }

  /// The configuration that is wanted.
  ModelConfig wanted(const PretrainedOptions& options) const {
    ModelConfig c{config, hints.config.labels, hints.config.preprocess};
    if (hints.has_preprocess)
      c.vit.image_height = c.preprocess.height, c.vit.image_width = c.preprocess.width;
    if (options.image_height > 0) c.vit.image_height = options.image_height;
    if (options.image_width > 0) c.vit.image_width = options.image_width;
    if (options.patch_size > 0) c.vit.patch_size = options.patch_size;
    if (options.gray) c.vit.channels = 1;
    c.vit.validate();
    c.preprocess.height = static_cast<int>(c.vit.image_height);
    c.preprocess.width = static_cast<int>(c.vit.image_width);
    c.preprocess.channels = c.vit.channels == 1 ? 1 : 3;
    c.preprocess.validate();
    return c;
  }
};

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
