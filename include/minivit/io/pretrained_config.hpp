// Configuration files of timm and transformers.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/io/model_config_json.hpp"
#include "minivit/model/positions.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What is known about a model before its weights are looked at.
struct PretrainedHints {
  ModelConfig config;
  bool complete = false;          ///< the configuration says everything, as the library's own
  bool knows_image_size = false;  ///< config.vit.image_height and image_width are the model's
  bool knows_heads = false;
  bool headless = false;                         ///< the class of the model has no classifier
  bool has_labels = false;                       ///< config.labels are names and not numbers
  bool has_preprocess = false;                   ///< config.preprocess is the model's
  PositionFilter filter = PositionFilter::timm;  ///< how the library it comes from interpolates positions
};

namespace detail {

/// Attention heads of the architectures of timm, by what is in their names.
struct KnownHeads {
  std::string_view part;
  std::int64_t heads;
};
inline constexpr KnownHeads kKnownHeads[] = {
    {"vit_giant_patch14_dinov2", 24},
    {"vit_giant_patch14_reg4_dinov2", 24},
    {"vit_tiny_", 3},
    {"deit_tiny_", 3},
    {"vit_small_", 6},
    {"deit_small_", 6},
    {"deit3_small_", 6},
    {"vit_medium_", 8},
    {"deit3_medium_", 8},
    {"vit_base_", 12},
    {"deit_base_", 12},
    {"deit3_base_", 12},
    {"vit_large_", 16},
    {"deit3_large_", 16},
    {"vit_huge_", 16},
    {"deit3_huge_", 16},
    {"vit_giant_", 16},
    {"vit_gigantic_", 16},
};

/// The share of an edge that a crop of `size` pixels keeps of `edge`, such that floor(size / share) is
/// `edge`.
inline double crop_share(int size, int edge) {
  double share = static_cast<double>(size) / edge;
  while (static_cast<int>(size / share) < edge) share = std::nextafter(share, 0.0);
  return share;
}

/// A size in preprocessor_config.json: a number, or an object with height and width.
inline std::optional<std::array<std::int64_t, 2>> pixels_of(const io::JsonFields& fields,
                                                            std::string_view key) {
  if (!fields.has(key)) return {};
  if (!fields.find(key)->is_object()) {
    const auto edge = fields.get<std::int64_t>(key);
    return {{edge, edge}};
  }
  const io::JsonFields size = fields.object(key);
  if (!size.find("height")) return {};
  return {{size.get<std::int64_t>("height"), size.get<std::int64_t>("width")}};
}

}  // namespace detail

/// The heads of timm's architecture of this name, as "vit_small_patch16_224"; nothing if it is not known.
inline std::optional<std::int64_t> heads_of_architecture(std::string_view name) {
  for (const auto& [part, heads] : detail::kKnownHeads)
    if (name.starts_with(part)) return heads;
  return {};
}

