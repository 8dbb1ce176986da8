// Explanations: which parts of an image an answer rests on.
//
// Six methods, from what the model looked at to what it needed, and two scores that say which of them is
// right for a model. A map has a number for each patch, (rows, columns) of the grid; larger counts more. None
// of the methods needs anything of the model but its forward and backward pass.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Methods that give a map.
enum class Explanation { attention, rollout, relevance, grad_cam, integrated_gradients, occlusion };
template <>
inline constexpr auto kEnumNames<Explanation> =
    std::to_array<EnumName<Explanation>>({{Explanation::attention, "attention"},
                                          {Explanation::rollout, "rollout"},
                                          {Explanation::relevance, "relevance"},
                                          {Explanation::grad_cam, "grad_cam"},
                                          {Explanation::integrated_gradients, "integrated_gradients"},
                                          {Explanation::occlusion, "occlusion"}});

/// Scores of a map, each a mean probability in [0, 1] of the class while the image changes patch by patch,
/// the largest of the map first (V. Petsiuk et al., RISE, arXiv:1806.07421).
struct Faithfulness {
  double deletion = 0;   ///< patches are made the mean color: the lower, the better the map
  double insertion = 0;  ///< patches of the image are put on the mean color: the higher, the better
};

/// Explains what a model says. Images are (1, channels, height, width), as the model sees them; targets are
/// class numbers. Throws ShapeError for images of another shape, ConfigError for a class, layer or head that
/// is not there, and for a model without a head where a class is asked for.
class Explainer {
 public:
  /// A copy, whose weights get no gradients.
  explicit Explainer(VisionTransformer net) : net_(std::move(net)) {}

  [[nodiscard]] const VisionTransformer& net() const noexcept { return net_; }

  /// Any of the methods with what it takes if nothing else is said.
  [[nodiscard]] Tensor map(Explanation method, const Tensor& image, int target) const;

  /// How much what the head sees looks at each patch in one layer (negative: from the end): the mean of all
  /// heads, or one of them.
  [[nodiscard]] Tensor attention(const Tensor& image, int layer = -1, int head = -1) const;

  /// The product over the layers of (mean of the heads + identity) / 2. Says nothing of a class. S. Abnar, W.
  /// Zuidema, "Quantifying Attention Flow in Transformers", arXiv:2005.00928.
  [[nodiscard]] Tensor rollout(const Tensor& image) const;

  /// R ← R + mean over the heads of max(0, ∂logit/∂A · A) R, layer by layer, from R = I. H. Chefer et al.,
  /// "Generic Attention-model Explainability", arXiv:2103.15679.
  [[nodiscard]] Tensor relevance(const Tensor& image, int target) const;

  /// max(0, Σ_c w_c a_c) of what a layer's attention sees, w_c being the mean of ∂logit/∂a_c over the
  /// patches. R. R. Selvaraju et al., Grad-CAM, arXiv:1610.02391.
  [[nodiscard]] Tensor grad_cam(const Tensor& image, int target, int layer = -1) const;

  /// The part of each pixel in logit(image) - logit(mean color), all channels together: (height, width). M.
  /// Sundararajan et al., "Axiomatic Attribution for Deep Networks", arXiv:1703.01365; midpoints of `steps`
  /// intervals. Throws ConfigError for fewer than one.
  [[nodiscard]] Tensor integrated_gradients(const Tensor& image, int target, int steps = 32) const;

  /// How much the logit falls if a patch is made the mean color.
  [[nodiscard]] Tensor occlusion(const Tensor& image, int target) const;

  /// Deletion and insertion of a map of patches, in at most `steps` steps.
  [[nodiscard]] Faithfulness faithfulness(const Tensor& image, int target, const Tensor& map,
                                          int steps = 32) const;

  /// A map of pixels (height, width) as one of patches: their sums.
  [[nodiscard]] Tensor by_patch(const Tensor& pixels) const;

