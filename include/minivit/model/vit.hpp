// The Vision Transformer, assembled from its bricks (A. Dosovitskiy et al., "An Image is Worth 16x16 Words",
// arXiv:2010.11929). Weights are named as timm names them.
#pragma once

#include <utility>

#include "minivit/model/positions.hpp"
#include "minivit/model/vit_config.hpp"
#include "minivit/nn/conv_stem.hpp"
#include "minivit/nn/encoder.hpp"
#include "minivit/nn/patch_embedding.hpp"
#include "minivit/nn/sequence_pooling.hpp"
#include "minivit/nn/shifted_patch.hpp"
#include "minivit/ops/tokens.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Images (B, channels, height, width) -> logits (B, num_classes).
struct VisionTransformer {
  ViTConfig config;
  PatchEmbedding patch_embed;          // or empty:
  ConvStem stem;                       // one
  ShiftedPatchEmbedding shifted_stem;  // of the three
  Parameter cls_token;                 // (1, 1, C), or empty
  Parameter dist_token;                // (1, 1, C), or empty
  Parameter reg_token;                 // (1, R, C), or empty
  Parameter pos_embed;                 // (1, T, C), or (1, N, C) without positions of the prefix
  Dropout pos_drop;
  LayerNorm norm_pre;  // before the first block, or empty
  Encoder encoder;
  LayerNorm norm;
  SequencePooling attention_pool;  // or empty
  Dropout head_drop;
  Linear head;       // (num_classes, feature_dim), or empty
  Linear head_dist;  // (num_classes, C), or empty

  VisionTransformer() = default;

  /// A model with fresh weights, as timm initializes them: matrices and positions truncated normal with
  /// deviation 0.02, biases 0. Repeated by `manual_seed`. Throws ConfigError as `ViTConfig::validate`.
  explicit VisionTransformer(const ViTConfig& c);

  /// Logits, or features if there is no head. Throws ShapeError unless the images are of the configured size.
  Var operator()(const Var& images) const { return classify(encoder(embed(images))); }

  /// Logits of the class token's head and of the distillation token's, which the model itself averages; for
  /// training with a teacher. Only for a model with both heads.
  std::pair<Var, Var> both_logits(const Var& images) const { return classify_both(encoder(embed(images))); }

  /// What the head sees: (B, feature_dim). Throws as the model itself.
  Var features(const Var& images) const { return to_features(encoder(embed(images))); }

  /// Tokens of the images, with class token, registers and positions: (B, T, C).
  Var embed(const Var& images) const {
    check_images(images.shape());
    return prepared(pos_drop(add_tokens(to_patches(images), pos_embed)));
  }

  /// The images' patches as tokens: (B, N, C).
  Var to_patches(const Var& images) const {
    if (config.stem == Stem::conv) return stem(images);
    if (config.stem == Stem::shifted) return shifted_stem(images);
    return patch_embed(images);
  }

  /// Tokens with the norm before the first block, if there is one.
  Var prepared(const Var& x) const { return norm_pre.weight.defined() ? norm_pre(x) : x; }

  /// Throws ShapeError unless images have this shape: (B, channels, height, width) as configured.
  void check_images(const Shape& images) const;

  /// Patches (B, N, C) with class token and registers before them, and positions: (B, T, C).
  Var add_tokens(const Var& patches, const Var& positions) const {
    return assemble_tokens(patches, cls_token, dist_token.defined() ? dist_token : reg_token, positions);
  }

  /// What the encoder gives (B, T, C) -> logits (B, num_classes), or features if there is no head.
  Var classify(const Var& x) const;

  /// The same by each of two heads.
  std::pair<Var, Var> classify_both(const Var& x) const {
    return {head(head_drop(to_features(x))), head_dist(head_drop(norm(pool_tokens(x, 1))))};
  }

  /// What the encoder gives (B, T, C) -> what the head sees (B, feature_dim). One vector is normalized after
  /// pooling, which is less work; where two are needed, every token is normalized before.
  Var to_features(const Var& x) const { return config.norm_before_pooling() ? pool(norm(x)) : norm(pool(x)); }

  /// What stands for the image, as `config.pooling` says: (B, T, C) -> (B, feature_dim), of any number of
  /// patches.
  Var pool(const Var& x) const {
    if (config.pooling == Pooling::token) return pool_tokens(x, 0);
    const std::int64_t T = x.size(1), P = config.prefix_tokens();
    if (config.pooling == Pooling::sequence) return attention_pool(slice_axis(x, 1, P, T));
    return pool_tokens(x, P, T - P, config.pooling == Pooling::token_and_mean);
  }

  /// Attention probabilities of block `layer` (negative: from the end): (B, H, T, T), row i saying how much
  /// token i looks at each token; token 0 is the class token if there is one. Throws ConfigError if there is
  /// no such layer.
  [[nodiscard]] Tensor attention_maps(const Var& images, int layer = -1) const;

