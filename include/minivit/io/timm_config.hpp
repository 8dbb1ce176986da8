// config.json of timm, in its present layout and in that of its first years, and of this library.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/core/number.hpp"
#include "minivit/io/known_keys.hpp"
#include "minivit/io/timm_model.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

// Members of pretrained_cfg, and of a config.json of timm's first years, which has them at the top.
inline constexpr std::string_view kTimmPreprocessing[] = {"input_size", "interpolation", "crop_pct",
                                                          "crop_mode",  "mean",          "std"};
inline constexpr std::string_view kTimmPretrained[] = {"fixed_input_size", "num_classes", "label_names",
                                                       "label_offset"};
inline constexpr std::string_view kTimmWithoutEffect[] = {
    // where the weights were
    "url", "file", "hf_hub_id", "hf_hub_filename", "source", "architecture", "tag", "custom_load",
    // of evaluation at another size, and of models of other kinds
    "test_input_size", "min_input_size", "test_crop_pct", "pool_size", "test_pool_size", "first_conv",
    "classifier",
    // to be read
    "label_descriptions", "license", "description", "origin_url", "paper_name", "paper_ids", "notes"};
inline constexpr std::string_view kTimmTop[] = {
    "architecture", "num_classes", "num_features",       "global_pool",    "model_args",
    "label_names",  "labels",      "label_descriptions", "pretrained_cfg", "minivit"};
inline constexpr std::string_view kOwnKeys[] = {
    "version",       "positions",   "swiglu",           "class_and_mean", "distillation", "norm_eps",
    "crop_rounding", "multi_label", "sequence_pooling", "stem",           "attention"};

/// A text, or a number as a text: what a class is called.
inline std::optional<std::string> label_from(const io::Json& value) {
  if (value.is_number_integer()) return value.dump();
  return io::json_as<std::string>(value);
}

/// Names of classes: an array of them, or an object from the number of each to its name. Throws FileError
/// that names the first that is missing.
inline std::vector<std::string> labels_from(const io::JsonFields& fields, std::string_view key) {
  std::vector<std::string> labels;
  const io::Json* const value = fields.find(key);
  if (!value || value->is_null()) return labels;
  if (!value->is_structured()) fields.fail(key, "is no list of names");
  if (value->is_array()) {
    for (const io::Json& name : *value) {
      const std::optional<std::string> label = label_from(name);
      if (!label) fields.fail(key, "has no text for class ", labels.size());
      labels.push_back(*label);
    }
    return labels;
  }
  std::vector<std::optional<std::string>> by_number(value->size());
  for (const auto& [number, name] : value->items()) {
    const auto i = to_number<std::size_t>(number);
    if (i && *i < by_number.size()) by_number[*i] = label_from(name);
  }
  for (const auto& label : by_number) {
    if (!label) fields.fail(key, "has ", value->size(), " names, but none for class ", labels.size());
    labels.push_back(*label);
  }
  return labels;
}

/// A config.json of timm or of this library, its keys checked. Refers to the JSON, which must outlive it.
class TimmConfig {
 public:
  /// Throws FileError for keys that are not known, and as TimmModel.
  TimmConfig(const io::Json& json, const std::string& name, const std::string& architecture = {})
      : name_(name),
        top_(json, name),
        flat_(!top_.has("pretrained_cfg") && !top_.has("model_args") && !top_.has("minivit")),
        cfg_(top_.has("pretrained_cfg") ? top_.object("pretrained_cfg") : io::JsonFields(json, name)),
        own_(top_.has("minivit") ? top_.object("minivit") : io::JsonFields(nothing_, name)),
        model_(architecture.empty() ? architecture_of_file() : architecture,
               top_.has("model_args") ? *top_.find("model_args") : nothing_, name) {
    if (flat_) {
      refuse_unknown_keys(json, name + ": ",
                          {kTimmTop, kTimmPreprocessing, kTimmPretrained, kTimmWithoutEffect});
    } else {
      refuse_unknown_keys(json, name + ": ", {kTimmTop});
      if (has_cfg())
        refuse_unknown_keys(*top_.find("pretrained_cfg"), name + ": pretrained_cfg.",
                            {kTimmPreprocessing, kTimmPretrained, kTimmWithoutEffect});
    }
    if (own()) refuse_unknown_keys(*top_.find("minivit"), name + ": minivit.", {kOwnKeys});
    if (has_cfg() && cfg_.get<std::int64_t>("label_offset", 0) != 0)
      cfg_.fail("label_offset", "is ", cfg_.get<std::int64_t>("label_offset"), ", which is not supported");
  }

