// Models that others have trained: timm's and Hugging Face's Vision Transformers, DeiT, DeiT-III, DINOv2.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "minivit/io/model_folder.hpp"
#include "minivit/io/pretrained_config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What `load_pretrained` cannot know, and what is to be different from the file.
struct PretrainedOptions {
  std::string architecture{};  ///< timm's name, as "vit_small_patch16_224", if there is no config.json
  std::int64_t num_heads = 0;  ///< or this, for an architecture whose name is not known; 0: not given
  bool without_head = false;   ///< features only: the file's head, if there is one, is left out
  bool ready = true;           ///< prepared to predict, which doubles the memory of the weights
  bool missing_head = false;   ///< the head may be missing in the file and is then new

  /// Another image size: positions are interpolated. 0: the file's (of its preprocessing, if that differs).
  std::int64_t image_height = 0, image_width = 0;
  std::int64_t patch_size = 0;  ///< another patch size: the patch embedding is resampled; 0: the file's
  bool grey = false;            ///< one input channel: the sum of the three
  std::vector<std::string> classes{};  ///< other classes: those of the same name keep their row of the head,
                                       ///< the others are new; empty: the file's
};

/// A model and where it comes from.
struct Pretrained {
  Model model;
  Naming naming = Naming::timm;      ///< of the file's tensors
  std::string family;                ///< "ViT", "DeiT (distilled)", "DINOv2 with registers", …
  std::vector<std::string> notes;    ///< what was changed or left out, one each
  std::vector<std::string> guesses;  ///< what the files do not say and was assumed
};

namespace detail {

/// The path, a folder that was being replaced when the program ended put back in its place.
inline const std::filesystem::path& recovered(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) recover_folder(path);
  return path;
}

/// f(), what it says about a configuration being said about the file that it is from.
template <class F>
auto read_from(const std::filesystem::path& file, const F& f) {
  try {
    return f();
  } catch (const ConfigError& e) { throw FileError(concat(file.native(), ": ", e.what())); }
}

/// The safetensors file of `path`: itself, or the one in the folder. Throws FileError.
inline std::filesystem::path weights_file(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(path, error))
    throw FileError(concat(path.native(),
                           ": no such file or folder; expected a model folder with config.json "
                           "and model.safetensors, or a safetensors file"));
  if (!fs::is_directory(path, error)) return path;
  const fs::path file = inside(path, "model.safetensors");
  if (fs::exists(file, error)) return file;
  const char* const why =
      fs::exists(inside(path, "model.safetensors.index.json"), error)
          ? "the weights are in several files, put them into one"
      : fs::exists(inside(path, "pytorch_model.bin"), error)
          ? "pytorch_model.bin can run code when it is read, convert it to safetensors where it comes from"
          : "a model folder has it beside config.json";
  throw FileError(concat(file.native(), ": no such file; ", why));
}

/// What the files beside the weights say, or the caller.
inline PretrainedHints pretrained_hints(const std::filesystem::path& folder,
                                        const PretrainedOptions& options) {
  PretrainedHints hints;
  std::error_code error;
  const auto config = inside(folder, "config.json"), processor = inside(folder, "preprocessor_config.json");
  if (std::filesystem::exists(config, error)) {
    const Json json = read_json_file(config);
    const Json* const type = json.find("model_type");
    hints = read_from(config, [&] {
      return type && !type->is_null() ? hints_from_transformers(json, config.native())
                                      : hints_from_timm(json, config.native());
    });
  }
  if (hints.filter == PositionFilter::transformers && std::filesystem::exists(processor, error)) {
    hints.config.preprocess = read_from(processor, [&] {
      return preprocess_from_transformers(read_json_file(processor), processor.native());
    });
    hints.has_preprocess = true;
  }
  if (!options.architecture.empty() && !hints.knows_heads && !hints.complete) {
    const auto heads = heads_of_architecture(options.architecture);
    check<ConfigError>(
        heads.has_value(), "architecture ", detail::quoted(options.architecture),
        " is not known, expected one of timm's, as vit_small_patch16_224, deit_base_patch16_224 "
        "or vit_small_patch14_dinov2");
    hints.config.vit.num_heads = *heads;
    hints.knows_heads = true;
  }
  if (options.num_heads > 0) hints.config.vit.num_heads = options.num_heads, hints.knows_heads = true;
  return hints;
}