/// The preprocessing that a preprocessor_config.json of transformers describes, for the image processors of
/// ViT, DeiT, BiT (which DINOv2 has) and CLIP. Throws FileError for what it asks for and is not supported.
inline Preprocess preprocess_from_transformers(const io::Json& json, const std::string& name) {
  const io::JsonFields fields(json, name);
  const std::string type = fields.get<std::string>(
      "image_processor_type", fields.get<std::string>("feature_extractor_type", "ViTImageProcessor"));
  std::string_view kind = type;
  for (const std::string_view end : {"Fast", "ImageProcessor", "FeatureExtractor"})
    if (kind.ends_with(end)) kind.remove_suffix(end.size());
  const bool squashes = kind == "ViT" || kind == "DeiT";  // the others resize the shortest edge
  if (!squashes && kind != "Bit" && kind != "CLIP")
    fields.fail("image_processor_type", "is that of ", kind, ", expected ViT's, DeiT's, Bit's or CLIP's");

  Preprocess p;
  p.mean = p.std = {0.5f, 0.5f, 0.5f};
  if (!squashes)
    p.mean = {0.48145466f, 0.4578275f, 0.40821073f}, p.std = {0.26862954f, 0.26130258f, 0.27577711f};
  if (fields.get("do_normalize", true)) {
    p.mean = detail::three(fields, "image_mean", p.mean);
    p.std = detail::three(fields, "image_std", p.std);
  } else {
    p.mean = {0, 0, 0}, p.std = {1, 1, 1};
  }
  if (!fields.get("do_rescale", true) || std::fabs(fields.get("rescale_factor", 1.0 / 255) * 255 - 1) > 1e-6)
    fields.fail("rescale_factor", "is not 1/255, which is the only one supported");
  if (!fields.get("do_resize", true)) fields.fail("do_resize", "is false, expected true");
  const auto resample = fields.get("resample", kind == "ViT" ? 2 : 3);
  const auto filter = std::ranges::find(detail::kResample, resample, &detail::Resample::number);
  if (filter == std::end(detail::kResample))
    fields.fail("resample", "is ", resample, ", expected 0 (nearest), 2 (bilinear) or 3 (bicubic)");
  p.filter = filter->filter;

  const io::Json* const size_json = fields.find("size");
  const bool by_edge = size_json && size_json->contains("shortest_edge");
  const std::int64_t usual = kind == "DeiT" ? 256 : 224;
  std::array<std::int64_t, 2> size{usual, usual}, crop{224, 224};
  if (by_edge)
    size.fill(fields.object("size").get<std::int64_t>("shortest_edge"));
  else if (const auto given = detail::pixels_of(fields, "size"))
    size = *given;
  const bool crops = fields.get("do_center_crop", kind != "ViT");
  const bool squash = !by_edge && (squashes || (size_json && size_json->is_object()));
  crop = detail::pixels_of(fields, "crop_size").value_or(crop);
  if (!crops && !squash)
    fields.fail("do_center_crop", "is false, so that images have different sizes; expected true");
  if (!crops) crop = size;
  for (const std::int64_t pixels : {size[0], size[1], crop[0], crop[1]})
    if (pixels < 1 || pixels > 16384)
      fields.fail("size", "or crop_size is ", pixels, ", expected 1 to 16384");
  p.height = static_cast<int>(crop[0]), p.width = static_cast<int>(crop[1]);
  p.fit = squash ? Preprocess::Fit::squash : Preprocess::Fit::crop;
  if (size[0] < crop[0] || size[1] < crop[1])
    fields.fail("crop_size", "is ", crop[0], "x", crop[1], ", larger than the size of ", size[0], "x",
                size[1]);
  if (!squash && crop[0] != crop[1])
    fields.fail("crop_size", "is ", crop[0], "x", crop[1],
                ", expected a square where the shortest edge is resized");
  p.crop_pct = detail::crop_share(p.height, static_cast<int>(size[0]));
  if (static_cast<std::int64_t>(p.width / p.crop_pct) != size[1])
    fields.fail("crop_size", "keeps another share of the width than of the height, which is not supported");
  p.validate();
  return p;
}

