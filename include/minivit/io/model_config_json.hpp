// JSON of a model's settings: config.json as timm has it on the Hugging Face hub, so that timm can
// open the folder, and preprocessor_config.json as transformers has it. io/timm_config.hpp reads config.json.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "minivit/io/json.hpp"
#include "minivit/io/model_config.hpp"
#include "minivit/io/timm_config.hpp"
#include "minivit/io/timm_keys.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Pillow's number of a filter, which transformers writes for it.
struct Resample {
  image::Filter filter;
  int number;
};
inline constexpr Resample kResample[] = {
    {image::Filter::nearest, 0}, {image::Filter::bilinear, 2}, {image::Filter::bicubic, 3}};

/// timm's name for a family with what model_args cannot say; they say everything else.
inline const char* timm_architecture(const ViTConfig& v) {
  return v.distillation != Distillation::none ? "deit_base_distilled_patch16_224"
         : v.activation == Activation::swiglu ? "vit_giant_patch14_dinov2"
         : v.norm_eps == 1e-5f                ? "vit_base_patch16_clip_224"
                                              : "vit_base_patch16_224";
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
                                    {"sequence_pooling", v.pooling == Pooling::sequence},
                                    {"stem", enum_name(v.stem)},
                                    {"attention", enum_name(v.attention)},
                                    {"distillation", enum_name(v.distillation)},
                                    {"norm_eps", v.norm_eps},
                                    {"crop_rounding", enum_name(c.preprocess.crop_rounding)},
                                    {"multi_label", c.multi_label}})},
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

}  // namespace minivit::inline MINIVIT_ABI
