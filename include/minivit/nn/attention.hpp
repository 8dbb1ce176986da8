// The self-attention brick of an encoder block.
#pragma once

#include <cmath>

#include "minivit/nn/layer_norm.hpp"
#include "minivit/nn/linear.hpp"
#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/attention.hpp"
#include "minivit/ops/rearrange.hpp"
#include "minivit/ops/scale_queries.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = proj(attention(qkv(x))), x and y (B, T, C), H heads of D = C / H channels. With `qk_norm` queries and
/// keys are normalized head by head (M. Dehghani et al., arXiv:2302.05442). With `locality` (S. H. Lee et
/// al., "Vision Transformer for Small-Size Datasets", arXiv:2112.13492) 1/√D becomes a factor that is
/// learned, the inverse of the paper's temperature, and no token looks at itself. Each head has its own, as
/// in the authors' program (github.com/aanna0701/SPT_LSA_ViT), where the paper writes one τ.
struct MultiHeadAttention {
  Linear qkv;                // (3C, C): rows of q, of k, of v, each head by head
  LayerNorm q_norm, k_norm;  // (D), or empty
  Parameter scale;           // (H), starts as 1/√D; or empty, without locality
  Linear proj;               // (C, C)
  std::int64_t heads = 1;
  float dropout = 0.0f;  // of the attention probabilities

  MultiHeadAttention() = default;

  /// Throws ConfigError unless C is divisible by the number of heads.
  MultiHeadAttention(std::int64_t C, std::int64_t H, float drop_rate = 0.0f, bool qkv_bias = true,
                     bool qk_norm = false, float eps = 1e-6f, bool locality = false)
      : qkv(C, 3 * C, qkv_bias), proj(C, C), heads(H), dropout(drop_rate) {
    check<ConfigError>(heads > 0 && C % heads == 0, "attention: embedding dimension ", C,
                       " is not divisible by ", heads, " heads");
    if (qk_norm) q_norm = LayerNorm(C / heads, eps), k_norm = LayerNorm(C / heads, eps);
    if (locality) scale = Parameter(Tensor::full({heads}, 1.0f / std::sqrt(static_cast<float>(C / heads))));
  }

  Var operator()(const Var& x) const { return from_qkv(qkv(x)); }

  /// (*this)(norm(x)) [+ residual], with the norm and the sum as parts of the products.
  Var after(const LayerNorm& norm, const Var& x, const Var& residual = {}) const {
    return from_qkv(norm.then(qkv, x), residual);
  }

  /// What follows the first layer: q, k, v (B, T, 3C) -> (B, T, C) [+ residual].
  Var from_qkv(const Var& packed, const Var& residual = {}) const {
    return proj(attention(prepared(packed), heads, dropout, diagonal()), residual);
  }

  /// Whether tokens look at themselves.
  Diagonal diagonal() const { return scale.defined() ? Diagonal::masked : Diagonal::kept; }

  /// q, k, v (B, T, 3C) as `attention` takes them: with norms and learned factors, if there are any.
  Var prepared(const Var& packed) const {
    const Var x = normalized(packed);
    return scale.defined() ? scale_queries(x, factors(packed.size(2) / 3)) : x;
  }

  /// What queries are multiplied with (H) where `attention` divides their scores by √D.
  Var factors(std::int64_t C) const { return scale * std::sqrt(static_cast<float>(C / heads)); }

  /// q, k, v (B, T, 3C) with the norms of q and k, if there are any.
  Var normalized(const Var& packed) const {
    if (!q_norm.weight.defined()) return packed;
    const std::int64_t B = packed.size(0), T = packed.size(1), C = packed.size(2) / 3;
    const auto part = [&](std::int64_t i) { return slice_axis(packed, 2, i * C, (i + 1) * C); };
    const auto by_head = [&](const LayerNorm& norm, const Var& x) {
      return reshape(norm(reshape(x, {B, T, heads, C / heads})), {B, T, C});
    };
    return concat({by_head(q_norm, part(0)), by_head(k_norm, part(1)), part(2)}, 2);
  }

  /// How much each token looks at each: (B, H, T, T), rows sum to 1. No gradient.
  Tensor map(const Var& x) const { return attention_map(prepared(qkv(x)).value(), heads, diagonal()); }

  static void visit(auto& self, auto&& f) {
    f("qkv", self.qkv);
    f("q_norm", self.q_norm);
    f("k_norm", self.k_norm);
    f("scale", self.scale);
    f("proj", self.proj);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
