// Arguments of timm's Vision Transformer: those of the architecture, changed by a config.json, as settings
// here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/io/known_keys.hpp"
#include "minivit/io/timm_architectures.hpp"
#include "minivit/io/timm_keys.hpp"

namespace minivit::inline MINIVIT_ABI::detail {

/// The architecture of this name, which may have the tag of its weights behind it, as
/// vit_base_patch16_224.augreg_in21k; null pointer if timm has none. Names are compared as a whole.
inline const TimmArchitecture* find_timm_architecture(std::string_view name) {
  name = name.substr(0, name.find('.'));
  const auto at = std::ranges::lower_bound(kTimmArchitectures, name, {}, &TimmArchitecture::name);
  return at != std::end(kTimmArchitectures) && at->name == name ? &*at : nullptr;
}

/// The name of timm's class with its own defaults.
inline constexpr std::string_view kPlainArchitecture = "vit_base_patch16_224";

/// What timm makes a model of. Every argument is understood, known to be without effect, or refused by name.
class TimmModel {
 public:
  /// architecture: timm's name, or nothing for its class VisionTransformer as it is. model_args: what a file
  /// changes in it. file: for messages. Throws FileError for a name that timm does not have, and for what is
  /// not supported.
  TimmModel(std::string_view architecture, const io::Json& model_args, std::string_view file)
      : architecture_(architecture), file_(file), given_(model_args) {
    check<FileError>(model_args.is_object(), file, ": model_args is no object");
    io::Json all = io::Json::object();
    if (!architecture.empty()) {
      const TimmArchitecture* const known = find_timm_architecture(architecture);
      check<FileError>(known != nullptr, file, ": architecture ", io::detail::in_quotes(architecture),
                       " is not known here, and what is particular to it neither; expected one of timm's");
      all = io::parse_json(known->arguments, known->name);
      if (const auto other = all.find("model_class"); other != all.end())
        throw FileError(str_cat(file, ": architecture ", io::detail::in_quotes(architecture), " is a ",
                                other->get<std::string>(), ", which is not supported"));
    }
    refuse_unknown_keys(model_args, str_cat(file, ": model_args."), {kUnderstood, kWithoutEffect});
    for (const auto& [key, value] : model_args.items()) all[key] = value;
    for (const auto& [key, value] : all.items()) check_supported(key, value);
    holder_ = io::Json::object({{"model_args", std::move(all)}});
  }

  /// The arguments, those of the architecture and those of the file. Refers to this object.
  io::JsonFields arguments() const { return io::JsonFields(holder_, file_).object("model_args"); }

  /// Whether the file itself says what this argument is.
  bool says(std::string_view key) const { return io::JsonFields(given_, file_).has(key); }

  /// The settings. Sizes that are not said are those of timm's class.
  ViTConfig settings() const {
    const io::JsonFields args = arguments();
    ViTConfig v;
    const auto size = size_of(args, "img_size", {v.image_height, v.image_width});
    v.image_height = size[0], v.image_width = size[1];
    ViTConfig::fields(v, [&]<class T>(std::string_view field, T& value, std::string_view, const Range&) {
      if constexpr (std::is_arithmetic_v<T>)
        if (const auto key = timm_argument(field)) value = args.get(*key, value);
    });
    v.num_classes = args.get("num_classes", v.num_classes);
    v.layer_scale = args.get("init_values", 0.0f);
    v.prefix_positions = !args.get("no_embed_class", false);
    v.pooling = args.choice("global_pool", {"token", "avg"}, 0) == 1 ? Pooling::mean : Pooling::token;
    v.fc_norm = v.pooling != Pooling::mean || args.get("fc_norm", true);
    if (args.get("distilled", false)) v.distillation = Distillation::head;
    if (text(args, "mlp_layer") == "SwiGLUPacked") v.activation = Activation::swiglu;
    if ((v.activation == Activation::swiglu) != (text(args, "act_layer") == "SiLU"))
      refuse("act_layer", io::detail::in_quotes(text(args, "act_layer")));
    if (text(args, "norm_layer") == "LayerNorm(eps=1e-05)") v.norm_eps = 1e-5f;
    if (v.pooling == Pooling::token && args.has("fc_norm") && args.get<bool>("fc_norm"))
      refuse("fc_norm", "true, a norm behind the class token");
    if (v.pooling == Pooling::mean && v.prefix_tokens() > 0 && args.get("pool_include_prefix", false))
      refuse("pool_include_prefix", "true, a mean that class token and registers are part of");
    return v;
  }

