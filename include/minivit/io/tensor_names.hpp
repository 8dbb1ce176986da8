// Names of the tensors of a Vision Transformer in timm and in transformers (both generations of its
// names), and in this library, which has timm's.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/io/pretrained_options.hpp"
#include "minivit/io/safetensors.hpp"
#include "minivit/tensor/shape.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Who writes a name.
enum NameSet : unsigned {
  kVit4 = 1,  // ViT and DeiT
  kVit5 = 2,
  kVit = kVit4 | kVit5,
  kDino4 = 4,  // DINOv2, its MLP with GELU
  kDino5 = 8,
  kGate4 = 16,  // DINOv2, its MLP with SwiGLU
  kGate5 = 32,
  kDino = kDino4 | kDino5 | kGate4 | kGate5,
  kOld = kVit4 | kDino4 | kGate4,
  kNew = kVit5 | kDino5 | kGate5,
  kAll = kOld | kNew,
};

/// A layer or tensor here, and there; there it may be cut into parts, the rows one behind the other.
struct OtherName {
  std::string_view ours, theirs;
  unsigned writers;
  int part = 0, parts = 1;
};

inline constexpr OtherName kModelNames[] = {
    {"cls_token", "embeddings.cls_token", kAll},
    {"dist_token", "embeddings.distillation_token", kAll},
    {"reg_token", "embeddings.register_tokens", kAll},
    {"pos_embed", "embeddings.position_embeddings", kAll},
    {"patch_embed.proj", "embeddings.patch_embeddings.projection", kAll},
    {"norm", "layernorm", kAll},
    {"fc_norm", "", 0},
    {"norm_pre", "", 0},
    // Of this library alone.
    {"shifted_stem.norm", "", 0},
    {"shifted_stem.proj", "", 0},
    {"attention_pool", "", 0},
};
inline constexpr std::string_view kStemConvolutions = "stem.convs.";  // followed by a number; ours alone, too
inline constexpr OtherName kHeadNames[] = {
    {"head", "classifier", kAll},
    {"head", "cls_classifier", 0},  // written where there are two
    {"head_dist", "distillation_classifier", kAll},
};
inline constexpr OtherName kBlockNames[] = {
    {"norm1", "layernorm_before", kVit},
    {"norm1", "norm1", kDino},
    {"attn.qkv", "attention.attention.query", kOld, 0, 3},
    {"attn.qkv", "attention.attention.key", kOld, 1, 3},
    {"attn.qkv", "attention.attention.value", kOld, 2, 3},
    {"attn.qkv", "attention.q_proj", kNew, 0, 3},
    {"attn.qkv", "attention.k_proj", kNew, 1, 3},
    {"attn.qkv", "attention.v_proj", kNew, 2, 3},
    {"attn.q_norm", "", 0},
    {"attn.k_norm", "", 0},
    {"attn.scale", "", 0},  // of this library alone
    {"attn.proj", "attention.output.dense", kOld},
    {"attn.proj", "attention.o_proj", kNew},
    {"ls1.gamma", "layer_scale1.lambda1", kDino},
    {"norm2", "layernorm_after", kVit},
    {"norm2", "norm2", kDino},
    {"mlp.fc1", "intermediate.dense", kVit4},
    {"mlp.fc1", "mlp.fc1", kVit5 | kDino4 | kDino5},
    {"mlp.fc1", "mlp.weights_in", kGate4},
    {"mlp.fc1", "mlp.gate_proj", kGate5, 0, 2},
    {"mlp.fc1", "mlp.up_proj", kGate5, 1, 2},
    {"mlp.fc2", "output.dense", kVit4},
    {"mlp.fc2", "mlp.fc2", kVit5 | kDino4 | kDino5},
    {"mlp.fc2", "mlp.weights_out", kGate4},
    {"mlp.fc2", "mlp.down_proj", kGate5},
    {"ls2.gamma", "layer_scale2.lambda1", kDino},
};

/// "weight" or "bias" at the end of a name, with the dot; empty for other tensors.
inline std::string_view kind_of(std::string_view name) {
  for (const std::string_view kind : {".weight", ".bias"})
    if (name.ends_with(kind)) return kind;
  return {};
}

}  // namespace detail

/// A tensor of this library's models, or some of its rows: part of `parts` equal ones.
struct TensorPlace {
  std::string name;
  int part = 0, parts = 1;
};

/// The name without what wrappers put in front of it: "vit.", "model.", "module.", …
inline std::string_view without_prefix(std::string_view name) {
  constexpr std::string_view kPrefixes[] = {
      "module.", "model.", "backbone.", "vit.", "deit.", "dinov2_with_registers.", "dinov2.", "_orig_mod."};
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view prefix : kPrefixes)
      if (name.starts_with(prefix)) name.remove_prefix(prefix.size()), found = true;
  }
  return name;
}

