// A model as transformers has it: ViT, DeiT or DINOv2, whichever can say what the model computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/io/json.hpp"
#include "minivit/io/model_config_json.hpp"
#include "minivit/io/model_folder.hpp"
#include "minivit/io/tensor_names.hpp"
#include "minivit/io/transformers_config.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// A model class of transformers that computes what a model does.
struct TransformersClass {
  std::string type, name, prefix;  // "vit", "ViTForImageClassification", "vit."
  NameSet names = kVit4;
  bool dino = false;
};

/// Throws ConfigError if there is none.
inline TransformersClass transformers_class(const ViTConfig& c, Naming naming) {
  const auto refuse = [](const char* what) {
    throw ConfigError(str_cat("transformers has no model with ", what, "; export it for timm or as ONNX"));
  };
  if (!c.class_token || c.pooling == Pooling::mean) refuse("a head on the mean of the patches alone");
  if (c.qk_norm) refuse("norms of queries and keys");
  if (c.norm_pre) refuse("a norm before the first block");
  const bool newest = naming == Naming::transformers5, headless = c.num_classes == 0;
  TransformersClass t;
  if (c.distillation != Distillation::none) {
    if (c.layer_scale != 0 || c.activation != Activation::gelu)
      refuse("a distillation token and LayerScale or SwiGLU");
    t.type = "deit";
    t.name = headless                               ? "DeiTModel"
             : c.distillation == Distillation::head ? "DeiTForImageClassificationWithTeacher"
                                                    : "DeiTForImageClassification";
    t.names = newest ? kVit5 : kVit4;
  } else if (c.layer_scale == 0 && c.register_tokens == 0 && c.activation == Activation::gelu &&
             c.pooling == Pooling::token) {
    t.type = "vit";
    t.name = headless ? "ViTModel" : "ViTForImageClassification";
    t.names = newest ? kVit5 : kVit4;
  } else {
    t.dino = true;
    if (c.image_height != c.image_width)
      refuse("LayerScale, registers or SwiGLU for images that are not square");
    t.type = c.register_tokens > 0 ? "dinov2_with_registers" : "dinov2";
    t.name = str_cat(c.register_tokens > 0 ? "Dinov2WithRegisters" : "Dinov2",
                     headless ? "Model" : "ForImageClassification");
    const bool gated = c.activation == Activation::swiglu;
    t.names = newest ? (gated ? kGate5 : kDino5) : (gated ? kGate4 : kDino4);
  }
  if (!headless) t.prefix = t.type + ".";
  return t;
}

/// The MLP's width as DINOv2's mlp_ratio, an integer if there is one. Throws ConfigError if no ratio gives
/// it.
inline io::Json dino_mlp_ratio(const ViTConfig& c) {
  const std::int64_t C = c.embedding_dim;
  const auto width = [&](double ratio) {  // of fc1
    return dino_hidden_dim(static_cast<std::int64_t>(static_cast<double>(C) * ratio), c.activation);
  };
  for (std::int64_t ratio = 1; ratio <= 64; ++ratio)
    if (width(static_cast<double>(ratio)) == c.hidden_dim()) return io::Json(ratio);
  const double part = c.activation == Activation::gelu ? 1.0 : 0.75;
  for (std::int64_t hidden = 0; hidden < 16; ++hidden) {
    const double ratio =
        (static_cast<double>(c.hidden_dim()) * part + static_cast<double>(hidden)) / static_cast<double>(C);
    if (width(ratio) == c.hidden_dim()) return io::Json(ratio);
  }
  throw ConfigError(str_cat("transformers has no SwiGLU of width ", c.hidden_dim() / 2,
                            ", it is rounded up to a multiple of 8; export it for timm or as ONNX"));
}

/// config.json of the class.
inline io::Json transformers_config(const ViTConfig& c, const std::vector<std::string>& labels,
                                    const TransformersClass& t, bool multi_label) {
  io::Json id2label = io::Json::object(), label2id = io::Json::object();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    id2label[str_cat(i)] = labels[i];
    label2id[labels[i]] = i;
  }
  io::Json json = io::Json::object({
      {"architectures", io::Json::array({t.name})},
      {"model_type", t.type},
      {"hidden_size", c.embedding_dim},
      {"num_hidden_layers", c.num_layers},
      {"num_attention_heads", c.num_heads},
      {"hidden_act", "gelu"},
      {"layer_norm_eps", c.norm_eps},
      {"image_size", c.image_height == c.image_width ? io::Json(c.image_height)
                                                     : io::Json::array({c.image_height, c.image_width})},
      {"patch_size", c.patch_size},
      {"num_channels", c.channels},
      {"qkv_bias", c.qkv_bias},
      {"id2label", std::move(id2label)},
      {"label2id", std::move(label2id)},
  });
  if (multi_label) json["problem_type"] = "multi_label_classification";
  if (t.dino) {
    json["mlp_ratio"] = dino_mlp_ratio(c);
    json["use_swiglu_ffn"] = c.activation == Activation::swiglu;
    if (c.register_tokens > 0) json["num_register_tokens"] = c.register_tokens;
  } else {
    json["intermediate_size"] = c.hidden_dim();
  }
  return json;
}