/// What a config.json of transformers says: model types vit, deit, dinov2 and dinov2_with_registers. Throws
/// FileError for others and for what is not supported.
inline PretrainedHints hints_from_transformers(const io::Json& json, const std::string& name) {
  const io::JsonFields fields(json, name);
  const std::size_t type =
      fields.choice("model_type", {"vit", "deit", "dinov2", "dinov2_with_registers"}, std::size_t(-1));
  PretrainedHints hints;
  hints.filter = PositionFilter::transformers;
  ViTConfig& v = hints.config.vit;
  const auto size = detail::size_of(fields, "image_size", {224, 224});
  v.image_height = size[0], v.image_width = size[1];
  v.num_heads = fields.get<std::int64_t>("num_attention_heads", 12);
  hints.knows_image_size = hints.knows_heads = true;
  v.norm_eps = fields.get("layer_norm_eps", type >= 2 ? 1e-6f : 1e-12f);
  if (!fields.get("use_swiglu_ffn", false) && fields.get<std::string>("hidden_act", "gelu") != "gelu")
    fields.fail("hidden_act", "is ", fields.get<std::string>("hidden_act"), ", expected \"gelu\"");
  if (fields.has("architectures")) {
    const auto classes = fields.get<std::vector<std::string>>("architectures");
    hints.headless = !classes.empty() && classes[0].ends_with("Model");
  }

  if (const io::Json* labels = fields.find("id2label"); labels && labels->is_object()) {
    std::map<std::string, std::optional<std::string>> by_number;
    for (const auto& [number, name] : labels->items()) by_number[number] = io::json_as<std::string>(name);
    for (std::size_t i = 0; i < by_number.size(); ++i) {
      const std::optional<std::string> label = by_number[str_cat(i)];
      if (!label) fields.fail("id2label", "has ", labels->size(), " names, but none for class ", i);
      hints.config.labels.push_back(*label);
    }
    hints.has_labels = !hints.config.labels.empty();
  }
  // What the published models of the type come with, should preprocessor_config.json be missing.
  Preprocess& p = hints.config.preprocess;
  p.height = static_cast<int>(std::clamp<std::int64_t>(v.image_height, 1, 16384));
  p.width = static_cast<int>(std::clamp<std::int64_t>(v.image_width, 1, 16384));
  p.fit = type >= 2 ? Preprocess::Fit::crop : Preprocess::Fit::squash;
  p.filter = type == 0 ? image::Filter::bilinear : image::Filter::bicubic;
  p.crop_pct = type == 0 ? 1.0 : 0.875;
  if (type == 0) p.mean = p.std = {0.5f, 0.5f, 0.5f};
  return hints;
}

/// What a config.json of timm says, or its architecture's name alone. Throws FileError, ConfigError as
/// model_config_from_json.
inline PretrainedHints hints_from_timm(const io::Json& json, const std::string& name) {
  const io::JsonFields fields(json, name);
  PretrainedHints hints;
  const io::Json empty_object = io::Json::object();
  const io::Json* const args_json = fields.find("model_args");
  const io::JsonFields args(args_json ? *args_json : empty_object, str_cat(name, ": model_args"));
  hints.has_labels = fields.find("label_names") != nullptr;
  if (args.find("embed_dim") && args.find("depth") && args.find("num_heads")) {
    hints.config = model_config_from_json(json, name);
    hints.complete = hints.has_preprocess = true;
    return hints;
  }
  const auto architecture = fields.get<std::string>("architecture");
  if (const auto heads = heads_of_architecture(architecture)) {
    hints.config.vit.num_heads = *heads;
    hints.knows_heads = true;
  }
  ViTConfig& v = hints.config.vit;
  if (args.find("num_heads")) v.num_heads = args.get<std::int64_t>("num_heads"), hints.knows_heads = true;
  if (args.choice("global_pool", {"token", "avg", ""},
                  fields.choice("global_pool", {"token", "avg", ""}, 0)) == 1)
    v.pooling = Pooling::mean;
  if (fields.find("pretrained_cfg")) {
    const io::JsonFields cfg = fields.object("pretrained_cfg");
    if (cfg.find("input_size")) {
      const auto size = cfg.get<std::vector<std::int64_t>>("input_size");
      if (size.size() != 3) cfg.fail("input_size", "has ", size.size(), " numbers, expected 3");
      v.image_height = std::clamp<std::int64_t>(size[1], 1, 16384);
      v.image_width = std::clamp<std::int64_t>(size[2], 1, 16384);
      hints.knows_image_size = true;
    }
    hints.config.preprocess = detail::preprocess_from_timm(cfg, v);
    hints.has_preprocess = true;
  }
  if (args.find("img_size")) {  // of the weights; the preprocessing's stays what it is
    const auto size = detail::size_of(args, "img_size", {v.image_height, v.image_width});
    v.image_height = std::clamp<std::int64_t>(size[0], 1, 16384);
    v.image_width = std::clamp<std::int64_t>(size[1], 1, 16384);
    hints.knows_image_size = true;
  }
  if (fields.find("label_names")) hints.config.labels = fields.get<std::vector<std::string>>("label_names");
  return hints;
}

}  // namespace minivit::inline MINIVIT_ABI
