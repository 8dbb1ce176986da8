// A Vision Transformer packed for prediction.
#pragma once

#include <memory>

#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The same function as a VisionTransformer in evaluation mode, made from it once and faster: weights are
/// packed as the matrix products read them, with layer norms and LayerScales multiplied into them and
/// adapters (LoRA) added. Immutable: it stays as it is when the model is trained further, and many threads
/// can use it at once. Copies share the weights.
class PackedViT {
 public:
  /// Takes about as much memory as the model, which may be given up afterwards.
  explicit PackedViT(const VisionTransformer& net);

  const ViTConfig& config() const noexcept;

  /// Images (B, channels, height, width) -> logits (B, num_classes), or features if there is no head. Throws
  /// ShapeError unless the images are of the configured size.
  [[nodiscard]] Tensor operator()(const Tensor& images) const;

  /// What the head sees: (B, feature_dim). Throws as the operator.
  [[nodiscard]] Tensor features(const Tensor& images) const;

  /// Attention probabilities of block `layer` (negative: from the end): (B, H, T, T), row i saying how much
  /// token i looks at each token; token 0 is the class token if there is one. Throws ConfigError if there is
  /// no such layer.
  [[nodiscard]] Tensor attention_maps(const Tensor& images, int layer = -1) const;

 private:
  struct Weights;
  std::shared_ptr<const Weights> weights_;
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/model/packed_linear.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// An encoder block whose norms and LayerScales are part of its linear layers: x (B, T, C) -> (B, T, C).
struct PackedBlock {
  float eps1, eps2;
  std::int64_t heads;
  Diagonal diagonal;
  Activation activation;
  PackedLinear qkv, proj, fc1, fc2;
  MultiHeadAttention norms;  // of queries and keys alone, and the factors behind them

  explicit PackedBlock(const EncoderBlock& b)
      : eps1(b.norm1.eps),
        eps2(b.norm2.eps),
        heads(b.attn.heads),
        diagonal(b.attn.diagonal()),
        activation(b.mlp.activation),
        qkv(b.attn.qkv.weight_in_use().value(), b.attn.qkv.bias.value, b.norm1.weight.value,
            b.norm1.bias.value, query_factors(b.attn)),
        proj(b.attn.proj.weight_in_use().value(), b.attn.proj.bias.value, {}, {}, b.ls1.gamma.value),
        fc1(b.mlp.fc1.weight_in_use().value(), b.mlp.fc1.bias.value, b.norm2.weight.value,
            b.norm2.bias.value),
        fc2(b.mlp.fc2.weight_in_use().value(), b.mlp.fc2.bias.value, {}, {}, b.ls2.gamma.value) {
    norms.heads = heads;
    norms.q_norm = b.attn.q_norm, norms.k_norm = b.attn.k_norm;
    if (norms.q_norm.weight.defined()) norms.scale = b.attn.scale;
  }

  /// Factors of the rows of q, k, v (3C), as a LayerScale behind them: those that queries have, if no norm
  /// stands in between; or empty.
  static Tensor query_factors(const MultiHeadAttention& attn) {
    if (!attn.scale.defined() || attn.q_norm.weight.defined()) return {};
    const std::int64_t C = attn.proj.weight.value.size(0), D = C / attn.heads;
    const Tensor factors = attn.factors(C).value();
    Tensor rows = Tensor::full({3 * C}, 1.0f);
    for (std::int64_t c = 0; c < C; ++c) rows.data()[c] = factors.data()[c / D];
    return rows;
  }

  /// q, k, v of the heads, as `attention` takes them: (B, T, 3C).
  Tensor project(const Tensor& x) const { return norms.prepared(qkv.after_norm(x, eps1)).value(); }

  Tensor operator()(const Tensor& x) const {
    const Tensor y = proj(attention(project(x), heads, 0.0f, diagonal).value(), x);
    const Tensor u = fc1.after_norm(y, eps2);
    return activation == Activation::swiglu ? fc2(swiglu(u).value(), y) : fc2.after_gelu(u, y);
  }
};

}  // namespace detail

struct PackedViT::Weights {
  VisionTransformer ends;  // all but patches and blocks; convolutions are fast as they are
  detail::PackedLinear patches;
  std::vector<detail::PackedBlock> blocks;

  explicit Weights(const VisionTransformer& net)
      : patches(packed_patches(net)), blocks(net.encoder.blocks.begin(), net.encoder.blocks.end()) {
    ends.config = net.config;
    ends.cls_token = net.cls_token;
    ends.dist_token = net.dist_token;
    ends.reg_token = net.reg_token;
    ends.pos_embed = net.pos_embed;
    ends.stem = net.stem;
    ends.norm_pre = net.norm_pre;
    ends.norm = net.norm;
    ends.attention_pool = net.attention_pool;
    ends.head = net.head;
    ends.head_dist = net.head_dist;
  }

  static detail::PackedLinear packed_patches(const VisionTransformer& net) {
    if (net.config.stem == Stem::conv) return {};
    if (net.config.stem == Stem::patch)
      return detail::PackedLinear(net.patch_embed.weight.value, net.patch_embed.bias.value);
    const ShiftedPatchEmbedding& shifted = net.shifted_stem;
    return detail::PackedLinear(shifted.proj.weight.value, shifted.proj.bias.value, shifted.norm.weight.value,
                                shifted.norm.bias.value);
  }

  /// The images' patches as tokens: (B, N, C).
  Var to_patches(const Tensor& images) const {
    const ViTConfig& c = ends.config;
    if (c.stem == Stem::conv) return ends.stem(images);
    if (c.stem == Stem::patch) return patches.of_patches(images, c.patch_size);
    return patches.after_norm(shifted_patches(images, c.patch_size).value(), c.norm_eps);
  }

  /// The tokens after the first `count` blocks.
  Tensor tokens(const Tensor& images, std::size_t count) const {
    ends.check_images(images.shape());
    Tensor x = ends.prepared(ends.add_tokens(to_patches(images), ends.pos_embed)).value();
    for (std::size_t i = 0; i < count; ++i) x = blocks[i](x);
    return x;
  }
};

namespace detail {

/// While it lives, the thread predicts: nothing is recorded or dropped.
struct Predicting {
  NoGrad values_only;
  Training off{false};
};

}  // namespace detail

MINIVIT_INLINE PackedViT::PackedViT(const VisionTransformer& net) {
  const detail::Predicting predicting;
  weights_ = std::make_shared<const Weights>(net);
}

MINIVIT_INLINE const ViTConfig& PackedViT::config() const noexcept { return weights_->ends.config; }

MINIVIT_INLINE Tensor PackedViT::operator()(const Tensor& images) const {
  const detail::Predicting predicting;
  return weights_->ends.classify(weights_->tokens(images, weights_->blocks.size())).value();
}

MINIVIT_INLINE Tensor PackedViT::features(const Tensor& images) const {
  const detail::Predicting predicting;
  return weights_->ends.to_features(weights_->tokens(images, weights_->blocks.size())).value();
}

MINIVIT_INLINE Tensor PackedViT::attention_maps(const Tensor& images, int layer) const {
  const std::size_t chosen = layer_index(layer, weights_->blocks.size());
  const detail::Predicting predicting;
  const detail::PackedBlock& block = weights_->blocks[chosen];
  return attention_map(block.project(weights_->tokens(images, chosen)), block.heads, block.diagonal);
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