/// The rows [begin, begin + count) of a (rows, C) part of `from`, at `to` of `into`.
inline void copy_rows(const Tensor& from, std::int64_t begin, std::int64_t count, std::int64_t C,
                      Tensor& into, std::int64_t to) {
  std::copy_n(from.data() + begin * C, count * C, into.data() + to * C);
}

/// The tensors of the model as the class wants them, under this library's names.
inline std::vector<NamedTensor> tensors_for_transformers(const VisionTransformer& net,
                                                         const TransformersClass& t) {
  const ViTConfig& c = net.config;
  const std::int64_t C = c.embedding_dim, N = c.patches(), P = c.prefix_tokens(), R = c.register_tokens;
  std::vector<NamedTensor> out;
  for_each_parameter(net, [&](const std::string& name, const Parameter& p) {
    Tensor value = p.value;
    if (name == "pos_embed") {
      // There the tokens in front have positions, but for the registers, which have them added.
      value = Tensor::zeros({1, P - R + N, C});
      if (c.prefix_positions) copy_rows(p.value, 0, P - R, C, value, 0);
      copy_rows(p.value, c.prefix_positions ? P : 0, N, C, value, P - R);
    } else if (name == "reg_token" && c.prefix_positions) {
      value = p.value.clone();
      for (std::int64_t i = 0; i < R * C; ++i) value.data()[i] += net.pos_embed.value.data()[(P - R) * C + i];
    } else if (name == "head.weight" && t.dino && c.pooling == Pooling::token) {
      value = Tensor::zeros({c.num_classes, 2 * C});  // there the head sees the mean of the patches, too
      for (std::int64_t k = 0; k < c.num_classes; ++k)
        std::copy_n(p.value.data() + k * C, C, value.data() + k * 2 * C);
    }
    out.push_back({name, value});
  });
  if (t.dino && c.layer_scale == 0)
    for (std::int64_t i = 0; i < c.num_layers; ++i)
      for (const char* const scale : {".ls1.gamma", ".ls2.gamma"})
        out.push_back({str_cat("blocks.", i, scale), Tensor::full({C}, 1.0f)});
  return out;
}

/// Calls f(their name, tensor) for the parts of a tensor of ours.
template <class F>
void for_each_part(const std::string& name, const Tensor& value, const TransformersClass& t, bool two_heads,
                   const F& f) {
  const std::string_view kind = kind_of(name);
  std::string_view layer = std::string_view(name).substr(0, name.size() - kind.size());
  std::string before = t.prefix;
  std::span<const OtherName> table = kModelNames;
  if (layer.starts_with("blocks.")) {
    const std::size_t dot = layer.find('.', 7);
    before += str_cat(t.names == kVit5 ? "layers." : "encoder.layer.", layer.substr(7, dot - 7), ".");
    layer.remove_prefix(dot + 1);
    table = kBlockNames;
  } else if (layer.starts_with("head")) {
    before.clear();
    table = kHeadNames;
  }
  for (const OtherName& entry : table) {
    if (entry.ours != layer || !(entry.writers & t.names)) continue;
    const std::int64_t rows = entry.parts > 1 ? value.size(0) / entry.parts : 0;
    const std::string_view theirs =
        two_heads && entry.theirs == "classifier" ? "cls_classifier" : entry.theirs;
    f(str_cat(before, theirs, kind),
      entry.parts > 1 ? value.rows(entry.part * rows, (entry.part + 1) * rows) : value);
  }
}

}  // namespace detail

/// Writes model.safetensors, config.json and preprocessor_config.json into `folder` as transformers has them:
/// of ViTForImageClassification, DeiTForImageClassification(WithTeacher) or Dinov2(WithRegisters)
/// ForImageClassification, or of their models without a head; whichever computes what `net` does. `naming`:
/// which of its names. multi_label: the classes do not exclude each other. Throws ConfigError if there is no
/// such class, FileError for files.
inline void write_transformers_files(const std::filesystem::path& folder, const VisionTransformer& net,
                                     const std::vector<std::string>& labels, const Preprocess& preprocess,
                                     Naming naming = Naming::transformers, bool multi_label = false) {
  detail::check_merged(net);
  const ViTConfig& c = net.config;
  check<ConfigError>(preprocess.fit == Preprocess::Fit::squash || preprocess.height == preprocess.width,
                     "transformers crops squares only, the model sees ", preprocess.width, "x",
                     preprocess.height, "; export it for timm or as ONNX");
  const detail::TransformersClass t = detail::transformers_class(c, naming);
  const io::Json config = detail::transformers_config(c, labels, t, multi_label);
  io::SafetensorsWriter writer;
  writer.set_metadata("format", "pt");
  for (const auto& [name, tensor] : detail::tensors_for_transformers(net, t))
    detail::for_each_part(
        name, tensor, t, c.distillation == Distillation::head,
        [&](std::string theirs, const Tensor& part) { writer.add(std::move(theirs), part); });
  if (t.dino)  // of its training, not used
    writer.add(t.prefix + "embeddings.mask_token", Tensor::zeros({1, c.embedding_dim}));
  writer.save(folder / "model.safetensors");
  io::write_json_file(folder / "config.json", config);
  io::write_json_file(folder / "preprocessor_config.json", preprocessor_to_json(preprocess));
}

}  // namespace minivit::inline MINIVIT_ABI
