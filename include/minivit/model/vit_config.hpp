// Configuration of a Vision Transformer.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/fields.hpp"
#include "minivit/nn/activation.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What the classifier sees: the class token, the mean over the patches, both behind each other (DINOv2's
/// classifier: M. Oquab et al., arXiv:2304.07193), or a weighted mean over the patches whose weights are
/// learned (sequence pooling: A. Hassani et al., arXiv:2104.05704).
enum class Pooling { token, mean, token_and_mean, sequence };
template <>
inline constexpr auto kEnumNames<Pooling> =
    std::to_array<EnumName<Pooling>>({{Pooling::token, "token"},
                                      {Pooling::mean, "mean"},
                                      {Pooling::token_and_mean, "token_and_mean"},
                                      {Pooling::sequence, "sequence"}});

/// How pixels become tokens: patches, each projected alone; convolutions of 3 × 3, each with ReLU and a max
/// pooling that halves the image (the tokenizer of compact transformers: A. Hassani et al.,
/// arXiv:2104.05704); or patches together with those of the image shifted by half a patch along the diagonals
/// (S. H. Lee et al., arXiv:2112.13492).
enum class Stem { patch, conv, shifted };
template <>
inline constexpr auto kEnumNames<Stem> =
    std::to_array<EnumName<Stem>>({{Stem::patch, "patch"}, {Stem::conv, "conv"}, {Stem::shifted, "shifted"}});

/// How tokens look at each other: as usual, or each at all others but not at itself, and as sharply as is
/// learned (locality self-attention: S. H. Lee et al., arXiv:2112.13492).
enum class Attention { plain, locality };
template <>
inline constexpr auto kEnumNames<Attention> =
    std::to_array<EnumName<Attention>>({{Attention::plain, "plain"}, {Attention::locality, "locality"}});

/// The distillation token of DeiT (H. Touvron et al., arXiv:2012.12877): none, a token only, or with a head
/// of its own, whose logits are averaged with the class token's.
enum class Distillation { none, token, head };
template <>
inline constexpr auto kEnumNames<Distillation> = std::to_array<EnumName<Distillation>>(
    {{Distillation::none, "none"}, {Distillation::token, "token"}, {Distillation::head, "head"}});

/// Position embeddings: learned, or fixed sines and cosines of the row and column.
enum class Positions { learned, sincos };
template <>
inline constexpr auto kEnumNames<Positions> =
    std::to_array<EnumName<Positions>>({{Positions::learned, "learned"}, {Positions::sincos, "sincos"}});

/// The settings of a VisionTransformer. Sizes are in pixels, rates in [0, 1).
struct ViTConfig {
  std::int64_t image_height = 224, image_width = 224;
  std::int64_t patch_size = 16;  ///< must divide both image sizes
  std::int64_t channels = 3;
  Stem stem = Stem::patch;           ///< conv, shifted: patch_size must be 2 or more, of conv a power of two
  std::int64_t num_classes = 1000;   ///< 0: no head, the result is the features
  std::int64_t embedding_dim = 768;  ///< C, divisible by num_heads (and by 4 for sin-cos positions)
  std::int64_t num_layers = 12;
  std::int64_t num_heads = 12;  ///< H
  double mlp_ratio = 4.0;       ///< width of the MLP (rows of fc1) as a multiple of embedding_dim
  Activation activation = Activation::gelu;  ///< of the MLP
  float input_dropout = 0.0f;                ///< after the position embeddings
  float attention_dropout = 0.0f;            ///< of the attention probabilities
  float dropout = 0.0f;                      ///< in the feed-forward part (MLP)
  float drop_path = 0.0f;                    ///< of the last block; rises from 0 in the first
  float head_dropout = 0.0f;                 ///< of what the head sees
  Pooling pooling = Pooling::token;
  bool class_token = true;  ///< must be true for Pooling::token
  Distillation distillation = Distillation::none;
  Positions positions = Positions::learned;
  bool prefix_positions = true;  ///< whether the tokens in front of the patches have positions, too (DeiT-III
                                 ///< has none: H. Touvron et al., arXiv:2204.07118)
  std::int64_t register_tokens =
      0;  ///< extra tokens without a meaning of their own (T. Darcet et al., arXiv:2309.16588)
  float layer_scale = 0.0f;  ///< initial factor of LayerScale; 0: none
  float norm_eps = 1e-6f;
  bool qkv_bias = true;
  bool qk_norm =
      false;  ///< a LayerNorm over each head's queries and keys (M. Dehghani et al., arXiv:2302.05442)
  Attention attention = Attention::plain;  ///< locality: there must be two tokens or more
  bool norm_pre = false;  ///< a LayerNorm before the first block, and no bias of the patch embedding (CLIP)
  bool fc_norm = true;    ///< with Pooling::mean the mean is normalized; false: every token, before the mean