  static void visit(auto& self, auto&& f) {
    f("cls_token", self.cls_token);
    f("dist_token", self.dist_token);
    f("reg_token", self.reg_token);
    f("pos_embed", self.pos_embed);
    f("patch_embed", self.patch_embed);
    f("stem", self.stem);
    f("shifted_stem", self.shifted_stem);
    f("norm_pre", self.norm_pre);
    Encoder::visit(self.encoder, f);
    f(self.config.pooling == Pooling::mean && self.config.fc_norm ? "fc_norm" : "norm", self.norm);
    f("attention_pool", self.attention_pool);
    f("head", self.head);
    f("head_dist", self.head_dist);
  }
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// n learned tokens (1, n, C), or an empty parameter.
inline Parameter learned_tokens(std::int64_t n, std::int64_t C) {
  return n > 0 ? Parameter(Tensor::zeros({1, n, C})) : Parameter();
}

inline Parameter position_embedding(const ViTConfig& c) {
  if (c.positions == Positions::learned)
    return Parameter(Tensor::empty({1, c.positioned_tokens(), c.embedding_dim}));
  return Parameter(sincos_positions(c.image_height / c.patch_size, c.image_width / c.patch_size,
                                    c.embedding_dim, c.prefix_positions ? c.prefix_tokens() : 0),
                   false, false);
}

inline void check_images(const char* who, const ViTConfig& c, const Shape& images) {
  check<ShapeError>(images.rank() == 4 && images[1] == c.channels && images[2] == c.image_height &&
                        images[3] == c.image_width,
                    who, ": images are ", images, ", expected (B, ", c.channels, ", ", c.image_height, ", ",
                    c.image_width, ")");
}

}  // namespace detail

MINIVIT_INLINE VisionTransformer::VisionTransformer(const ViTConfig& c)
    : config((c.validate(), c)),
      patch_embed(c.stem == Stem::patch
                      ? PatchEmbedding(c.channels, c.patch_size, c.embedding_dim, !c.norm_pre)
                      : PatchEmbedding()),
      stem(c.stem == Stem::conv ? ConvStem(c.channels, c.stem_widths()) : ConvStem()),
      shifted_stem(c.stem == Stem::shifted
                       ? ShiftedPatchEmbedding(c.channels, c.patch_size, c.embedding_dim, c.norm_eps)
                       : ShiftedPatchEmbedding()),
      cls_token(detail::learned_tokens(c.class_token ? 1 : 0, c.embedding_dim)),
      dist_token(detail::learned_tokens(c.distillation != Distillation::none ? 1 : 0, c.embedding_dim)),
      reg_token(detail::learned_tokens(c.register_tokens, c.embedding_dim)),
      pos_embed(detail::position_embedding(c)),
      pos_drop{c.input_dropout},
      norm_pre(c.norm_pre ? LayerNorm(c.embedding_dim, c.norm_eps) : LayerNorm()),
      encoder(c.num_layers, {.dim = c.embedding_dim,
                             .heads = c.num_heads,
                             .hidden = c.hidden_dim(),
                             .activation = c.activation,
                             .attention_dropout = c.attention_dropout,
                             .dropout = c.dropout,
                             .drop_path = c.drop_path,
                             .layer_scale = c.layer_scale,
                             .eps = c.norm_eps,
                             .qkv_bias = c.qkv_bias,
                             .qk_norm = c.qk_norm,
                             .locality = c.attention == Attention::locality}),
      norm(c.embedding_dim, c.norm_eps),
      attention_pool(c.pooling == Pooling::sequence ? SequencePooling(c.embedding_dim) : SequencePooling()),
      head_drop{c.head_dropout},
      head(c.num_classes > 0 ? Linear(c.feature_dim(), c.num_classes) : Linear()),
      head_dist(c.distillation == Distillation::head ? Linear(c.embedding_dim, c.num_classes) : Linear()) {
  const auto start = [](Linear& layer) {
    init_truncated_normal(layer.weight.value);
    if (layer.bias.defined()) init_zeros(layer.bias.value);
  };
  for (EncoderBlock& block : encoder.blocks)
    for (Linear* layer : {&block.attn.qkv, &block.attn.proj, &block.mlp.fc1, &block.mlp.fc2}) start(*layer);
  for (Linear* layer : {&head, &head_dist, &attention_pool.score})
    if (layer->weight.defined()) start(*layer);
  if (pos_embed.trainable) init_truncated_normal(pos_embed.value);
  for (Parameter* token : {&cls_token, &dist_token, &reg_token})
    if (token->defined()) init_truncated_normal(token->value);
}

MINIVIT_INLINE void VisionTransformer::check_images(const Shape& images) const {
  detail::check_images("VisionTransformer", config, images);
}

MINIVIT_INLINE Var VisionTransformer::classify(const Var& x) const {
  if (head_dist.weight.defined()) {
    const auto [own, other] = classify_both(x);
    return mean_of(own, other);
  }
  const Var y = to_features(x);
  return head.weight.defined() ? head(head_drop(y)) : y;
}

MINIVIT_INLINE Tensor VisionTransformer::attention_maps(const Var& images, int layer) const {
  const std::size_t chosen = layer_index(layer, encoder.blocks.size());
  const NoGrad values_only;
  Var x = embed(images);
  for (std::size_t i = 0; i < chosen; ++i) x = encoder.blocks[i](x);
  const EncoderBlock& block = encoder.blocks[chosen];
  return block.attn.map(block.norm1(x));
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
