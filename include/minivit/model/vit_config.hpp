// What a Vision Transformer looks like.
#pragma once

#include <cstdint>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What the classifier sees: the class token, or the mean over the patches.
enum class Pooling { token, mean };

/// Position embeddings: learned, or fixed sines and cosines of the row and column.
enum class Positions { learned, sincos };

/// The settings of a VisionTransformer. Sizes are in pixels, rates in [0, 1).
struct ViTConfig {
  std::int64_t image_height = 224, image_width = 224;
  std::int64_t patch_size = 16;  ///< must divide both image sizes
  std::int64_t channels = 3;
  std::int64_t num_classes = 1000;   ///< 0: no head, the result is the features
  std::int64_t embedding_dim = 768;  ///< C, divisible by num_heads (and by 4 for sin-cos positions)
  std::int64_t num_layers = 12;
  std::int64_t num_heads = 12;     ///< H
  double mlp_ratio = 4.0;          ///< width of the MLP as a multiple of embedding_dim
  float input_dropout = 0.0f;      ///< after the position embeddings
  float attention_dropout = 0.0f;  ///< of the attention probabilities
  float dropout = 0.0f;            ///< in the feed-forward part (MLP)
  float drop_path = 0.0f;          ///< of the last block; rises from 0 in the first
  Pooling pooling = Pooling::token;
  bool class_token = true;  ///< must be true for Pooling::token
  Positions positions = Positions::learned;
  std::int64_t register_tokens =
      0;  ///< extra tokens without a meaning of their own (T. Darcet et al., arXiv:2309.16588)
  float layer_scale = 0.0f;  ///< initial factor of LayerScale; 0: none
  float norm_eps = 1e-6f;
  bool qkv_bias = true;

  std::int64_t patches() const { return (image_height / patch_size) * (image_width / patch_size); }
  std::int64_t prefix_tokens() const { return (class_token ? 1 : 0) + register_tokens; }

  /// T: patches, class token and registers.
  std::int64_t tokens() const { return prefix_tokens() + patches(); }

  /// Width of the MLP.
  std::int64_t hidden_dim() const {
    return static_cast<std::int64_t>(static_cast<double>(embedding_dim) * mlp_ratio);
  }

  /// Number of weights of the model, fixed positions included.
  std::int64_t parameter_count() const {
    const std::int64_t C = embedding_dim, hidden = hidden_dim();
    const std::int64_t attention = C * 3 * C + (qkv_bias ? 3 * C : 0) + C * C + C;
    const std::int64_t mlp = C * hidden + hidden + hidden * C + C;
    const std::int64_t block = attention + mlp + 4 * C + (layer_scale != 0.0f ? 2 * C : 0);
    const std::int64_t embedding =
        channels * patch_size * patch_size * C + C + (prefix_tokens() + tokens()) * C;
    return embedding + num_layers * block + 2 * C + num_classes * C + num_classes;
  }

  /// Throws ConfigError that names the first setting that is out of range or does not fit the others.
  void validate() const {
    const auto positive = [](const char* name, std::int64_t value, std::int64_t most) {
      check<ConfigError>(value >= 1 && value <= most, name, " is ", value, ", expected 1 to ", most);
    };
    positive("image height", image_height, 16384);
    positive("image width", image_width, 16384);
    positive("patch_size", patch_size, 1024);
    positive("channels", channels, 1024);
    positive("embedding_dim", embedding_dim, 65536);
    positive("num_layers", num_layers, 1024);
    positive("num_heads", num_heads, 1024);
    check<ConfigError>(num_classes >= 0 && num_classes <= 1'000'000, "num_classes is ", num_classes,
                       ", expected 0 to 1000000");
    check<ConfigError>(image_height % patch_size == 0 && image_width % patch_size == 0, "image size ",
                       image_height, "x", image_width, " is not divisible by patch_size ", patch_size);
    check<ConfigError>(embedding_dim % num_heads == 0, "embedding_dim ", embedding_dim,
                       " is not divisible by num_heads ", num_heads);
    check<ConfigError>(mlp_ratio > 0 && mlp_ratio <= 64 && hidden_dim() >= 1, "mlp_ratio is ", mlp_ratio,
                       ", expected above 0 and at most 64");
    const auto rate = [](const char* name, float value) {
      check<ConfigError>(value >= 0.0f && value < 1.0f, name, " is ", value,
                         ", expected 0 or more and less than 1");
    };
    rate("input_dropout", input_dropout);
    rate("attention_dropout", attention_dropout);
    rate("dropout", dropout);
    rate("drop_path", drop_path);
    check<ConfigError>(pooling != Pooling::token || class_token,
                       "pooling by class token needs class_token true");
    check<ConfigError>(positions != Positions::sincos || embedding_dim % 4 == 0,
                       "sin-cos positions need an embedding_dim "
                       "divisible by 4, it is ",
                       embedding_dim);
    check<ConfigError>(positions != Positions::sincos || embedding_dim >= 8,
                       "sin-cos positions need an embedding_dim of at "
                       "least 8, it is ",
                       embedding_dim);
    check<ConfigError>(register_tokens >= 0 && register_tokens <= 1024, "register_tokens is ",
                       register_tokens, ", expected 0 to 1024");
    check<ConfigError>(norm_eps > 0.0f && norm_eps < 1.0f, "norm_eps is ", norm_eps,
                       ", expected between 0 and 1");
    check<ConfigError>(tokens() <= 65536, "the model has ", tokens(), " tokens, at most 65536 are supported");
  }

  /// The sizes of the ViT and DeiT papers, for 224 × 224 images and 16 × 16 patches.
  static ViTConfig tiny() { return sized(192, 12, 3); }
  static ViTConfig small() { return sized(384, 12, 6); }
  static ViTConfig base() { return sized(768, 12, 12); }
  static ViTConfig large() { return sized(1024, 24, 16); }

  /// A small one that trains from scratch on a few thousand photos: 256 channels, 6 layers, 8 heads.
  static ViTConfig seed() { return sized(256, 6, 8); }

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