  /// f(name, member, help, range) for every setting.
  static void fields(auto& self, auto&& f) {
    const Range rate{0, 1, false, true};
    f("image_height", self.image_height, "pixels", Range{1, 16384});
    f("image_width", self.image_width, "pixels", Range{1, 16384});
    f("patch_size", self.patch_size, "pixels; divides the image size", Range{1, 1024});
    f("channels", self.channels, "what the model sees: 3, or 1 for gray", Range{1, 1024});
    f("stem", self.stem,
      "how pixels become tokens: each patch alone, convolutions, or patches and shifted ones", Range{});
    f("num_classes", self.num_classes, "0: no head", Range{0, 1'000'000});
    f("embedding_dim", self.embedding_dim, "channels of a token", Range{1, 65536});
    f("num_layers", self.num_layers, "encoder blocks", Range{1, 1024});
    f("num_heads", self.num_heads, "attention heads; divides embedding_dim", Range{1, 1024});
    f("mlp_ratio", self.mlp_ratio, "width of the MLP as a multiple of embedding_dim", Range{0, 64, true});
    f("qkv_bias", self.qkv_bias, "whether queries, keys and values have one", Range{});
    f("qk_norm", self.qk_norm, "whether queries and keys are normalized, head by head", Range{});
    f("attention", self.attention, "locality: tokens look at others alone, with learned sharpness", Range{});
    f("activation", self.activation, "of the MLP", Range{});
    f("pooling", self.pooling, "class token, mean of the patches, both, or a learned weighted mean", Range{});
    f("class_token", self.class_token, "whether there is one", Range{});
    f("distillation", self.distillation, "distillation token: none, alone, or with a head", Range{});
    f("positions", self.positions, "position embeddings", Range{});
    f("register_tokens", self.register_tokens, "extra tokens", Range{0, 1024});
    f("prefix_positions", self.prefix_positions, "whether class token and registers have positions", Range{});
    f("norm_pre", self.norm_pre, "whether tokens are normalized before the first block", Range{});
    f("fc_norm", self.fc_norm, "whether the mean of the patches is normalized, not each of them", Range{});
    f("layer_scale", self.layer_scale, "initial LayerScale; 0: none", Range{0, 1e6});
    f("norm_eps", self.norm_eps, "added to variances", Range{0, 1, true, true});
    f("head_dropout", self.head_dropout, "before the head", rate);
    f("input_dropout", self.input_dropout, "after the position embeddings", rate);
    f("attention_dropout", self.attention_dropout, "of attention probabilities", rate);
    f("dropout", self.dropout, "in the feed-forward part", rate);
    f("drop_path", self.drop_path, "of residual branches, in the last block", rate);
  }

  friend bool operator==(const ViTConfig&, const ViTConfig&) = default;

  /// Whether tokens are normalized before they are pooled. A class token alone is the same either way, and
  /// less work after.
  bool norm_before_pooling() const {
    return pooling == Pooling::token_and_mean || pooling == Pooling::sequence ||
           (pooling == Pooling::mean && !fc_norm);
  }

  std::int64_t patches() const { return (image_height / patch_size) * (image_width / patch_size); }
  std::int64_t prefix_tokens() const {
    return (class_token ? 1 : 0) + (distillation != Distillation::none ? 1 : 0) + register_tokens;
  }

  /// T: patches, class token and registers.
  std::int64_t tokens() const { return prefix_tokens() + patches(); }

  /// Tokens that have positions.
  std::int64_t positioned_tokens() const { return prefix_positions ? tokens() : patches(); }

  /// What the head sees of each image.
  std::int64_t feature_dim() const {
    return pooling == Pooling::token_and_mean ? 2 * embedding_dim : embedding_dim;
  }

  /// Width of the MLP: rows of fc1, half of which are the gate if there is one.
  std::int64_t hidden_dim() const {
    return static_cast<std::int64_t>(static_cast<double>(embedding_dim) * mlp_ratio);
  }

  /// Channels behind each convolution of the stem: those of a token behind the last, before it half of them
  /// and so on, 16 to 64. (The paper has 64 everywhere, which for large images would be most of the work.)
  std::vector<std::int64_t> stem_widths() const {
    std::vector<std::int64_t> widths{embedding_dim};
    for (std::int64_t size = 2, width = embedding_dim / 2; size < patch_size; size *= 2, width /= 2)
      widths.insert(widths.begin(), std::clamp<std::int64_t>(width, 16, 64));
    return widths;
  }

  /// Number of weights of what makes tokens of pixels.
  std::int64_t stem_parameter_count() const {
    if (stem == Stem::patch)
      return channels * patch_size * patch_size * embedding_dim + (norm_pre ? 0 : embedding_dim);
    if (stem == Stem::shifted) {
      const std::int64_t inputs = 5 * channels * patch_size * patch_size;
      return 2 * inputs + inputs * embedding_dim + embedding_dim;
    }
    std::int64_t count = 0, in = channels;
    for (const std::int64_t out : stem_widths()) count += 9 * in * out, in = out;
    return count;
  }

