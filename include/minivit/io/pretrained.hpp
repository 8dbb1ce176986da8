// Models that others have trained: timm's and Hugging Face's Vision Transformers, DeiT, DeiT-III, DINOv2.
//
// Not part of minivit/vit.hpp.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "minivit/io/image_classifier.hpp"
#include "minivit/io/model_config.hpp"
#include "minivit/io/pretrained_options.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A model and where it comes from.
struct Pretrained {
  ModelBundle model;
  Naming naming = Naming::timm;      ///< of the file's tensors
  std::string family;                ///< "ViT", "DeiT (distilled)", "DINOv2 with registers", …
  std::vector<std::string> notes;    ///< what was changed or left out, one each
  std::vector<std::string> guesses;  ///< what the files do not say and was assumed
};

/// Reads a model of timm or transformers, or of this library: a folder with model.safetensors, config.json
/// and preprocessor_config.json, or a safetensors file (with config.json beside it or without). Tensors are
/// F32, F16, BF16 or F64. Strict: tensors that are missing, not known or of another shape are an error that
/// names them, as are weights that are infinite or no number; what published files hold besides is noted.
/// Keys of configuration files are understood, known to be without effect, or refused by name. Throws
/// FileError for files, ConfigError for options that do not fit.
[[nodiscard]] Pretrained load_pretrained(const std::filesystem::path& path,
                                         const PretrainedOptions& options = {});

/// The configuration that the model would have which `load_pretrained` reads, from the configuration files
/// and the header of the weights. Throws as that.
[[nodiscard]] ModelConfig read_pretrained_config(const std::filesystem::path& path,
                                                 const PretrainedOptions& options = {});

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "minivit/core/atomic_directory.hpp"
#include "minivit/io/model_folder.hpp"
#include "minivit/io/name_list.hpp"
#include "minivit/io/pretrained_source.hpp"
#include "minivit/model/resample.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// What a person calls a model like this.
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
inline void read_weights(const NamedTensors& tensors, VisionTransformer& net, bool new_head,
                         bool not_finite) {
  const auto read = [&](const std::string& name, Tensor& into) {
    tensors.read_into(name, into);
    if (!not_finite) check_finite(into, tensors.file_name(), tensors.stored_name(name));
  };
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
      misshapen.add(str_cat(name, " is ", *shape, ", expected ", p->value.shape()));
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
    if (name != "pos_embed" || !positions.defined()) read(name, p->value);
  }
  if (!positions.defined()) return;
  read("pos_embed", positions);
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

inline Pretrained read_pretrained(const std::filesystem::path& path, const PretrainedOptions& options) {
  const PretrainedSource source(path, options);
  const ViTConfig& v = source.config;
  const std::vector<std::string>& labels = source.hints.config.labels;
  ModelConfig wanted = source.wanted(options);
  const ViTConfig& to = wanted.vit;
  Pretrained out{
      {}, source.tensors.naming(), detail::family_of(v, source.tensors.naming()), {}, source.hints.notes};
  const auto note = [&](const auto&... parts) { out.notes.push_back(str_cat(parts...)); };
  for (const std::string& name : source.tensors.unused()) note("not needed and left out: ", name);

  const auto build = [](const ViTConfig& config) {
    const SkipInit weights_come_from_the_file;
    return VisionTransformer(config);
  };
  VisionTransformer net = build(v);
  detail::read_weights(source.tensors, net, source.new_head, options.not_finite);
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
    out.guesses.push_back(str_cat("the files do not say how images are prepared, assumed: ", p.width, "x",
                                  p.height, ", ", enum_name(p.filter),
                                  p.fit == Preprocess::Fit::crop ? ", center crop" : ", squashed", ", mean ",
                                  p.mean[0], ", deviation ", p.std[0]));
  // Numbers that stand for names which are not known are not those of the caller's classes.
  const std::vector<std::string> names = source.hints.has_labels ? labels : std::vector<std::string>();
  if (!options.classes.empty() && options.classes != names) {
    const std::size_t kept =
        detail::change_classes(net.head, names, options.classes, net.config.feature_dim());
    if (net.head_dist.weight.defined())
      detail::change_classes(net.head_dist, names, options.classes, net.config.embedding_dim);
    if (kept == options.classes.size())
      note("the head keeps what it knows of all ", kept, " classes");
    else
      note("the head is new",
           kept > 0 ? str_cat(", but for ", kept, kept == 1 ? " class" : " classes", " of the same name")
                    : std::string());
    wanted.labels = options.classes;
    net.config.num_classes = static_cast<std::int64_t>(options.classes.size());
  }
  // Other classes are learned one for each image.
  const bool multi_label = wanted.multi_label && options.classes.empty();
  out.model = ModelBundle{std::move(net), std::move(wanted.labels), p, multi_label};
  return out;
}

}  // namespace detail

MINIVIT_INLINE Pretrained load_pretrained(const std::filesystem::path& path,
                                          const PretrainedOptions& options) {
  return io::read_unchanged(path, [&] { return detail::read_pretrained(path, options); });
}

MINIVIT_INLINE ModelConfig read_pretrained_config(const std::filesystem::path& path,
                                                  const PretrainedOptions& options) {
  return io::read_unchanged(path, [&] { return detail::PretrainedSource(path, options).wanted(options); });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
