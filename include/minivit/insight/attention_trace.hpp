// A forward pass of a Vision Transformer whose attention can be looked at, with its gradients.
#pragma once

#include <optional>
#include <vector>

#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What is kept of a forward pass of one image. Gradients are those of the logit of a class.
struct AttentionTrace {
  std::vector<Tensor> attention, gradients{};  ///< probabilities of each layer: (H, T, T)
  Tensor norm1{}, norm1_gradient{};            ///< (T, C): what the attention of one layer sees
  Tensor pooled{};                             ///< (T): how much each token counts for what the head sees
};

/// Traces an image (1, channels, height, width); `layer` says of which layer norm1 is kept (negative: from
/// the end). Without a target there are no gradients. Those of the model's own weights are added to, if it
/// has any. Throws ShapeError for images of another shape, ConfigError for a layer or class that is not
/// there.
[[nodiscard]] AttentionTrace trace_attention(const VisionTransformer& net, const Tensor& image,
                                             std::optional<int> target = {}, int layer = -1);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "minivit/autograd/tape.hpp"
#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/matmul.hpp"
#include "minivit/ops/reductions.hpp"
#include "minivit/ops/softmax.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// A zero that is added to a value, whose gradient is that of the value.
struct Probe {
  Tensor gradient;

  Var at(const Var& x) {
    gradient = Tensor::zeros(x.shape());
    return x + Var::leaf(Tensor::zeros(x.shape()), gradient);
  }
};

/// Attention from its parts, with a probe at its probabilities (1, H, T, T), which are kept in `seen`: x
/// (1, T, C) -> (1, T, C).
inline Var attention_in_parts(const MultiHeadAttention& attn, const Var& x, Probe* probe, Tensor& seen) {
  const std::int64_t T = x.size(1), C = x.size(2), H = attn.heads, D = C / H;
  const Var packed = permute(reshape(attn.prepared(attn.qkv(x)), {T, 3, H, D}), {1, 2, 0, 3});
  const auto part = [&](std::int64_t i) { return reshape(slice_axis(packed, 0, i, i + 1), {1, H, T, D}); };
  Var scores = matmul(part(0), part(1), false, true) * (1.0f / std::sqrt(static_cast<float>(D)));
  if (attn.diagonal() == Diagonal::masked) {
    Tensor mask = Tensor::zeros({T, T});
    for (std::int64_t i = 0; i < T; ++i) mask(i, i) = -std::numeric_limits<float>::infinity();
    scores = scores + Var(mask);
  }
  Var weights = softmax(scores);
  seen = weights.value().reshape({H, T, T});
  if (probe) weights = probe->at(weights);
  return attn.proj(reshape(permute(matmul(weights, part(2)), {0, 2, 1, 3}), {1, T, C}));
}

inline void check_target(const VisionTransformer& net, int target) {
  check<ConfigError>(net.config.num_classes > 0,
                     "explain: the model has no head, so there is no class to explain");
  check<ConfigError>(target >= 0 && target < net.config.num_classes, "explain: class ", target,
                     " is out of range for ", net.config.num_classes, " classes");
}

/// How much each token (1, T, C) of the last block counts for what the head sees: (T), together 1.
inline Tensor pool_weights(const VisionTransformer& net, const Var& tokens) {
  const NoGrad values_only;
  const ViTConfig& c = net.config;
  const std::int64_t T = tokens.size(1), P = c.prefix_tokens();
  Tensor weights = Tensor::zeros({T});
  const auto patches = [&](float part) {
    for (std::int64_t t = P; t < T; ++t) weights.data()[t] += part / static_cast<float>(T - P);
  };
  if (c.pooling == Pooling::sequence) {
    const Var score = net.attention_pool.score(net.norm(slice_axis(tokens, 1, P, T)));
    const Tensor share = softmax(reshape(score, {1, T - P})).value();
    std::copy_n(share.data(), T - P, weights.data() + P);
  } else if (c.pooling == Pooling::mean) {
    patches(1);
  } else if (c.pooling == Pooling::token_and_mean) {
    weights.data()[0] = 0.5f;
    patches(0.5f);
  } else if (c.distillation == Distillation::head) {
    weights.data()[0] = weights.data()[1] = 0.5f;
  } else {
    weights.data()[0] = 1;
  }
  return weights;
}

}  // namespace detail

MINIVIT_INLINE AttentionTrace trace_attention(const VisionTransformer& net, const Tensor& image,
                                              std::optional<int> target, int layer) {
  check<ShapeError>(image.rank() == 4 && image.size(0) == 1, "explain: the image is ", image.shape(),
                    ", expected (1, C, H, W)");
  if (target) detail::check_target(net, *target);
  const std::size_t depth = net.encoder.blocks.size(), chosen = layer_index(layer, depth);
  const Training off(false);
  AttentionTrace out;
  out.attention.resize(depth);
  std::vector<detail::Probe> probes(depth);
  detail::Probe norm_probe;
  Var x = net.embed(image);
  for (std::size_t i = 0; i < depth; ++i) {
    const EncoderBlock& block = net.encoder.blocks[i];
    Var seen = block.norm1(x);
    if (i == chosen) {
      out.norm1 = seen.value().reshape({seen.size(1), seen.size(2)});
      if (target) seen = norm_probe.at(seen);
    }
    const Var branch =
        detail::attention_in_parts(block.attn, seen, target ? &probes[i] : nullptr, out.attention[i]);
    x = residual(x, branch, block.ls1.gamma, 0.0f);
    x = residual(x, block.mlp(block.norm2(x)), block.ls2.gamma, 0.0f);
  }
  out.pooled = detail::pool_weights(net, x.detach());
  if (!target) return out;
  backward(sum(slice_axis(net.classify(x), 1, *target, *target + 1)));
  for (std::size_t i = 0; i < depth; ++i)
    out.gradients.push_back(probes[i].gradient.reshape(out.attention[i].shape()));
  out.norm1_gradient = norm_probe.gradient.reshape(out.norm1.shape());
  return out;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
