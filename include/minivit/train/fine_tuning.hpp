// Fine-tuning: what of a trained model is trained further, and how fast.
#pragma once

#include <cstdint>
#include <string>

#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Settings of fine-tuning.
struct FineTuning {
  /// What stays as it is: "none"; "backbone", all but the head; "all_but_norm", all but norms and head; or a
  /// number: patch embedding, tokens, positions and that many blocks.
  std::string freeze = "none";

  /// Each layer's learning rate is that of the one above it times this (layer-wise decay: K. Clark et al.,
  /// ELECTRA, arXiv:2003.10555; H. Bao et al., BEiT, arXiv:2106.08254). Layers are the head with the last
  /// norm, each block, and what stands before the blocks. In (0, 1].
  double layer_decay = 1.0;

  double backbone_lr = 1.0;    ///< factor of the learning rate of all but the head, above 0
  std::int64_t lora_rank = 0;  ///< of adapters on qkv and proj of every block, which are then trained with
                               ///< the head in place of the rest; 0: none
  float lora_alpha = 16.0f;    ///< an adapter's scale times its rank

  /// Blocks that are frozen together with what stands before them; -1 for another `freeze`. Throws
  /// ConfigError for a setting that is out of range for a model of this configuration.
  [[nodiscard]] std::int64_t frozen_blocks(const ViTConfig& model) const;
};

/// Prepares a model for fine-tuning: adapters, what is trained, and at which part of the learning rate. Call
/// it before `flatten`. Adapters take the next stream of `Generator::local()`. Throws ConfigError for a
/// setting out of range.
void prepare_fine_tuning(VisionTransformer& net, const FineTuning& t);

/// Makes adapters one with their weights: the same function, an ordinary model.
void merge_lora(VisionTransformer& net);

/// True if the model has adapters.
[[nodiscard]] bool has_lora(const VisionTransformer& net);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <charconv>
#include <cmath>
#include <string_view>

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE std::int64_t FineTuning::frozen_blocks(const ViTConfig& model) const {
  std::int64_t blocks = -1;
  if (freeze != "none" && freeze != "backbone" && freeze != "all_but_norm") {
    const char* const end = freeze.data() + freeze.size();
    const auto [at, error] = std::from_chars(freeze.data(), end, blocks);
    check<ConfigError>(error == std::errc() && at == end && blocks >= 0 && blocks <= model.num_layers,
                       "freeze is \"", freeze,
                       "\", expected none, backbone, all_but_norm or a number of blocks from 0 to ",
                       model.num_layers);
  }
  check<ConfigError>(layer_decay > 0 && layer_decay <= 1, "layer_decay is ", layer_decay,
                     ", expected more than 0 and at most 1");
  check<ConfigError>(backbone_lr > 0, "backbone_lr is ", backbone_lr, ", expected more than 0");
  check<ConfigError>(lora_rank >= 0 && lora_rank <= model.embedding_dim, "lora_rank is ", lora_rank,
                     ", expected 0 to ", model.embedding_dim);
  check<ConfigError>(lora_rank == 0 || freeze == "none", "freeze is \"", freeze, "\" and lora_rank ",
                     lora_rank, "; adapters freeze all but themselves and the head, leave freeze out");
  return blocks;
}

namespace detail {

/// The layer of a parameter: 0 before the blocks, 1 to `depth` in a block, depth + 1 behind them.
inline std::int64_t layer_of(std::string_view name, std::int64_t depth) {
  if (name.starts_with("blocks.")) {
    std::int64_t i = 0;
    name.remove_prefix(7);
    std::from_chars(name.data(), name.data() + name.size(), i);
    return i + 1;
  }
  const bool behind = name.starts_with("norm.") || name.starts_with("fc_norm.") ||
                      name.starts_with("attention_pool.") || name.starts_with("head");
  return behind ? depth + 1 : 0;
}

}  // namespace detail

MINIVIT_INLINE void prepare_fine_tuning(VisionTransformer& net, const FineTuning& t) {
  const std::int64_t depth = net.config.num_layers, blocks = t.frozen_blocks(net.config);
  if (t.lora_rank > 0)
    for (EncoderBlock& block : net.encoder.blocks)
      for (Linear* layer : {&block.attn.qkv, &block.attn.proj})
        layer->lora =
            Lora(layer->weight.value.size(0), layer->weight.value.size(1), t.lora_rank, t.lora_alpha);

  for (const auto& [name, p] : named_parameters(net)) {
    const bool head = name.starts_with("head"), adapter = name.find(".lora.") != std::string::npos;
    const std::int64_t layer = detail::layer_of(name, depth);
    const bool frozen = t.lora_rank > 0              ? !adapter
                        : t.freeze == "backbone"     ? true
                        : t.freeze == "all_but_norm" ? name.find("norm") == std::string::npos
                                                     : layer <= blocks;
    p->trainable = p->trainable && (head || !frozen);
    p->lr_scale =
        static_cast<float>(std::pow(t.layer_decay, depth + 1 - layer) * (head ? 1.0 : t.backbone_lr));
  }
}

MINIVIT_INLINE void merge_lora(VisionTransformer& net) {
  for (EncoderBlock& block : net.encoder.blocks)
    for (Linear* layer : {&block.attn.qkv, &block.attn.proj}) layer->merge_lora();
}

MINIVIT_INLINE bool has_lora(const VisionTransformer& net) {
  return !net.encoder.blocks.empty() && net.encoder.blocks[0].attn.qkv.lora.defined();
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
