// config.json of transformers.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/io/known_keys.hpp"
#include "minivit/io/pretrained_hints.hpp"
#include "minivit/io/timm_config.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

inline constexpr std::string_view kTransformersUnderstood[] = {
    "model_type",        "architectures",   "hidden_size",  "num_hidden_layers", "num_attention_heads",
    "hidden_act",        "layer_norm_eps",  "image_size",   "patch_size",        "num_channels",
    "qkv_bias",          "id2label",        "problem_type", "pruned_heads",      "quantization_config",
    "intermediate_size", "per_layer_config"};
inline constexpr std::string_view kDinoUnderstood[] = {"mlp_ratio", "use_swiglu_ffn", "num_register_tokens"};

// Dropout, initial values, and what the model is not used for here.
inline constexpr std::string_view kTransformersWithoutEffect[] = {
    "hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range", "drop_path_rate",
    "layerscale_value", "encoder_stride", "pooler_output_size", "pooler_act", "out_features", "out_indices",
    "stage_names", "apply_layernorm", "reshape_hidden_states", "use_mask_token",
    // of every configuration
    "_name_or_path", "name_or_path", "_commit_hash", "_num_labels", "num_labels", "label2id",
    "transformers_version", "adapters", "auto_map", "custom_pipelines", "dtype", "torch_dtype",
    "use_bfloat16", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset",
    "_attn_implementation_internal", "_experts_implementation_internal", "experts_implementation",
    "function_to_apply", "finetuning_task", "task_specific_params", "tokenizer_class", "prefix",
    "output_attentions", "output_hidden_states", "output_past", "return_dict", "torchscript",
    "gradient_checkpointing", "chunk_size_feed_forward", "is_encoder_decoder", "is_decoder",
    "add_cross_attention", "cross_attention_hidden_size", "tie_encoder_decoder", "tie_word_embeddings",
    "tf_legacy_loss", "bos_token_id", "pad_token_id", "eos_token_id", "sep_token_id",
    "decoder_start_token_id", "use_cache",
    // of models that write texts
    "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups",
    "diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty",
    "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences",
    "output_scores", "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id",
    "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens"};
inline constexpr std::string_view kDinoWithoutEffect[] = {"intermediate_size"};

/// Rows of fc1 in DINOv2's MLP, whose ratio makes it `hidden` channels wide (transformers' Dinov2SwiGLUFFN).
inline std::int64_t dino_hidden_dim(std::int64_t hidden, Activation activation) {
  return activation == Activation::gelu ? hidden : 2 * ((hidden * 2 / 3 + 7) / 8 * 8);
}

/// A size that the weights show, what config.json calls it, and what it is if that does not say it.
struct TransformersSize {
  std::string_view field, key;
  std::int64_t usual;
};
inline constexpr TransformersSize kTransformersSizes[] = {{"embedding_dim", "hidden_size", 768},
                                                          {"num_layers", "num_hidden_layers", 12},
                                                          {"patch_size", "patch_size", 16},
                                                          {"channels", "num_channels", 3}};

/// Reads what a model of this type has to be into hints.config.vit, and notes it in hints.stated. Throws
/// FileError for sizes out of range.
inline void read_sizes(const io::JsonFields& fields, std::size_t type, PretrainedHints& hints) {
  ViTConfig& v = hints.config.vit;
  const bool dino = type >= 2;
  const auto state = [&](std::string_view field, std::string key) {
    hints.stated.emplace_back(field, std::move(key));
  };
  ViTConfig::fields(v, [&]<class T>(std::string_view field, T& value, std::string_view, const Range& range) {
    for (const auto& [ours, theirs, usual] : kTransformersSizes) {
      if (ours != field) continue;
      if constexpr (std::same_as<T, std::int64_t>) {
        value = size_of(fields, theirs, {usual, usual})[0];
        if (!range.contains(static_cast<double>(value)))
          fields.fail(theirs, "is ", value, ", expected ", range.str());
        state(field, std::string(theirs));
      }
    }
  });
  const auto patch = size_of(fields, "patch_size", {16, 16});
  if (patch[0] != patch[1]) fields.fail("patch_size", "is ", patch[0], "x", patch[1], ", expected a square");
  v.qkv_bias = fields.get("qkv_bias", true);
  state("qkv_bias", "qkv_bias");
  // What the type is beyond its sizes.
  v.distillation = type == 1 ? Distillation::token : Distillation::none;
  v.register_tokens = type == 3 ? fields.get<std::int64_t>("num_register_tokens", 4) : 0;
  v.layer_scale = dino ? 1.0f : 0.0f;
  v.activation = dino && fields.get("use_swiglu_ffn", false) ? Activation::swiglu : Activation::gelu;
  state("distillation", "distillation by model_type and architectures");
  state("register_tokens", type == 3 ? "num_register_tokens" : "number of registers by model_type");
  state("layer_scale", "LayerScale by model_type");
  state("activation", dino ? "activation by use_swiglu_ffn" : "activation by model_type");
  const auto C = static_cast<double>(v.embedding_dim);
  if (dino) {
    const double ratio = fields.get("mlp_ratio", 4.0);
    if (!(ratio > 0 && ratio <= 64))
      fields.fail("mlp_ratio", "is ", ratio, ", expected above 0 and at most 64");
    v.mlp_ratio =
        static_cast<double>(dino_hidden_dim(static_cast<std::int64_t>(C * ratio), v.activation)) / C;
  } else {
    v.mlp_ratio = static_cast<double>(fields.get<std::int64_t>("intermediate_size", 3072)) / C;
  }
  state("mlp_ratio", dino ? "MLP's width as a multiple, by mlp_ratio,"
                          : "MLP's width as a multiple, by intermediate_size,");
}

}  // namespace detail

