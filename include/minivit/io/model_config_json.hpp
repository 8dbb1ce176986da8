// JSON of a model's settings: config.json as timm has it on the Hugging Face hub, so that timm can
// open the folder, and preprocessor_config.json as transformers has it.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "minivit/io/json.hpp"
#include "minivit/io/model_config.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Pillow's number of a filter, which transformers writes for it.
struct Resample {
  image::Filter filter;
  int number;
};
inline constexpr Resample kResample[] = {
    {image::Filter::nearest, 0}, {image::Filter::bilinear, 2}, {image::Filter::bicubic, 3}};

/// A size that is written as a number or as [height, width].
inline std::array<std::int64_t, 2> size_of(const io::JsonFields& fields, std::string_view key,
                                           std::array<std::int64_t, 2> fallback) {
  if (!fields.has(key)) return fallback;
  if (!fields.find(key)->is_array()) {
    const auto size = fields.get<std::int64_t>(key);
    return {size, size};
  }
  const auto sizes = fields.get<std::vector<std::int64_t>>(key);
  if (sizes.size() != 2) fields.fail(key, "has ", sizes.size(), " numbers, expected height and width");
  return {sizes[0], sizes[1]};
}

inline std::array<float, 3> three(const io::JsonFields& fields, std::string_view key,
                                  std::array<float, 3> fallback) {
  if (!fields.find(key)) return fallback;
  const auto values = fields.get<std::vector<float>>(key);
  if (values.size() == 1) return {values[0], values[0], values[0]};  // of a gray picture
  if (values.size() != 3) fields.fail(key, "has ", values.size(), " numbers, expected 3");
  return {values[0], values[1], values[2]};
}

/// The same as JSON: a number for each channel, but one alone for a gray picture whose channels are alike.
inline io::Json per_channel(const std::array<float, 3>& values, const Preprocess& p) {
  const bool alike = values[0] == values[1] && values[1] == values[2];
  return io::Json(std::span(values).first(p.channels == 1 && alike ? 1 : 3));
}

/// timm's name for a family with what model_args cannot say; they say everything else.
inline const char* timm_architecture(const ViTConfig& v) {
  return v.distillation != Distillation::none ? "deit_base_distilled_patch16_224"
         : v.activation == Activation::swiglu ? "vit_giant_patch14_dinov2"
                                              : "vit_base_patch16_224";
}

/// What timm calls a setting among the arguments of its model, if it has it there as it is here. Settings
/// that config.json has in another form are read and written one by one below.
inline std::optional<std::string_view> timm_argument(std::string_view field) {
  constexpr std::string_view kInAnotherForm[] = {
      "image_height", "image_width", "num_classes", "activation", "pooling",         "distillation",
      "positions",    "layer_scale", "norm_eps",    "fc_norm",    "prefix_positions"};
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {{"channels", "in_chans"},
                                                                      {"embedding_dim", "embed_dim"},
                                                                      {"num_layers", "depth"},
                                                                      {"register_tokens", "reg_tokens"},
                                                                      {"norm_pre", "pre_norm"},
                                                                      {"head_dropout", "drop_rate"},
                                                                      {"input_dropout", "pos_drop_rate"},
                                                                      {"attention_dropout", "attn_drop_rate"},
                                                                      {"dropout", "proj_drop_rate"},
                                                                      {"drop_path", "drop_path_rate"}};
  if (std::ranges::find(kInAnotherForm, field) != std::end(kInAnotherForm)) return {};
  for (const auto& [ours, timms] : kNames)
    if (ours == field) return timms;
  return field;
}

/// What timm's pretrained_cfg calls a setting of the preprocessing; nothing for those that its input_size
/// says.
inline std::optional<std::string_view> timm_preprocessing(std::string_view field) {
  constexpr std::string_view kInInputSize[] = {"height", "width", "channels"};
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {{"fit", "crop_mode"}};
  if (std::ranges::find(kInInputSize, field) != std::end(kInInputSize)) return {};
  for (const auto& [ours, timms] : kNames)
    if (ours == field) return timms;
  return field;
}

/// What timm calls an enumerator of the preprocessing.
inline std::string_view timm_word(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {{"crop", "center"}};
  for (const auto& [ours, timms] : kWords)
    if (ours == name) return timms;
  return name;
}

/// The member `key` as an enumerator, by its name, or by what `spelled` makes of it.
template <NamedEnum E>
E enum_from(
    const io::JsonFields& fields, std::string_view key, E fallback,
    std::string_view (*spelled)(std::string_view) = [](std::string_view name) { return name; }) {
  std::vector<std::string_view> names;
  for (const auto& entry : kEnumNames<E>) names.push_back(spelled(entry.name));
  const std::size_t chosen = fields.choice(key, names, names.size());
  return chosen < names.size() ? kEnumNames<E>[chosen].value : fallback;
}

