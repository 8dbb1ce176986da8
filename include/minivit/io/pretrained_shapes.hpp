// Configuration from the shapes of a model's weights, which say nearly everything.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "minivit/io/name_list.hpp"
#include "minivit/io/pretrained_config.hpp"
#include "minivit/io/tensor_names.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Throws FileError that names the settings in which configuration files and weights contradict each other.
inline void check_stated(const ViTConfig& weights, const PretrainedHints& hints, const std::string& file) {
  const ViTConfig& said = hints.config.vit;
  const auto theirs = field_texts(said), ours = field_texts(weights);
  NameList problems("");
  for (const auto& [field, key] : hints.stated) {
    const std::string_view name = field;
    const auto at = std::ranges::find(ours, name, &std::pair<std::string_view, std::string>::first);
    const std::string& stated = theirs[static_cast<std::size_t>(at - ours.begin())].second;
    if (stated == at->second) continue;
    if (name == "layer_scale" && (said.layer_scale != 0) == (weights.layer_scale != 0)) continue;
    if (name == "distillation" && hints.of_transformers && !hints.knows_distillation &&
        said.distillation == Distillation::token && weights.distillation == Distillation::head)
      continue;
    if (name == "mlp_ratio" && said.hidden_dim() == weights.hidden_dim()) continue;
    if (name == "prefix_positions" && weights.prefix_tokens() == 0) continue;
    if (name == "num_classes" && weights.num_classes == 0 && said.num_classes > 0) continue;  // see there
    problems.add(str_cat(key, " is ", stated, ", in the weights ", at->second));
  }
  check<FileError>(problems.text().empty(), file,
                   ": the weights are not those of the configuration: ", problems.text());
}

}  // namespace detail

/// The configuration of a model whose weights are `tensors`: everything that their shapes say, the rest as
/// the hints have it. Throws FileError that names what is missing to make it a Vision Transformer.
inline ViTConfig config_from_shapes(const NamedTensors& tensors, const PretrainedHints& hints) {
  ViTConfig v = hints.config.vit;
  const std::string& file = tensors.file_name();
  const auto shape = [&](const std::string& name, int rank) {
    const std::optional<Shape> found = tensors.shape(name);
    if (!found || found->rank() != rank) {
      std::string known;
      for (std::size_t i = 0; i < std::min<std::size_t>(tensors.unknown().size(), 3); ++i)
        known += str_cat(i == 0 ? "; it has " : ", ", tensors.unknown()[i]);
      throw FileError(str_cat(file, ": is no Vision Transformer that is known here: ", name,
                              found ? " has another number of axes" : " is missing", known));
    }
    return *found;
  };
  const Shape patch = shape("patch_embed.proj.weight", 4), fc1 = shape("blocks.0.mlp.fc1.weight", 2),
              fc2 = shape("blocks.0.mlp.fc2.weight", 2), positions = shape("pos_embed", 3);
  // Before anything is computed from them.
  const auto in_range = [](std::int64_t n, std::int64_t most) { return n >= 1 && n <= most; };
  check<FileError>(in_range(patch[0], 65536) && in_range(patch[1], 1024) && in_range(patch[3], 1024) &&
                       patch[2] == patch[3] && in_range(fc1[0], 64 * patch[0]) && in_range(fc2[1], fc1[0]),
                   file, ": patch_embed.proj.weight is ", patch, ", blocks.0.mlp.fc1.weight ", fc1,
                   ", blocks.0.mlp.fc2.weight ", fc2, ", which are no sizes of a Vision Transformer");
  v.embedding_dim = patch[0], v.channels = patch[1], v.patch_size = patch[3];
  v.num_layers = 1;
  while (tensors.has(str_cat("blocks.", v.num_layers, ".norm1.weight"))) ++v.num_layers;
  v.activation = fc2[1] * 2 == fc1[0] ? Activation::swiglu : Activation::gelu;
  v.mlp_ratio = static_cast<double>(fc1[0]) / static_cast<double>(patch[0]);
  while (v.hidden_dim() < fc1[0]) v.mlp_ratio = std::nextafter(v.mlp_ratio, 65.0);
  v.qkv_bias = tensors.has("blocks.0.attn.qkv.bias");
  v.layer_scale = tensors.has("blocks.0.ls1.gamma") ? 1e-5f : 0.0f;
  v.class_token = tensors.has("cls_token");
  v.distillation = !tensors.has("dist_token")        ? Distillation::none
                   : tensors.has("head_dist.weight") ? Distillation::head
                                                     : Distillation::token;
  v.register_tokens = tensors.has("reg_token") ? shape("reg_token", 3)[1] : 0;
  const std::optional<Shape> head = tensors.shape("head.weight");
  v.num_classes = head && head->rank() == 2 ? (*head)[0] : 0;
  v.pooling = tensors.has("fc_norm.weight")                             ? Pooling::mean
              : head && head->rank() == 2 && (*head)[1] == 2 * patch[0] ? Pooling::token_and_mean
                                                                        : Pooling::token;
  if (hints.knows_pooling) v.pooling = hints.config.vit.pooling;
  v.fc_norm = v.pooling != Pooling::mean || tensors.has("fc_norm.weight");
  v.norm_pre = tensors.has("norm_pre.weight");
  v.qk_norm = tensors.has("blocks.0.attn.q_norm.weight");

  // Positions: of all tokens, or of the patches alone, or (DINOv2 in transformers) of all but the registers.
  const std::int64_t rows = positions[1], few = v.prefix_tokens() - v.register_tokens;
  const auto fits = [&](const ViTConfig& c) {
    return rows == c.tokens() || rows == c.patches() || rows == few + c.patches();
  };
  if (!hints.knows_image_size && !fits(v)) {
    for (const std::int64_t prefix : {v.prefix_tokens(), few, std::int64_t{0}}) {
      const auto edge = static_cast<std::int64_t>(
          std::llround(std::sqrt(static_cast<double>(std::max<std::int64_t>(rows - prefix, 0)))));
      if (edge < 1 || edge * edge != rows - prefix) continue;
      v.image_height = v.image_width = edge * v.patch_size;
      break;
    }
  }
  check<FileError>(v.patch_size >= 1 && v.patches() > 0 && fits(v), file, ": pos_embed has ", rows,
                   " positions, an image of ", v.image_height, "x", v.image_width, " has ", v.patches(),
                   " patches of ", v.patch_size, "x", v.patch_size, " pixels, with ", v.prefix_tokens(),
                   " tokens in front");
  v.prefix_positions = rows == v.tokens();
  detail::check_stated(v, hints, file);
  if (!hints.knows_heads)
    throw FileError(
        str_cat(file, ": the weights do not tell the number of attention heads, and no ",
                (std::filesystem::path(file).parent_path() / "config.json").native(),
                " does; name timm's architecture, as vit_small_patch16_224, or the number of heads"));
  v.validate();
  return v;
}

}  // namespace minivit::inline MINIVIT_ABI