/// What a config.json of transformers says: model types vit, deit, dinov2 and dinov2_with_registers. Throws
/// FileError for others and for what is not supported or not known, ConfigError for sizes out of range.
inline PretrainedHints hints_from_transformers(const io::Json& json, const std::string& name) {
  const io::JsonFields fields(json, name);
  const std::size_t type =
      fields.choice("model_type", {"vit", "deit", "dinov2", "dinov2_with_registers"}, std::size_t(-1));
  const bool dino = type >= 2, registers = type == 3;
  const detail::Keys nothing;
  detail::refuse_unknown_keys(
      json, name + ": ",
      {detail::kTransformersUnderstood, dino ? detail::Keys(detail::kDinoUnderstood) : nothing,
       detail::kTransformersWithoutEffect, dino ? detail::Keys(detail::kDinoWithoutEffect) : nothing});
  PretrainedHints hints;
  hints.of_transformers = true;
  // DINOv2 with registers interpolates its positions as timm, the others do not antialias.
  hints.filter = registers ? PositionFilter::timm : PositionFilter::transformers;
  ViTConfig& v = hints.config.vit;
  const auto size = detail::size_of(fields, "image_size", {224, 224});
  v.image_height = size[0], v.image_width = size[1];
  v.num_heads = fields.get<std::int64_t>("num_attention_heads", 12);
  hints.knows_image_size = hints.knows_heads = true;
  v.norm_eps = fields.get("layer_norm_eps", dino ? 1e-6f : 1e-12f);
  if (!fields.get("use_swiglu_ffn", false) && fields.get<std::string>("hidden_act", "gelu") != "gelu")
    fields.fail("hidden_act", "is ", fields.get<std::string>("hidden_act"), ", expected \"gelu\"");
  detail::read_sizes(fields, type, hints);
  check_ranges(v);
  for (const char* const key : {"pruned_heads", "per_layer_config"})
    if (fields.has(key) && !fields.find(key)->empty()) fields.fail(key, "is set, which is not supported");
  if (fields.has("quantization_config"))
    fields.fail("quantization_config", "is set; expected weights that are not quantized");
  if (fields.has("architectures")) {
    const auto classes = fields.get<std::vector<std::string>>("architectures");
    hints.headless = !classes.empty() && classes[0].ends_with("Model");
    hints.knows_distillation = !classes.empty();
    if (type == 1 && !classes.empty() && classes[0].ends_with("WithTeacher"))
      v.distillation = Distillation::head;
  }
  const std::size_t problem = fields.choice(
      "problem_type", {"single_label_classification", "multi_label_classification", "regression"}, 0);
  if (problem == 2) fields.fail("problem_type", "is \"regression\", expected a model that knows classes");
  hints.config.multi_label = problem == 1;
  if (fields.has("id2label")) hints.config.labels = detail::labels_from(fields, "id2label");
  hints.has_labels = !hints.config.labels.empty();

  // What the published models of the type come with, should preprocessor_config.json be missing.
  Preprocess& p = hints.config.preprocess;
  p.height = static_cast<int>(std::clamp<std::int64_t>(v.image_height, 1, 16384));
  p.width = static_cast<int>(std::clamp<std::int64_t>(v.image_width, 1, 16384));
  p.fit = dino ? Preprocess::Fit::crop : Preprocess::Fit::squash;
  p.filter = type == 0 ? image::Filter::bilinear : image::Filter::bicubic;
  p.crop_pct = type == 0 ? 1.0 : 0.875;
  p.crop_rounding = image::CropRounding::down;
  if (type == 0) p.mean = p.std = {0.5f, 0.5f, 0.5f};
  return hints;
}

}  // namespace minivit::inline MINIVIT_ABI