/// What timm's pretrained_cfg says about the preprocessing for a model of this size.
inline Preprocess preprocess_from_timm(const io::JsonFields& cfg, const ViTConfig& v) {
  Preprocess p;
  p.height = static_cast<int>(v.image_height);
  p.width = static_cast<int>(v.image_width);
  p.channels = v.channels == 1 ? 1 : 3;
  p.fit = Preprocess::Fit::crop;  // timm's defaults
  p.crop_pct = 0.875;
  Preprocess::fields(p, [&]<class T>(std::string_view field, T& value, std::string_view, const Range&) {
    const auto key = timm_preprocessing(field);
    if (!key) return;
    if constexpr (NamedEnum<T>)
      value = enum_from(cfg, *key, value, timm_word);
    else if constexpr (std::is_arithmetic_v<T>)
      value = cfg.get(*key, value);
    else
      value = three(cfg, *key, value);
  });
  p.validate();
  return p;
}

/// The same the other way. The keys stand in timm's order.
inline io::Json preprocess_to_timm(const Preprocess& p, const ViTConfig& v) {
  io::Json cfg =
      io::Json::object({{"input_size", io::Json::array({v.channels, v.image_height, v.image_width})},
                        {"interpolation", nullptr},
                        {"crop_pct", nullptr}});
  Preprocess::fields(p, [&]<class T>(std::string_view field, const T& value, std::string_view, const Range&) {
    const auto key = timm_preprocessing(field);
    if (!key) return;
    io::Json& member = cfg[std::string(*key)];
    if constexpr (NamedEnum<T>)
      member = timm_word(enum_name(value));
    else if constexpr (std::is_arithmetic_v<T>)
      member = value;
    else
      member = per_channel(value, p);
  });
  return cfg;
}

/// A name for each of K classes: those of label_names, or numbers.
inline std::vector<std::string> labels_from_timm(const io::JsonFields& fields, std::int64_t K) {
  std::vector<std::string> labels;
  if (fields.find("label_names")) labels = fields.get<std::vector<std::string>>("label_names");
  if (!labels.empty() && static_cast<std::int64_t>(labels.size()) != K)
    fields.fail("label_names", "has ", labels.size(), " names for ", K, " classes");
  for (auto i = static_cast<std::int64_t>(labels.size()); i < K; ++i) labels.push_back(str_cat(i));
  return labels;
}

}  // namespace detail

/// config.json of a model.
inline io::Json to_json(const ModelConfig& c) {
  const ViTConfig& v = c.vit;
  const char* const pool = v.pooling == Pooling::mean ? "avg" : "token";
  io::Json args = io::Json::object({{"img_size", io::Json::array({v.image_height, v.image_width})}});
  ViTConfig::fields(v, [&]<class T>(std::string_view field, const T& value, std::string_view, const Range&) {
    if (field == "pooling")
      args["global_pool"] = pool;
    else if (field == "prefix_positions")
      args["no_embed_class"] = !v.prefix_positions;
    else if (field == "layer_scale")
      args["init_values"] = v.layer_scale != 0.0f ? io::Json(v.layer_scale) : io::Json();
    else if constexpr (std::is_arithmetic_v<T>)
      if (const auto key = detail::timm_argument(field)) args[std::string(*key)] = value;
  });
  if (v.pooling == Pooling::mean && !v.fc_norm) args["fc_norm"] = false;
  io::Json cfg = detail::preprocess_to_timm(c.preprocess, v);
  cfg["num_classes"] = v.num_classes;
  cfg["first_conv"] = "patch_embed.proj";
  cfg["classifier"] = "head";
  return io::Json::object({
      {"architecture", detail::timm_architecture(v)},
      {"num_classes", v.num_classes},
      {"num_features", v.embedding_dim},
      {"global_pool", pool},
      {"model_args", std::move(args)},
      {"label_names", c.labels},
      {"pretrained_cfg", std::move(cfg)},
      // What timm has no word for.
      {"minivit", io::Json::object({{"version", kVersion},
                                    {"positions", enum_name(v.positions)},
                                    {"swiglu", v.activation == Activation::swiglu},
                                    {"class_and_mean", v.pooling == Pooling::token_and_mean},
                                    {"distillation", enum_name(v.distillation)},
                                    {"norm_eps", v.norm_eps}})},
  });
}