/// Where a tensor called `name` by timm, transformers or this library belongs; nothing if it is none of
/// theirs.
inline std::optional<TensorPlace> place_of(std::string_view name) {
  name = without_prefix(name);
  const auto look_up = [&](std::span<const detail::OtherName> names, std::string_view layer,
                           std::string_view kind, const std::string& block) -> std::optional<TensorPlace> {
    for (const detail::OtherName& entry : names) {
      if (!layer.empty() && layer == entry.theirs)
        return TensorPlace{str_cat(block, entry.ours, kind), entry.part, entry.parts};
      if (layer == entry.ours) return TensorPlace{str_cat(block, entry.ours, kind)};
    }
    return {};
  };
  for (const std::string_view blocks : {"blocks.", "encoder.layer.", "encoder.layers.", "layers."}) {
    if (!name.starts_with(blocks)) continue;
    const std::string_view rest = name.substr(blocks.size());
    int number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const auto digits = static_cast<std::size_t>(end - rest.data());
    if (error != std::errc() || number < 0 || digits >= rest.size() || rest[digits] != '.') return {};
    const std::string_view layer = rest.substr(digits + 1), kind = detail::kind_of(layer);
    return look_up(detail::kBlockNames, layer.substr(0, layer.size() - kind.size()), kind,
                   str_cat("blocks.", number, "."));
  }
  if (name.starts_with(detail::kStemConvolutions)) return TensorPlace{std::string(name)};
  const std::string_view kind = detail::kind_of(name), layer = name.substr(0, name.size() - kind.size());
  auto place = look_up(detail::kModelNames, layer, kind, "");
  return place ? place : look_up(detail::kHeadNames, layer, kind, "");
}

/// Tensors that published files hold besides the classifier: the pooler of ViTModel, the mask token of
/// DINOv2's training. They are not needed.
inline bool is_unused(std::string_view name) {
  name = without_prefix(name);
  return name.starts_with("pooler.dense.") || name == "embeddings.mask_token" || name == "mask_token";
}

/// A safetensors file seen under this library's names. Refers to the file.
class NamedTensors {
 public:
  /// Throws FileError if two tensors of the file have the same place.
  explicit NamedTensors(const io::SafetensorsFile& file) : file_(&file) {
    for (const io::SafetensorsInfo& info : file.tensors()) {
      const std::optional<TensorPlace> place = place_of(info.name);
      if (!place) {
        (is_unused(info.name) ? unused_ : unknown_).emplace_back(info.name);
        continue;
      }
      auto& parts = places_[place->name];
      if (parts.empty()) parts.resize(static_cast<std::size_t>(place->parts));
      const bool fits = parts.size() == static_cast<std::size_t>(place->parts) &&
                        !parts[static_cast<std::size_t>(place->part)];
      check<FileError>(fits, file.path().native(), ": ", place->name, " is there twice, once as ", info.name);
      parts[static_cast<std::size_t>(place->part)] = &info;
    }
  }

  const std::string& file_name() const { return file_->path().native(); }
  bool has(const std::string& name) const { return places_.contains(name); }

  /// What the file calls a tensor, or the first part of it.
  std::string stored_name(const std::string& name) const {
    const io::SafetensorsInfo* const first = places_.at(name).front();
    return std::string(first ? first->name : std::string_view(name));
  }

  /// Tensors of the file that have no place, and those that are not needed.
  const std::vector<std::string>& unknown() const { return unknown_; }
  const std::vector<std::string>& unused() const { return unused_; }

  /// The names here, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, parts] : places_) names.push_back(name);
    return names;
  }

  /// Number of elements of the file.
  std::int64_t numel() const {
    std::int64_t n = 0;
    for (const io::SafetensorsInfo& info : file_->tensors()) n += info.numel();
    return n;
  }

  /// The shape of a tensor, that of all its parts together. Nothing if there is none, a part is missing, the
  /// parts are not alike or the rank is over 6.
  std::optional<Shape> shape(const std::string& name) const {
    const auto found = places_.find(name);
    if (found == places_.end()) return {};
    const io::SafetensorsInfo* const first = found->second.front();
    for (const io::SafetensorsInfo* part : found->second)
      if (!part || !std::ranges::equal(first->shape(), part->shape())) return {};
    if (first->rank > Shape::kMaxRank) return {};
    try {
      const Shape shape(first->shape());
      const auto parts = static_cast<std::int64_t>(found->second.size());
      if (parts == 1) return shape;
      return shape.rank() > 0 ? std::optional(shape.with(0, parts * shape[0])) : std::nullopt;
    } catch (const ShapeError&) {  // 0 elements, but extents that no tensor here can have
      return {};
    }
  }

  /// Overwrites `into`, which has the tensor's shape. Throws FileError as SafetensorsFile::read_into.
  void read_into(const std::string& name, Tensor& into) const {
    const auto& parts = places_.at(name);
    if (parts.size() == 1) return file_->read_into(parts.front()->name, into);
    const Shape part = into.shape().with(0, into.size(0) / static_cast<std::int64_t>(parts.size()));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      Tensor rows = into.view(static_cast<std::int64_t>(i) * part.numel(), part);
      file_->read_into(parts[i]->name, rows);
    }
  }

  /// The naming of the file, as far as it shows.
  Naming naming() const {
    for (const io::SafetensorsInfo& info : file_->tensors()) {
      if (info.name.find("attention.q_proj") != std::string_view::npos) return Naming::transformers5;
      if (info.name.find("attention.attention.query") != std::string_view::npos) return Naming::transformers;
    }
    return Naming::timm;
  }

 private:
  const io::SafetensorsFile* file_;
  std::map<std::string, std::vector<const io::SafetensorsInfo*>> places_;
  std::vector<std::string> unknown_, unused_;
};

}  // namespace minivit::inline MINIVIT_ABI
