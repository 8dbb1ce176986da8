// The reading of what timm says about a model: its config.json, or the name of its architecture alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "minivit/io/pretrained_hints.hpp"
#include "minivit/io/timm_config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The heads of timm's architecture of this name, as "vit_small_patch16_224", which may have the tag of its
/// weights behind it; nothing if timm has none of exactly this name, or it is another kind of model.
inline std::optional<std::int64_t> heads_of_architecture(std::string_view name) {
  const detail::TimmArchitecture* const known = detail::find_timm_architecture(name);
  if (!known) return {};
  const io::Json arguments = io::parse_json(known->arguments, known->name);
  if (arguments.contains("model_class")) return {};
  return io::JsonFields(arguments, name).get<std::int64_t>("num_heads", 12);
}

namespace detail {

/// Settings with which the weights have to agree only if the file itself says them: by an architecture's name
/// alone, models of all sizes are read.
inline bool is_size(std::string_view field) {
  constexpr std::string_view kSizes[] = {"image_height", "image_width",   "patch_size", "num_classes",
                                         "mlp_ratio",    "embedding_dim", "num_layers"};
  return std::ranges::find(kSizes, field) != std::end(kSizes);
}

}  // namespace detail

/// What a config.json of timm, or of this library, says. architecture: timm's name, if the file's is not to
/// count. Throws FileError, ConfigError as model_config_from_json.
inline PretrainedHints hints_from_timm(const io::Json& json, const std::string& name,
                                       const std::string& architecture = {}) {
  const detail::TimmConfig config(json, name, architecture);
  const detail::TimmModel& model = config.model();
  PretrainedHints hints;
  hints.knows_heads = hints.knows_pooling = true;
  hints.config.labels = config.labels();
  hints.config.multi_label = config.multi_label();
  hints.has_labels = !hints.config.labels.empty();
  hints.has_preprocess = config.own() || config.says_preprocessing();
  const auto size = config.input_size();
  hints.knows_input_size = size.has_value();
  const auto seen = [&](const ViTConfig& v) {  // as the preprocessing makes images
    ViTConfig at = v;
    if (size) at.image_height = (*size)[1], at.image_width = (*size)[2];
    return at;
  };
  if (config.own() || (model.says("embed_dim") && model.says("depth") && model.says("num_heads"))) {
    const bool named = hints.has_labels;
    hints.config = detail::model_config(config);
    hints.config.preprocess = config.preprocess(seen(hints.config.vit));
    hints.complete = true, hints.has_labels = named;
    return hints;
  }
  ViTConfig& v = hints.config.vit;
  v = config.settings();
  v.image_height = std::clamp<std::int64_t>(v.image_height, 1, 16384);
  v.image_width = std::clamp<std::int64_t>(v.image_width, 1, 16384);
  check_ranges(v);
  hints.knows_image_size = config.says_image_size();
  hints.config.preprocess = config.preprocess(seen(v));
  ViTConfig::fields(v, [&](std::string_view field, const auto&, std::string_view, const Range&) {
    const auto argument = detail::timm_argument(field);
    const bool said = argument && model.says(*argument);
    if (said || !detail::is_size(field))
      hints.stated.emplace_back(field, said ? str_cat("model_args.", *argument) : std::string(field));
  });
  if (config.num_classes()) hints.stated.emplace_back("num_classes", "num_classes");
  return hints;
}

}  // namespace minivit::inline MINIVIT_ABI
