// A file of weights of timm, transformers or this library, with what is known about its model before a weight
// is read.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
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

/// The image processor's settings: preprocessor_config.json, or the part of processor_config.json, where
/// newer versions of transformers write them; nothing if there are none.
inline std::optional<Preprocess> processor_of(const std::filesystem::path& folder,
                                              const std::string& usual_type) {
  std::error_code error;
  const auto alone = folder / "preprocessor_config.json", together = folder / "processor_config.json";
  if (std::filesystem::exists(together, error)) {
    const io::Json json = io::read_json_file(together);
    const io::JsonFields fields(json, together.native());
    if (fields.has("image_processor")) {
      static_cast<void>(fields.object("image_processor"));
      return read_from(together, [&] {
        return preprocess_from_transformers(*fields.find("image_processor"), together.native(), usual_type);
      });
    }
  }
  if (!std::filesystem::exists(alone, error)) return {};
  return read_from(alone, [&] {
    return preprocess_from_transformers(io::read_json_file(alone), alone.native(), usual_type);
  });
}

/// Which architecture of timm to take a config.json for: its own, or the one that the caller names where it
/// has none that is known. Throws ConfigError if both are known and differ.
inline std::string architecture_for(const io::Json& json, const std::string& file,
                                    const PretrainedOptions& options) {
  const io::JsonFields fields(json, file);
  const auto said = fields.has("architecture") ? fields.get<std::string>("architecture") : std::string();
  const TimmArchitecture* const known = find_timm_architecture(said);
  if (options.architecture.empty()) return said;
  const TimmArchitecture* const wanted = find_timm_architecture(options.architecture);
  check<ConfigError>(wanted != nullptr, "architecture ", io::detail::in_quotes(options.architecture),
                     " is not known, expected one of timm's, as vit_small_patch16_224, deit_base_patch16_224 "
                     "or vit_small_patch14_dinov2");
  check<ConfigError>(!known || known == wanted, file, ": architecture is ", io::detail::in_quotes(said),
                     ", not ", io::detail::in_quotes(options.architecture));
  return std::string(wanted->name);
}

/// What the files beside the weights say, or the caller.
inline PretrainedHints pretrained_hints(const std::filesystem::path& folder,
                                        const PretrainedOptions& options) {
  PretrainedHints hints;
  std::error_code error;
  const auto config = folder / "config.json";
  io::Json json = io::Json::object();
  std::string file = "timm";
  if (std::filesystem::exists(config, error)) {
    json = io::read_json_file(config);
    file = config.native();
  }
  const io::JsonFields fields(json, file);
  if (fields.has("model_type")) {
    hints = read_from(config, [&] { return hints_from_transformers(json, file); });
    const auto type = fields.get<std::string>("model_type");
    if (const auto p = processor_of(folder, type == "vit"    ? "ViTImageProcessor"
                                            : type == "deit" ? "DeiTImageProcessor"
                                                             : "BitImageProcessor")) {
      hints.config.preprocess = *p;
      hints.has_preprocess = hints.knows_input_size = true;
    }
  } else if (const std::string architecture = architecture_for(json, file, options);
             !json.empty() || !architecture.empty()) {
    // An architecture that is not known counts as timm's plain one only if the caller knows its heads.
    const bool plain = options.num_heads > 0 && !find_timm_architecture(architecture);
    if (plain) json["architecture"] = std::string(kPlainArchitecture);
    hints = read_from(config, [&] {
      return hints_from_timm(json, file, plain ? std::string(kPlainArchitecture) : architecture);
    });
    if (plain) {  // then the weights say what the architecture's name would
      hints.knows_heads = false;
      hints.knows_pooling = fields.has("model_args") && fields.object("model_args").has("global_pool");
      std::erase_if(hints.stated, [](const auto& stated) { return stated.first == stated.second; });
    }
    if (plain && !architecture.empty())
      hints.notes.push_back(str_cat("architecture ", io::detail::in_quotes(architecture),
                                    " is not known, taken for a plain Vision Transformer"));
  }
  if (options.num_heads > 0) {
    check<ConfigError>(!hints.knows_heads || hints.config.vit.num_heads == options.num_heads, file,
                       ": the model has ", hints.config.vit.num_heads, " heads, not ", options.num_heads);
    hints.config.vit.num_heads = options.num_heads, hints.knows_heads = true;
  }
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
    const bool promised =
        std::ranges::any_of(hints.stated, [](const auto& stated) { return stated.first == "num_classes"; });
    if (!has_head && !hints.complete && !hints.headless) {
      if (promised) v.num_classes = hints.config.vit.num_classes;
      if (!labels.empty()) v.num_classes = static_cast<std::int64_t>(labels.size());
    }
    // As transformers' pipeline does it.
    if (hints.of_transformers && v.num_classes == 1) hints.config.multi_label = true;
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
    ModelConfig c{config, hints.config.labels, hints.config.preprocess, hints.config.multi_label};
    if (hints.knows_input_size)
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