  /// Number of weights of the model, fixed positions included.
  std::int64_t parameter_count() const {
    const std::int64_t C = embedding_dim, hidden = hidden_dim();
    const std::int64_t heads_look =
        (qk_norm ? 4 * (C / num_heads) : 0) + (attention == Attention::locality ? num_heads : 0);
    const std::int64_t attn = C * 3 * C + (qkv_bias ? 3 * C : 0) + heads_look + C * C + C;
    const std::int64_t inner = activation == Activation::swiglu ? hidden / 2 : hidden;
    const std::int64_t mlp = C * hidden + hidden + inner * C + C;
    const std::int64_t block = attn + mlp + 4 * C + (layer_scale != 0.0f ? 2 * C : 0);
    const std::int64_t embedding = stem_parameter_count() + (norm_pre ? 2 * C : 0) +
                                   (prefix_tokens() + positioned_tokens()) * C +
                                   (pooling == Pooling::sequence ? C + 1 : 0);
    const std::int64_t heads = distillation == Distillation::head ? 2 : 1;
    return embedding + num_layers * block + 2 * C + heads * (num_classes * feature_dim() + num_classes);
  }

  /// The least multiple of patch_size that is not below `size`.
  std::int64_t next_multiple(std::int64_t size) const {
    return (size + patch_size - 1) / patch_size * patch_size;
  }

  /// Throws ConfigError that names the first setting that is out of range or does not fit the others.
  void validate() const {
    check_ranges(*this);
    check<ConfigError>(image_height % patch_size == 0 && image_width % patch_size == 0, "image size ",
                       image_height, "x", image_width, " is not divisible by patch_size ", patch_size,
                       "; the next is ", next_multiple(image_height), "x", next_multiple(image_width));
    check<ConfigError>(embedding_dim % num_heads == 0, "embedding_dim ", embedding_dim,
                       " is not divisible by num_heads ", num_heads);
    check<ConfigError>(hidden_dim() >= 1, "mlp_ratio is ", mlp_ratio, ", expected above 0 and at most 64");
    check<ConfigError>(activation != Activation::swiglu || hidden_dim() % 2 == 0,
                       "swiglu needs an even MLP width, it is ", hidden_dim());
    check<ConfigError>(pooling == Pooling::mean || pooling == Pooling::sequence || class_token,
                       "pooling by class token needs class_token true");
    check<ConfigError>(stem != Stem::conv ||
                           (patch_size >= 2 && std::has_single_bit(static_cast<std::uint64_t>(patch_size))),
                       "stem conv halves the image a whole number of times: patch_size is ", patch_size,
                       ", expected 2, 4, 8, 16 or another power of two");
    check<ConfigError>(stem != Stem::shifted || patch_size >= 2,
                       "stem shifted moves the image by half a patch: patch_size is ", patch_size,
                       ", expected 2 or more");
    check<ConfigError>(stem == Stem::patch || !norm_pre, "stem ", enum_name(stem), " goes without norm_pre");
    check<ConfigError>(
        distillation == Distillation::none || (pooling == Pooling::token && register_tokens == 0),
        "a distillation token needs pooling by class token and no register tokens");
    check<ConfigError>(distillation != Distillation::head || num_classes > 0,
                       "a distillation head needs classes");
    check<ConfigError>(positions != Positions::sincos || embedding_dim % 4 == 0,
                       "sin-cos positions need an embedding_dim "
                       "divisible by 4, it is ",
                       embedding_dim);
    check<ConfigError>(positions != Positions::sincos || embedding_dim >= 8,
                       "sin-cos positions need an embedding_dim of at "
                       "least 8, it is ",
                       embedding_dim);
    check<ConfigError>(attention == Attention::plain || tokens() >= 2,
                       "attention locality keeps a token from itself, and the model has no other");
    check<ConfigError>(tokens() <= 65536, "the model has ", tokens(), " tokens, at most 65536 are supported");
  }

  /// The sizes of the ViT and DeiT papers, for 224 × 224 images and 16 × 16 patches.
  static ViTConfig tiny() { return sized(192, 12, 3); }
  static ViTConfig small() { return sized(384, 12, 6); }
  static ViTConfig base() { return sized(768, 12, 12); }
  static ViTConfig large() { return sized(1024, 24, 16); }

  /// A small one that trains from scratch on a few thousand photos: 256 channels, 6 layers, 8 heads.
  static ViTConfig mini() { return sized(256, 6, 8); }

 private:
  static ViTConfig sized(std::int64_t dim, std::int64_t layers, std::int64_t heads) {
    ViTConfig config;
    config.embedding_dim = dim;
    config.num_layers = layers;
    config.num_heads = heads;
    return config;
  }
};

}  // namespace minivit::inline MINIVIT_ABI