/// preprocessor_config.json of a model: for transformers; minivit itself reads config.json.
inline io::Json preprocessor_to_json(const Preprocess& p) {
  const auto resample = std::ranges::find(detail::kResample, p.filter, &detail::Resample::filter);
  io::Json json = io::Json::object({{"do_normalize", true},
                                    {"do_rescale", true},
                                    {"do_resize", true},
                                    {"image_mean", detail::per_channel(p.mean, p)},
                                    {"image_std", detail::per_channel(p.std, p)},
                                    {"resample", resample->number},
                                    {"rescale_factor", 1.0 / 255}});
  const io::Json size = io::Json::object({{"height", p.height}, {"width", p.width}});
  if (p.fit == Preprocess::Fit::squash && p.crop_pct == 1.0) {
    json["image_processor_type"] = "ViTImageProcessor";
    json["size"] = size;
  } else if (p.fit == Preprocess::Fit::squash) {
    const auto before = [&](int edge) { return static_cast<int>(edge / p.crop_pct); };
    json["image_processor_type"] = "DeiTImageProcessor";  // the one that squashes and crops
    json["size"] = io::Json::object({{"height", before(p.height)}, {"width", before(p.width)}});
    json["do_center_crop"] = true;
    json["crop_size"] = size;
  } else {
    json["image_processor_type"] = "CLIPImageProcessor";  // the one that resizes the shortest edge and crops
    json["size"] =
        io::Json::object({{"shortest_edge", static_cast<int>(std::min(p.height, p.width) / p.crop_pct)}});
    json["do_center_crop"] = true;
    json["crop_size"] = size;
  }
  return json;
}

/// The settings in the config.json `json`, whose file is called `name` in messages. What timm's
/// VisionTransformer has a default for may be missing. Throws FileError for what cannot be read, ConfigError
/// for what makes no model.
inline ModelConfig model_config_from_json(const io::Json& json, const std::string& name) {
  const io::JsonFields fields(json, name);
  check<FileError>(
      fields.find("model_args") != nullptr, name,
      ": has no \"model_args\"; expected the configuration of a ViT as "
      "timm writes it",
      fields.find("model_type") ? ". This one is of transformers: load_pretrained reads it" : "");
  const io::JsonFields args = fields.object("model_args");
  const io::Json empty_object = io::Json::object();
  const io::Json* const cfg_json = fields.find("pretrained_cfg");
  const io::JsonFields cfg(cfg_json ? *cfg_json : empty_object, name);
  const io::Json* const own_json = fields.find("minivit");
  const io::JsonFields own(own_json ? *own_json : empty_object, name);

  ModelConfig c;
  ViTConfig& v = c.vit;
  const auto size = detail::size_of(args, "img_size", {v.image_height, v.image_width});
  v.image_height = size[0], v.image_width = size[1];
  ViTConfig::fields(v, [&]<class T>(std::string_view field, T& value, std::string_view, const Range&) {
    if constexpr (std::is_arithmetic_v<T>)
      if (const auto key = detail::timm_argument(field)) value = args.get(*key, value);
  });
  v.num_classes = fields.get("num_classes", v.num_classes);
  v.layer_scale = args.get("init_values", 0.0f);
  v.prefix_positions = !args.get("no_embed_class", false);
  v.fc_norm = args.get("fc_norm", true);
  v.norm_eps = own.get("norm_eps", v.norm_eps);
  const std::size_t pool =
      args.choice("global_pool", {"token", "avg"}, fields.choice("global_pool", {"token", "avg"}, 0));
  v.pooling = own.get("class_and_mean", false) ? Pooling::token_and_mean
              : pool == 0                      ? Pooling::token
                                               : Pooling::mean;
  v.positions = detail::enum_from(own, "positions", Positions::learned);
  const auto architecture = fields.get<std::string>("architecture", "");
  if (own.get("swiglu", architecture.starts_with("vit_giant_patch14") &&
                            architecture.find("dinov2") != std::string::npos))
    v.activation = Activation::swiglu;
  v.distillation = detail::enum_from(
      own, "distillation",
      architecture.find("_distilled") != std::string::npos ? Distillation::head : Distillation::none);
  // What this library has no word for must be timm's default.
  for (const char* const key : {"act_layer", "norm_layer", "mlp_layer", "block_fn", "embed_layer"})
    if (args.has(key))
      fields.fail(str_cat("model_args.", key),
                  "is set, expected none; other layers than timm's default are not supported");
  for (const char* const key : {"scale_attn_norm", "scale_mlp_norm", "pool_include_prefix"})
    if (args.get(key, false)) fields.fail(str_cat("model_args.", key), "is true, which is not supported");
  v.validate();
  c.preprocess = detail::preprocess_from_timm(cfg, v);
  c.labels = detail::labels_from_timm(fields, v.num_classes);
  return c;
}

}  // namespace minivit::inline MINIVIT_ABI
