// Names and values that timm gives the settings of a model and of its preprocessing, in both directions.
#pragma once

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/io/json.hpp"
#include "minivit/io/model_config.hpp"

namespace minivit::inline MINIVIT_ABI::detail {

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

/// A number for each channel, written as so many, or as one.
inline std::array<float, 3> three(const io::JsonFields& fields, std::string_view key,
                                  std::array<float, 3> fallback) {
  if (!fields.has(key)) return fallback;
  if (fields.find(key)->is_number()) {
    const auto value = fields.get<float>(key);
    return {value, value, value};
  }
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

/// What timm calls a setting among the arguments of its model, if it has it there as it is here. Settings
/// that config.json has in another form are read and written one by one.
inline std::optional<std::string_view> timm_argument(std::string_view field) {
  constexpr std::string_view kInAnotherForm[] = {
      "image_height", "image_width", "num_classes", "activation", "pooling",          "distillation",
      "positions",    "layer_scale", "norm_eps",    "fc_norm",    "prefix_positions", "stem"};
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
/// says, and for those that it does not have.
inline std::optional<std::string_view> timm_preprocessing(std::string_view field) {
  constexpr std::string_view kNotThere[] = {"height", "width", "channels", "crop_rounding"};
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {{"fit", "crop_mode"}};
  if (std::ranges::find(kNotThere, field) != std::end(kNotThere)) return {};
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

/// What timm's pretrained_cfg says about the preprocessing for a model of this size, which is in range.
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

}  // namespace minivit::inline MINIVIT_ABI::detail