  TimmConfig(const TimmConfig&) = delete;
  TimmConfig& operator=(const TimmConfig&) = delete;

  const TimmModel& model() const { return model_; }

  /// Whether this library wrote it.
  bool own() const { return top_.has("minivit"); }

  /// Whether it says anything about the preprocessing.
  bool says_preprocessing() const {
    return has_cfg() && std::ranges::any_of(kTimmPreprocessing, [&](auto key) { return cfg_.has(key); });
  }

  /// The size of images, (channels, height, width), that the preprocessing gives; nothing if it is not said.
  /// model_args count where the model takes that size alone, as in timm.
  std::optional<std::array<std::int64_t, 3>> input_size() const {
    if (!has_cfg() || !cfg_.has("input_size")) return {};
    auto size = cfg_.get<std::vector<std::int64_t>>("input_size");
    if (size.size() != 3) cfg_.fail("input_size", "has ", size.size(), " numbers, expected 3");
    const io::JsonFields args = model_.arguments();
    if (model_.says("in_chans")) size[0] = args.get<std::int64_t>("in_chans");
    if (model_.says("img_size") && fixed_size()) {
      const auto model = size_of(args, "img_size", {});
      size[1] = model[0], size[2] = model[1];
    }
    for (const std::int64_t n : size)
      if (n < 1 || n > 16384) cfg_.fail("input_size", "has ", n, ", expected 1 to 16384");
    return {{size[0], size[1], size[2]}};
  }

  /// Whether it says what the size of images is for which the model was made.
  bool says_image_size() const {
    return model_.arguments().has("img_size") || (has_cfg() && fixed_size() && cfg_.has("input_size"));
  }

  /// Number of classes; nothing if it is not said. Throws FileError if model_args say another than the rest,
  /// for which timm makes a new head.
  std::optional<std::int64_t> num_classes() const {
    std::optional<std::int64_t> of_file;
    for (const io::JsonFields& fields : {cfg_, top_})
      if (fields.has("num_classes")) of_file = fields.get<std::int64_t>("num_classes");
    if (!model_.says("num_classes")) return of_file;
    const auto of_model = model_.arguments().get<std::int64_t>("num_classes");
    if (of_file && *of_file != of_model)
      top_.fail("num_classes", "is ", *of_file, ", in model_args it is ", of_model);
    return of_model;
  }

  /// Names of the classes; empty if there are none.
  std::vector<std::string> labels() const {
    for (const char* const key : {"label_names", "labels"})
      if (top_.has(key)) return labels_from(top_, key);
    return has_cfg() ? labels_from(cfg_, "label_names") : std::vector<std::string>();
  }

  /// The settings as timm makes the model. Sizes that nothing says are those of timm's class.
  ViTConfig settings() const {
    ViTConfig v = model_.settings();
    if (const auto size = input_size()) {
      if (!model_.arguments().has("in_chans")) v.channels = (*size)[0];
      if (!model_.arguments().has("img_size") && says_image_size())
        v.image_height = (*size)[1], v.image_width = (*size)[2];
    }
    v.num_classes = num_classes().value_or(v.num_classes);
    // What timm has no word for.
    v.norm_eps = own_.get("norm_eps", v.norm_eps);
    v.positions = enum_from(own_, "positions", v.positions);
    v.distillation = enum_from(own_, "distillation", v.distillation);
    v.stem = enum_from(own_, "stem", v.stem);
    v.attention = enum_from(own_, "attention", v.attention);
    if (own_.get("class_and_mean", false)) v.pooling = Pooling::token_and_mean;
    if (own_.get("sequence_pooling", false)) v.pooling = Pooling::sequence;
    if (own_.has("swiglu")) v.activation = own_.get<bool>("swiglu") ? Activation::swiglu : Activation::gelu;
    const std::string_view pool = v.pooling == Pooling::mean ? "avg" : "token";
    if (top_.has("global_pool") && top_.get<std::string>("global_pool") != pool)
      top_.fail("global_pool", "is ", io::detail::in_quotes(top_.get<std::string>("global_pool")),
                ", but architecture and model_args make it ", io::detail::in_quotes(pool));
    return v;
  }