inline std::string family_of(const ViTConfig& v, Naming naming) {
  const bool dino = v.pooling == Pooling::token_and_mean || v.activation == Activation::swiglu ||
                    (v.layer_scale != 0 && (v.register_tokens > 0 || v.prefix_positions));
  std::string name = v.distillation != Distillation::none        ? "DeiT (distilled)"
                     : dino && v.register_tokens > 0             ? "DINOv2 with registers"
                     : dino                                      ? "DINOv2"
                     : v.layer_scale != 0 && !v.prefix_positions ? "DeiT-III"
                                                                 : "ViT";
  return name + (naming == Naming::timm ? ", timm's names" : ", transformers' names");
}

/// Reads the weights into `net`, strictly. Positions of the class token that stand in the way of patches'
/// alone are added to it.
inline void read_weights(const NamedTensors& tensors, VisionTransformer& net, bool new_head) {
  NameList missing("; missing: "), extra("; not expected: "), misshapen("; of another shape: ");
  std::set<std::string> used;
  const std::int64_t C = net.config.embedding_dim, N = net.config.patches();
  const std::int64_t front = net.config.prefix_tokens() - net.config.register_tokens;
  const auto is_head = [](const std::string& name) { return name.starts_with("head"); };
  Tensor positions;  // with those of tokens that have none here
  for (const auto& [name, p] : named_parameters(net)) {
    if (new_head && is_head(name)) continue;
    used.insert(name);
    const std::optional<Shape> shape = tensors.shape(name);
    if (!shape) {
      (tensors.has(name) ? misshapen : missing).add(name);
    } else if (name == "pos_embed" && !net.config.prefix_positions && shape->rank() == 3 &&
               (*shape)[0] == 1 && (*shape)[1] - N == front && front > 0 && (*shape)[2] == C &&
               tensors.shape("cls_token") == Shape{1, 1, C}) {
      positions = Tensor::empty(*shape);
    } else if (!(*shape == p->value.shape())) {
      misshapen.add(concat(name, " is ", *shape, ", expected ", p->value.shape()));
    }
  }
  for (const std::string& name : tensors.names())
    if (!used.contains(name) && !is_head(name)) extra.add(name);
  if (!new_head)
    for (const std::string& name : tensors.names())
      if (!used.contains(name) && is_head(name)) extra.add(name);
  for (const std::string& name : tensors.unknown()) extra.add(name);
  const std::string problems = missing.text() + extra.text() + misshapen.text();
  check<FileError>(problems.empty(), tensors.file_name(), ": does not hold this model", problems);

  for (const auto& [name, p] : named_parameters(net)) {
    if (!used.contains(name)) continue;
    if (name != "pos_embed" || !positions.defined()) tensors.read_into(name, p->value);
  }
  if (!positions.defined()) return;
  tensors.read_into("pos_embed", positions);
  std::copy_n(positions.data() + front * C, N * C, net.pos_embed.value.data());
  for (std::int64_t c = 0; c < C; ++c) {
    net.cls_token.value.data()[c] += positions.data()[c];
    if (front > 1 && net.dist_token.defined()) net.dist_token.value.data()[c] += positions.data()[C + c];
  }
}

/// A linear layer as a new model's head has it.
inline Linear new_head(std::int64_t features, std::int64_t classes) {
  Linear head(features, classes);
  init_truncated_normal(head.weight.value);
  init_zeros(head.bias.value);
  return head;
}

/// Makes `head` one for `classes`: rows of classes that `old` has, by name, stay; the others are new. Returns
/// how many stay.
inline std::size_t change_classes(Linear& head, const std::vector<std::string>& old,
                                  const std::vector<std::string>& classes, std::int64_t features) {
  Linear fresh = new_head(features, static_cast<std::int64_t>(classes.size()));
  std::size_t kept = 0;
  for (std::size_t i = 0; i < classes.size() && head.weight.defined(); ++i) {
    const auto found = std::ranges::find(old, classes[i]);
    if (found == old.end()) continue;
    ++kept;
    const auto from = static_cast<std::int64_t>(found - old.begin()), to = static_cast<std::int64_t>(i);
    std::copy_n(head.weight.value.data() + from * features, features,
                fresh.weight.value.data() + to * features);
    if (head.bias.defined()) fresh.bias.value.data()[to] = head.bias.value.data()[from];
  }
  head = std::move(fresh);
  return kept;
}

}  // namespace detail

namespace detail {

/// A file of weights and what is known about the model, before any weight is read.
struct PretrainedSource {
  std::filesystem::path weights;
  PretrainedHints hints;
  SafetensorsFile file;
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
      labels.push_back(concat(i));
  }

