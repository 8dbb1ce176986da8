// The self-attention brick of an encoder block.
#pragma once

#include "minivit/nn/layer_norm.hpp"
#include "minivit/nn/linear.hpp"
#include "minivit/ops/attention.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = proj(attention(qkv(x))), x and y (B, T, C), H heads of C / H channels.
struct MultiHeadAttention {
  Linear qkv;   // (3C, C): rows of q, of k, of v, each head by head
  Linear proj;  // (C, C)
  std::int64_t heads = 1;
  float dropout = 0.0f;  // of the attention probabilities

  MultiHeadAttention() = default;

  /// Throws ConfigError unless C is divisible by the number of heads.
  MultiHeadAttention(std::int64_t C, std::int64_t heads, float dropout = 0.0f, bool qkv_bias = true)
      : qkv(C, 3 * C, qkv_bias), proj(C, C), heads(heads), dropout(dropout) {
    check<ConfigError>(heads > 0 && C % heads == 0, "attention: embedding dimension ", C,
                       " is not divisible by ", heads, " heads");
  }

  Var operator()(const Var& x) const { return from_qkv(qkv(x)); }

  /// (*this)(norm(x)) [+ residual], with the norm and the sum as parts of the products.
  Var after(const LayerNorm& norm, const Var& x, const Var& residual = {}) const {
    return from_qkv(norm.then(qkv, x), residual);
  }

  /// What follows the first layer: q, k, v (B, T, 3C) -> (B, T, C) [+ residual].
  Var from_qkv(const Var& packed, const Var& residual = {}) const {
    return proj(attention(packed, heads, dropout), residual);
  }

  /// How much each token looks at each: (B, H, T, T), rows sum to 1. No gradient.
  Tensor map(const Var& x) const { return attention_map(qkv(x).value(), heads); }

  static void visit(auto& self, auto&& f) {
    f("qkv", self.qkv);
    f("proj", self.proj);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
