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
  bool qk_norm = false;   ///< queries and keys are normalized, head by head
  bool locality = false;  ///< scores have a learned factor, and no token looks at itself
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
        attn(c.dim, c.heads, c.attention_dropout, c.qkv_bias, c.qk_norm, c.eps, c.locality),
        ls1(c.dim, c.layer_scale),
        norm2(c.dim, c.eps),
        mlp(c.dim, c.hidden, c.dropout, c.activation),
        ls2(c.dim, c.layer_scale),
        drop_path{c.drop_path} {}

  /// x + drop_path(ls1(attn(norm1(x)))), then the same with the MLP.
  Var operator()(Var x) const {
    x = add_branch(x, ls1, [&](const Var& residual) { return attn.after(norm1, x, residual); });
    return add_branch(x, ls2, [&](const Var& residual) { return mlp.after(norm2, x, residual); });
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
  /// x + drop_path(scale(branch)). `branch(residual)` adds a residual in its last product, which is faster;
  /// it can if nothing stands between that product and the sum.
  template <class Branch>
  Var add_branch(const Var& x, const LayerScale& scale, const Branch& branch) const {
    const bool plain = !scale.gamma.defined() && !(is_training() && drop_path.p > 0.0f);
    return plain ? branch(x) : residual(x, branch(Var{}), scale.gamma, drop_path.p);
  }
};

/// The place of a layer among `depth`; negative numbers count from the end. Throws ConfigError if there is no
/// such layer.
[[nodiscard]] inline std::size_t layer_index(int layer, std::size_t depth) {
  const auto count = static_cast<std::int64_t>(depth);
  check<ConfigError>(layer >= -count && layer < count, "layer ", layer, " of a model with ", count,
                     " layers, expected ", -count, " to ", count - 1);
  return static_cast<std::size_t>(layer < 0 ? layer + count : layer);
}

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