 private:
  /// A forward pass whose attention probabilities are there to be seen.
  struct Trace {
    std::vector<Tensor> attention, gradients;  // (H, T, T) of each layer; gradients of the target's logit
    Tensor norm1, norm1_gradient;              // (T, C) of the layer that is asked for
    Tensor pooled;                             // (T): how much each token counts for what the head sees
  };
  Trace trace(const Tensor& image, int target, int layer = -1) const;
  Tensor pool_weights(const Var& tokens) const;
  Tensor patches_of(const std::vector<double>& tokens) const;
  void check_target(int target) const;
  Tensor logits(const Tensor& images) const;

  VisionTransformer net_;
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "minivit/autograd/tape.hpp"
#include "minivit/insight/scores.hpp"
#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/matmul.hpp"
#include "minivit/ops/reductions.hpp"
#include "minivit/ops/softmax.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// A square matrix, row by row.
struct TokenMatrix {
  std::int64_t T;
  std::vector<double> values;

  explicit TokenMatrix(std::int64_t tokens) : T(tokens), values(static_cast<std::size_t>(tokens * tokens)) {}

  static TokenMatrix identity(std::int64_t T) {
    TokenMatrix m(T);
    for (std::int64_t i = 0; i < T; ++i) m(i, i) = 1;
    return m;
  }
  double& operator()(std::int64_t i, std::int64_t j) { return values[static_cast<std::size_t>(i * T + j)]; }
  double operator()(std::int64_t i, std::int64_t j) const {
    return values[static_cast<std::size_t>(i * T + j)];
  }
};

inline TokenMatrix operator*(const TokenMatrix& a, const TokenMatrix& b) {
  TokenMatrix out(a.T);
  parallel_for(a.T, grain_for(2 * a.T * a.T), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      for (std::int64_t k = 0; k < a.T; ++k)
        for (std::int64_t j = 0; j < a.T; ++j) out(i, j) += a(i, k) * b(k, j);
  });
  return out;
}

/// Σ_i weights_i · m(i, ·).
inline std::vector<double> weighted_rows(const Tensor& weights, const TokenMatrix& m) {
  std::vector<double> out(static_cast<std::size_t>(m.T));
  for (std::int64_t i = 0; i < m.T; ++i)
    for (std::int64_t j = 0; j < m.T; ++j)
      out[static_cast<std::size_t>(j)] += double{weights.data()[i]} * m(i, j);
  return out;
}

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

}  // namespace detail

MINIVIT_INLINE void Explainer::check_target(int target) const {
  check<ConfigError>(net_.config.num_classes > 0,
                     "explain: the model has no head, so there is no class to explain");
  check<ConfigError>(target >= 0 && target < net_.config.num_classes, "explain: class ", target,
                     " is out of range for ", net_.config.num_classes, " classes");
}

MINIVIT_INLINE Tensor Explainer::logits(const Tensor& images) const {
  const NoGrad values_only;
  const Training off(false);
  return net_(images).value();
}