 private:
  // What `settings` and `check_supported` read.
  static constexpr std::string_view kUnderstood[] = {
      "img_size",         "patch_size",      "in_chans",       "num_classes",         "global_pool",
      "embed_dim",        "depth",           "num_heads",      "mlp_ratio",           "qkv_bias",
      "qk_norm",          "scale_attn_norm", "scale_mlp_norm", "proj_bias",           "init_values",
      "class_token",      "pos_embed",       "no_embed_class", "reg_tokens",          "pre_norm",
      "final_norm",       "fc_norm",         "drop_rate",      "pool_include_prefix", "pos_drop_rate",
      "proj_drop_rate",   "attn_drop_rate",  "drop_path_rate", "embed_layer",         "norm_layer",
      "embed_norm_layer", "act_layer",       "block_fn",       "mlp_layer",           "attn_layer",
      "features_only",    "use_naflex",      "pruned"};
  // How weights begin, what happens in training alone, images of other sizes than the model's.
  static constexpr std::string_view kWithoutEffect[] = {
      "weight_init",     "fix_init",        "patch_drop_rate",   "dynamic_img_size",
      "dynamic_img_pad", "strict_img_size", "pretrained_strict", "out_indices"};

  static std::string text(const io::JsonFields& args, std::string_view key) {
    const io::Json* const value = args.find(key);
    return value && value->is_string() ? value->get<std::string>() : std::string();
  }

  /// Throws FileError: the argument is `what`.
  [[noreturn]] void refuse(std::string_view key, std::string_view what) const {
    if (says(key) || architecture_.empty())
      throw FileError(str_cat(file_, ": model_args.", key, " is ", what, ", which is not supported"));
    throw FileError(str_cat(file_, ": architecture ", io::detail::in_quotes(architecture_), " has ", key, " ",
                            what, ", which is not supported"));
  }

  /// Throws FileError if the argument asks for a layer or a computation that is not there.
  void check_supported(std::string_view key, const io::Json& value) const {
    const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    const bool off = value.is_null() || value == false;
    const auto one_of = [&](std::initializer_list<std::string_view> names) {
      return value.is_null() || std::ranges::find(names, std::string_view(shown)) != names.end();
    };
    bool fine = true;
    std::string why = io::detail::in_quotes(shown);
    if (key == "scale_attn_norm" || key == "scale_mlp_norm" || key == "features_only" ||
        key == "use_naflex" || key == "pruned")
      fine = off, why = shown;
    else if (key == "proj_bias" || key == "final_norm")
      fine = value == true, why = shown;
    else if (key == "global_pool")
      fine = one_of({"token", "avg"});
    else if (key == "pos_embed")
      fine = value == "learn";
    else if (key == "norm_layer")
      fine = one_of({"", "layernorm", "LayerNorm", "layer_norm", "LayerNorm(eps=1e-05)"});
    else if (key == "act_layer")
      fine = one_of({"", "gelu", "SiLU"});  // SiLU: of SwiGLUPacked
    else if (key == "mlp_layer")
      fine = one_of({"SwiGLUPacked"}) && !says(key);  // a file can only name a layer that timm then calls
    else if (key == "attn_layer")
      fine = one_of({"", "attn"});
    else if (key == "embed_layer" || key == "embed_norm_layer")
      fine = value.is_null();
    else if (key == "block_fn") {
      fine = value.is_null();
      if (shown == "ResPostBlock") why += " (residual post-norm)";
      if (shown == "ParallelThingsBlock" || shown == "ParallelScalingBlock") why += " (parallel blocks)";
    }
    if (!fine) refuse(key, why);
  }

  std::string architecture_, file_;
  io::Json given_, holder_;
};

}  // namespace minivit::inline MINIVIT_ABI::detail