  /// The preprocessing for images of the size of `v`, which is in range.
  Preprocess preprocess(const ViTConfig& v) const {
    Preprocess p = preprocess_from_timm(has_cfg() ? cfg_ : io::JsonFields(nothing_, name_), v);
    p.crop_rounding = enum_from(own_, "crop_rounding", p.crop_rounding);
    return p;
  }

  bool multi_label() const { return own_.get("multi_label", false); }

  /// Throws FileError about a member at the top.
  template <class... Parts>
  [[noreturn]] void fail(std::string_view key, const Parts&... parts) const {
    top_.fail(key, parts...);
  }

 private:
  bool has_cfg() const { return flat_ || top_.has("pretrained_cfg"); }

  /// Whether the model takes images of one size.
  bool fixed_size() const {
    const io::JsonFields args = model_.arguments();
    return cfg_.get("fixed_input_size", false) && !args.get("dynamic_img_size", false) &&
           args.get("strict_img_size", true);
  }

  std::string architecture_of_file() const {
    if (own()) return top_.get<std::string>("architecture", "");
    return top_.get<std::string>("architecture");
  }

  std::string name_;
  const io::Json nothing_ = io::Json::object();
  io::JsonFields top_;
  bool flat_;
  io::JsonFields cfg_, own_;  // cfg_: only if has_cfg()
  TimmModel model_;
};

}  // namespace detail

namespace detail {

/// Everything that config.json says, images being of the model's size. Throws FileError, ConfigError.
inline ModelConfig model_config(const TimmConfig& config) {
  ModelConfig c{config.settings(), config.labels(), {}, config.multi_label()};
  c.vit.validate();
  c.preprocess = config.preprocess(c.vit);
  const auto classes = static_cast<std::size_t>(c.vit.num_classes);
  if (!c.labels.empty() && c.labels.size() != classes)
    config.fail("label_names", "has ", c.labels.size(), " names for ", classes, " classes");
  for (std::size_t i = c.labels.size(); i < classes; ++i) c.labels.push_back(str_cat(i));
  return c;
}

}  // namespace detail

/// The settings in the config.json `json` of timm or of this library, whose file is called `name` in
/// messages. What timm's architecture, or its VisionTransformer, has a default for may be missing. Throws
/// FileError for what cannot be read, ConfigError for what makes no model.
inline ModelConfig model_config_from_json(const io::Json& json, const std::string& name) {
  const io::JsonFields fields(json, name);
  check<FileError>(
      fields.find("model_args") != nullptr, name,
      ": has no \"model_args\"; expected the configuration of a ViT as "
      "timm writes it",
      fields.find("model_type") ? ". This one is of transformers: load_pretrained reads it" : "");
  const detail::TimmConfig config(json, name);
  ModelConfig c = detail::model_config(config);
  if (const auto size = config.input_size())
    check<FileError>((*size)[1] == c.vit.image_height && (*size)[2] == c.vit.image_width, name,
                     ": pretrained_cfg.input_size is ", (*size)[1], "x", (*size)[2], ", the model takes ",
                     c.vit.image_height, "x", c.vit.image_width,
                     "; load_pretrained interpolates its positions");
  return c;
}

}  // namespace minivit::inline MINIVIT_ABI