MINIVIT_INLINE Tensor Explainer::pool_weights(const Var& tokens) const {
  const NoGrad values_only;
  const ViTConfig& c = net_.config;
  const std::int64_t T = tokens.size(1), P = c.prefix_tokens();
  Tensor weights = Tensor::zeros({T});
  const auto patches = [&](float part) {
    for (std::int64_t t = P; t < T; ++t) weights.data()[t] += part / static_cast<float>(T - P);
  };
  if (c.pooling == Pooling::sequence) {
    const Var score = net_.attention_pool.score(net_.norm(slice_axis(tokens, 1, P, T)));
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

MINIVIT_INLINE Tensor Explainer::patches_of(const std::vector<double>& tokens) const {
  const ViTConfig& c = net_.config;
  Tensor out = Tensor::empty({c.image_height / c.patch_size, c.image_width / c.patch_size});
  for (std::int64_t i = 0; i < out.numel(); ++i)
    out.data()[i] = static_cast<float>(tokens[static_cast<std::size_t>(c.prefix_tokens() + i)]);
  return out;
}

/// With a target of -1 there are no gradients.
MINIVIT_INLINE Explainer::Trace Explainer::trace(const Tensor& image, int target, int layer) const {
  check<ShapeError>(image.rank() == 4 && image.size(0) == 1, "explain: the image is ", image.shape(),
                    ", expected (1, C, H, W)");
  if (target >= 0) check_target(target);
  const std::size_t depth = net_.encoder.blocks.size(), chosen = layer_index(layer, depth);
  const Training off(false);
  const bool with_gradients = target >= 0;
  Trace out;
  out.attention.resize(depth);
  std::vector<detail::Probe> probes(depth);
  detail::Probe norm_probe;
  Var x = net_.embed(image);
  for (std::size_t i = 0; i < depth; ++i) {
    const EncoderBlock& block = net_.encoder.blocks[i];
    Var seen = block.norm1(x);
    if (i == chosen) {
      out.norm1 = seen.value().reshape({seen.size(1), seen.size(2)});
      if (with_gradients) seen = norm_probe.at(seen);
    }
    const Var branch =
        detail::attention_in_parts(block.attn, seen, with_gradients ? &probes[i] : nullptr, out.attention[i]);
    x = residual(x, branch, block.ls1.gamma, 0.0f);
    x = residual(x, block.mlp(block.norm2(x)), block.ls2.gamma, 0.0f);
  }
  out.pooled = pool_weights(x.detach());
  if (!with_gradients) return out;
  backward(sum(slice_axis(net_.classify(x), 1, target, target + 1)));
  for (std::size_t i = 0; i < depth; ++i)
    out.gradients.push_back(probes[i].gradient.reshape(out.attention[i].shape()));
  out.norm1_gradient = norm_probe.gradient.reshape(out.norm1.shape());
  return out;
}

MINIVIT_INLINE Tensor Explainer::map(Explanation method, const Tensor& image, int target) const {
  switch (method) {
    case Explanation::attention:
      return attention(image);
    case Explanation::rollout:
      return rollout(image);
    case Explanation::relevance:
      return relevance(image, target);
    case Explanation::grad_cam:
      return grad_cam(image, target);
    case Explanation::integrated_gradients:
      return by_patch(integrated_gradients(image, target));
    case Explanation::occlusion:
      break;
  }
  return occlusion(image, target);
}

MINIVIT_INLINE Tensor Explainer::attention(const Tensor& image, int layer, int head) const {
  check<ConfigError>(head >= -1 && head < net_.config.num_heads, "explain: head ", head, " of a model with ",
                     net_.config.num_heads, " heads");
  const Trace t = trace(image, -1, layer);
  const Tensor& a = t.attention[layer_index(layer, t.attention.size())];
  const std::int64_t H = a.size(0), T = a.size(1);
  detail::TokenMatrix m(T);
  for (std::int64_t h = 0; h < H; ++h) {
    if (head >= 0 && h != head) continue;
    const double part = head >= 0 ? 1.0 : 1.0 / static_cast<double>(H);
    for (std::int64_t i = 0; i < T * T; ++i)
      m.values[static_cast<std::size_t>(i)] += part * double{a.data()[h * T * T + i]};
  }
  return patches_of(detail::weighted_rows(t.pooled, m));
}

MINIVIT_INLINE Tensor Explainer::rollout(const Tensor& image) const {
  const Trace t = trace(image, -1);
  const std::int64_t T = t.pooled.numel();
  detail::TokenMatrix product = detail::TokenMatrix::identity(T);
  for (const Tensor& a : t.attention) {
    detail::TokenMatrix m(T);
    const std::int64_t H = a.size(0);
    for (std::int64_t h = 0; h < H; ++h)
      for (std::int64_t i = 0; i < T * T; ++i)
        m.values[static_cast<std::size_t>(i)] +=
            0.5 / static_cast<double>(H) * double{a.data()[h * T * T + i]};
    for (std::int64_t i = 0; i < T; ++i) m(i, i) += 0.5;
    product = m * product;
  }
  return patches_of(detail::weighted_rows(t.pooled, product));
}

MINIVIT_INLINE Tensor Explainer::relevance(const Tensor& image, int target) const {
  check_target(target);
  const Trace t = trace(image, target);
  const std::int64_t T = t.pooled.numel();
  detail::TokenMatrix r = detail::TokenMatrix::identity(T);
  for (std::size_t l = 0; l < t.attention.size(); ++l) {
    const Tensor &a = t.attention[l], &g = t.gradients[l];
    const std::int64_t H = a.size(0);
    detail::TokenMatrix m(T);
    for (std::int64_t h = 0; h < H; ++h)
      for (std::int64_t i = 0; i < T * T; ++i) {
        const std::int64_t at = h * T * T + i;
        m.values[static_cast<std::size_t>(i)] +=
            std::max(double{a.data()[at]} * double{g.data()[at]}, 0.0) / static_cast<double>(H);
      }
    const detail::TokenMatrix more = m * r;
    for (std::size_t i = 0; i < r.values.size(); ++i) r.values[i] += more.values[i];
  }
  // What a token says of itself from the beginning is no explanation.
  for (std::int64_t i = 0; i < T; ++i) r(i, i) -= 1;
  return patches_of(detail::weighted_rows(t.pooled, r));
}

MINIVIT_INLINE Tensor Explainer::grad_cam(const Tensor& image, int target, int layer) const {
  check_target(target);
  const Trace t = trace(image, target, layer);
  const std::int64_t T = t.norm1.size(0), C = t.norm1.size(1), P = net_.config.prefix_tokens();
  std::vector<double> weights(static_cast<std::size_t>(C)), tokens(static_cast<std::size_t>(T));
  for (std::int64_t i = P; i < T; ++i)
    for (std::int64_t c = 0; c < C; ++c)
      weights[static_cast<std::size_t>(c)] +=
          double{t.norm1_gradient.data()[i * C + c]} / static_cast<double>(T - P);
  for (std::int64_t i = P; i < T; ++i) {
    double sum = 0;
    for (std::int64_t c = 0; c < C; ++c)
      sum += weights[static_cast<std::size_t>(c)] * double{t.norm1.data()[i * C + c]};
    tokens[static_cast<std::size_t>(i)] = std::max(sum, 0.0);
  }
  return patches_of(tokens);
}

MINIVIT_INLINE Tensor Explainer::integrated_gradients(const Tensor& image, int target, int steps) const {
  check_target(target);
  check<ConfigError>(steps >= 1, "explain: integrated gradients with ", steps, " steps, expected 1 or more");
  const Training off(false);
  const std::int64_t channels = image.size(1), pixels = image.size(2) * image.size(3);
  std::vector<double> sums(static_cast<std::size_t>(channels * pixels));
  for (int s = 0; s < steps; ++s) {
    Tensor between = image.clone(), gradient = Tensor::zeros(image.shape());
    between.array() = between.array() * ((static_cast<float>(s) + 0.5f) / static_cast<float>(steps));
    backward(sum(slice_axis(net_(Var::leaf(between, gradient)), 1, target, target + 1)));
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += double{gradient.data()[i]};
  }
  Tensor out = Tensor::empty({image.size(2), image.size(3)});
  for (std::int64_t p = 0; p < pixels; ++p) {
    double sum = 0;
    for (std::int64_t c = 0; c < channels; ++c)
      sum += sums[static_cast<std::size_t>(c * pixels + p)] * double{image.data()[c * pixels + p]};
    out.data()[p] = static_cast<float>(sum / steps);
  }
  return out;
}

namespace detail {

/// Makes patch (row, column) of an image (1, channels, height, width) that of another, or the mean color.
inline void put_patch(Tensor& image, const Tensor* from, std::int64_t row, std::int64_t column,
                      std::int64_t patch) {
  const std::int64_t H = image.size(2), W = image.size(3);
  for (std::int64_t c = 0; c < image.size(1); ++c)
    for (std::int64_t y = row * patch; y < (row + 1) * patch; ++y) {
      const std::int64_t at = (c * H + y) * W + column * patch;
      if (from)
        std::copy_n(from->data() + at, patch, image.data() + at);
      else
        std::fill_n(image.data() + at, patch, 0.0f);
    }
}

}  // namespace detail

MINIVIT_INLINE Tensor Explainer::occlusion(const Tensor& image, int target) const {
  check_target(target);
  const ViTConfig& c = net_.config;
  const std::int64_t patch = c.patch_size, columns = c.image_width / patch;
  Tensor out = Tensor::empty({c.image_height / patch, columns});
  const float whole = logits(image)(0, target);
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    Tensor without = image.clone();
    detail::put_patch(without, nullptr, i / columns, i % columns, patch);
    out.data()[i] = whole - logits(without)(0, target);
  }
  return out;
}

MINIVIT_INLINE Faithfulness Explainer::faithfulness(const Tensor& image, int target, const Tensor& map,
                                                    int steps) const {
  check_target(target);
  const ViTConfig& c = net_.config;
  const std::int64_t patch = c.patch_size, columns = c.image_width / patch, N = c.patches();
  check<ShapeError>(map.shape() == Shape{c.image_height / patch, columns}, "explain: the map is ",
                    map.shape(), ", expected (", c.image_height / patch, ", ", columns, ")");
  check<ConfigError>(steps >= 1, "explain: faithfulness in ", steps, " steps, expected 1 or more");
  std::vector<std::int64_t> order(static_cast<std::size_t>(N));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::ranges::stable_sort(order,
                           [&](std::int64_t a, std::int64_t b) { return map.data()[a] > map.data()[b]; });
  const auto count = std::min<std::int64_t>(steps, N);
  Tensor deleted = image.clone(), inserted = Tensor::zeros(image.shape());
  const auto probability = [&](const Tensor& x) {
    return probabilities(logits(x))[static_cast<std::size_t>(target)];
  };
  // Trapezoids over equal steps.
  Faithfulness f{probability(deleted) / 2, probability(inserted) / 2};
  std::int64_t done = 0;
  for (std::int64_t s = 1; s <= count; ++s) {
    for (; done < s * N / count; ++done) {
      const std::int64_t i = order[static_cast<std::size_t>(done)];
      detail::put_patch(deleted, nullptr, i / columns, i % columns, patch);
      detail::put_patch(inserted, &image, i / columns, i % columns, patch);
    }
    const double part = s == count ? 0.5 : 1;
    f.deletion += part * probability(deleted), f.insertion += part * probability(inserted);
  }
  f.deletion /= static_cast<double>(count), f.insertion /= static_cast<double>(count);
  return f;
}

MINIVIT_INLINE Tensor Explainer::by_patch(const Tensor& pixels) const {
  const ViTConfig& c = net_.config;
  check<ShapeError>(pixels.shape() == Shape{c.image_height, c.image_width}, "explain: pixels are ",
                    pixels.shape(), ", expected (", c.image_height, ", ", c.image_width, ")");
  const std::int64_t patch = c.patch_size, columns = c.image_width / patch;
  std::vector<double> sums(static_cast<std::size_t>(c.patches()));
  for (std::int64_t y = 0; y < c.image_height; ++y)
    for (std::int64_t x = 0; x < c.image_width; ++x)
      sums[static_cast<std::size_t>(y / patch * columns + x / patch)] +=
          double{pixels.data()[y * c.image_width + x]};
  Tensor out = Tensor::empty({c.image_height / patch, columns});
  for (std::int64_t i = 0; i < out.numel(); ++i)
    out.data()[i] = static_cast<float>(sums[static_cast<std::size_t>(i)]);
  return out;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