  /// The configuration that is wanted.
  ModelConfig wanted(const PretrainedOptions& options) const {
    ModelConfig c{config, hints.config.labels, hints.config.preprocess};
    if (hints.has_preprocess)
      c.vit.image_height = c.preprocess.height, c.vit.image_width = c.preprocess.width;
    if (options.image_height > 0) c.vit.image_height = options.image_height;
    if (options.image_width > 0) c.vit.image_width = options.image_width;
    if (options.patch_size > 0) c.vit.patch_size = options.patch_size;
    if (options.grey) c.vit.channels = 1;
    c.vit.validate();
    c.preprocess.height = static_cast<int>(c.vit.image_height);
    c.preprocess.width = static_cast<int>(c.vit.image_width);
    c.preprocess.channels = c.vit.channels == 1 ? 1 : 3;
    c.preprocess.validate();
    return c;
  }
};

}  // namespace detail

/// The configuration that the model would have which `load_pretrained` reads, from the configuration files
/// and the header of the weights. Throws as that.
inline ModelConfig read_pretrained_config(const std::filesystem::path& path,
                                          const PretrainedOptions& options = {}) {
  return detail::PretrainedSource(path, options).wanted(options);
}

/// Reads a model of timm or transformers, or of this library: a folder with model.safetensors, config.json
/// and preprocessor_config.json, or a safetensors file (with config.json beside it or without). Tensors are
/// F32, F16, BF16 or F64. Strict: tensors that are missing, not known or of another shape are an error that
/// names them; what published files hold besides is noted. Ready to predict. Throws FileError for files,
/// ConfigError for options that do not fit.
inline Pretrained load_pretrained(const std::filesystem::path& path, const PretrainedOptions& options = {}) {
  const detail::PretrainedSource source(path, options);
  const ViTConfig& v = source.config;
  const std::vector<std::string>& labels = source.hints.config.labels;
  ModelConfig wanted = source.wanted(options);
  const ViTConfig& to = wanted.vit;
  Pretrained out{{}, source.tensors.naming(), detail::family_of(v, source.tensors.naming()), {}, {}};
  const auto note = [&](const auto&... parts) { out.notes.push_back(concat(parts...)); };
  for (const std::string& name : source.tensors.unused()) note("not needed and left out: ", name);

  const auto build = [](const ViTConfig& config) {
    const SkipInit weights_come_from_the_file;
    return VisionTransformer(config);
  };
  VisionTransformer net = build(v);
  detail::read_weights(source.tensors, net, source.new_head);
  if (source.new_head && v.num_classes > 0) {
    note("the head is missing and new");
    net.head = detail::new_head(v.feature_dim(), v.num_classes);
    if (net.head_dist.weight.defined()) net.head_dist = detail::new_head(v.embedding_dim, v.num_classes);
  }

  // What the caller, or the preprocessing, wants to be different.
  if (to.image_height != v.image_height || to.image_width != v.image_width || to.patch_size != v.patch_size ||
      to.channels != v.channels) {
    if (PatchGrid(to) != PatchGrid(v))
      note("positions interpolated from ", PatchGrid(v).rows, "x", PatchGrid(v).columns, " to ",
           PatchGrid(to).rows, "x", PatchGrid(to).columns, " patches");
    if (to.patch_size != v.patch_size)
      note("patch embedding resampled from ", v.patch_size, " to ", to.patch_size, " pixels");
    if (to.channels != v.channels) note("input channels summed to one");
    net = resized(std::move(net), to, source.hints.filter);
  }
  const Preprocess& p = wanted.preprocess;
  if (!source.hints.has_preprocess)
    out.guesses.push_back(concat("the files do not say how images are prepared, assumed: ", p.width, "x",
                                 p.height, ", ", detail::filter_name(p.filter).name,
                                 p.fit == Preprocess::Fit::crop ? ", centre crop" : ", squashed", ", mean ",
                                 p.mean[0], ", deviation ", p.std[0]));
  // Numbers that stand for names which are not known are not those of the caller's classes.
  const std::vector<std::string> names = source.hints.has_labels ? labels : std::vector<std::string>();
  if (!options.classes.empty() && options.classes != names) {
    const std::size_t kept =
        detail::change_classes(net.head, names, options.classes, net.config.feature_dim());
    if (net.head_dist.weight.defined())
      detail::change_classes(net.head_dist, names, options.classes, net.config.embedding_dim);
    note("the head is new",
         kept > 0 ? concat(", but for ", kept, " classes of the same name") : std::string());
    wanted.labels = options.classes;
    net.config.num_classes = static_cast<std::int64_t>(options.classes.size());
  }
  out.model = Model{std::move(net), std::move(wanted.labels), p};
  if (options.ready) out.model.net.prepare();
  return out;
}

}  // namespace minivit::inline MINIVIT_ABI
