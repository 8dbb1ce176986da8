// The transformer encoder: blocks of attention and MLP (A. Dosovitskiy et al., arXiv:2010.11929).
#pragma once

#include <vector>

#include "minivit/nn/attention.hpp"
#include "minivit/nn/dropout.hpp"
#include "minivit/nn/layer_norm.hpp"
#include "minivit/nn/layer_scale.hpp"
#include "minivit/nn/mlp.hpp"
#include "minivit/ops/recompute.hpp"
#include "minivit/ops/residual.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What an encoder block is made of.
struct BlockConfig {
  std::int64_t dim = 0;                      ///< C
  std::int64_t heads = 1;                    ///< H, must divide C
  std::int64_t hidden = 0;                   ///< width of the MLP
  Activation activation = Activation::gelu;  ///< of the MLP
  float attention_dropout = 0.0f;            ///< of the attention probabilities
  float dropout = 0.0f;                      ///< in the MLP
  float drop_path = 0.0f;                    ///< of both residual branches
  float layer_scale = 0.0f;                  ///< initial factor of both branches; 0: no factor
  float eps = 1e-6f;                         ///< of the norms
  bool qkv_bias = true;
};

/// One block, normalizing before each branch: x (B, T, C) -> (B, T, C).
struct EncoderBlock {
  LayerNorm norm1;
  MultiHeadAttention attn;
  LayerScale ls1;
  LayerNorm norm2;
  MLP mlp;
  LayerScale ls2;
  DropPath drop_path;

  EncoderBlock() = default;
  explicit EncoderBlock(const BlockConfig& c)
      : norm1(c.dim, c.eps),
        attn(c.dim, c.heads, c.attention_dropout, c.qkv_bias),
        ls1(c.dim, c.layer_scale),
        norm2(c.dim, c.eps),
        mlp(c.dim, c.hidden, c.dropout, c.activation),
        ls2(c.dim, c.layer_scale),
        drop_path{c.drop_path} {}

  /// y = x + drop_path(ls1(attn(norm1(x)))), then y + drop_path(ls2(mlp(norm2(y)))). Each norm becomes part
  /// of the linear layer behind it, and each sum of the one before it, if nothing stands in between.
  Var operator()(const Var& x) const {
    const Var heads = attn.heads_of(norm1.then(attn.qkv, x));
    const Var y =
        plain(ls1, attn.proj) ? attn.proj(heads, x) : residual(x, attn.proj(heads), ls1.gamma, drop_path.p);
    const Var u = norm2.then(mlp.fc1, y);
    return plain(ls2, mlp.fc2) ? mlp.from_hidden(u, y)
                               : residual(y, mlp.from_hidden(u), ls2.gamma, drop_path.p);
  }

  /// Packs the weights for prediction, the norms and LayerScales in front of and behind the linear layers
  /// multiplied into them; or drops what was packed.
  [[gnu::noinline]] void prepare(bool on) {
    attn.qkv.pack(on, norm1.weight.value, norm1.bias.value);
    attn.proj.pack(on, {}, {}, ls1.gamma.value);
    mlp.fc1.pack(on, norm2.weight.value, norm2.bias.value);
    mlp.fc2.pack(on, {}, {}, ls2.gamma.value);
  }

  static void visit(auto& self, auto&& f) {
    f("norm1", self.norm1);
    f("attn", self.attn);
    f("ls1", self.ls1);
    f("norm2", self.norm2);
    f("mlp", self.mlp);
    f("ls2", self.ls2);
  }

 private:
  /// True if a branch ends with its linear layer: there is nothing behind it, or it is part of the packed
  /// weights.
  bool plain(const LayerScale& scale, const Linear& last) const {
    if (detail::usable(&last.packed)) return !is_training();
    return !scale.gamma.defined() && !(is_training() && drop_path.p > 0.0f);
  }
};

/// Blocks one after the other: x (B, T, C) -> (B, T, C).
struct Encoder {
  std::vector<EncoderBlock> blocks;
  bool recompute =
      false;  ///< blocks keep only their input for the backward pass: less memory, a third more time

  Encoder() = default;

  /// `depth` blocks, whose drop path rises evenly from 0 in the first to `config.drop_path` in the last.
  Encoder(std::int64_t depth, BlockConfig config) {
    const float last = config.drop_path;
    for (std::int64_t i = 0; i < depth; ++i) {
      config.drop_path = depth > 1 ? last * static_cast<float>(i) / static_cast<float>(depth - 1) : 0.0f;
      blocks.emplace_back(config);
    }
  }

  Var operator()(Var x) const {
    for (const EncoderBlock& block : blocks)
      x = recompute ? minivit::recompute([&block](const Var& in) { return block(in); }, x) : block(x);
    return x;
  }

  static void visit(auto& self, auto&& f) { f("blocks", self.blocks); }
};

}  // namespace minivit::inline MINIVIT_ABI
