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

  /// A map of pixels (height, width) as one of patches: their sums.
  [[nodiscard]] Tensor by_patch(const Tensor& pixels) const;

 private:
  Tensor patches_of(const std::vector<double>& tokens) const;

  VisionTransformer net_;
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cstddef>

#include "minivit/insight/attention_trace.hpp"
#include "minivit/model/visible_patches.hpp"
#include "minivit/ops/rearrange.hpp"
#include "minivit/ops/reductions.hpp"

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

/// (T, T): the mean over the heads of value(place), for each place in (H, T, T).
template <class F>
TokenMatrix mean_of_heads(const Shape& heads, const F& value) {
  const std::int64_t H = heads[0], T = heads[1];
  TokenMatrix m(T);
  for (std::int64_t at = 0; at < H * T * T; ++at)
    m.values[static_cast<std::size_t>(at % (T * T))] += value(at) / static_cast<double>(H);
  return m;
}

/// Σ_i weights_i · m(i, ·).
inline std::vector<double> weighted_rows(const Tensor& weights, const TokenMatrix& m) {
  std::vector<double> out(static_cast<std::size_t>(m.T));
  for (std::int64_t i = 0; i < m.T; ++i)
    for (std::int64_t j = 0; j < m.T; ++j)
      out[static_cast<std::size_t>(j)] += double{weights.data()[i]} * m(i, j);
  return out;
}

}  // namespace detail

MINIVIT_INLINE Tensor Explainer::patches_of(const std::vector<double>& tokens) const {
  const ViTConfig& c = net_.config;
  Tensor out = Tensor::empty({c.image_height / c.patch_size, c.image_width / c.patch_size});
  for (std::int64_t i = 0; i < out.numel(); ++i)
    out.data()[i] = static_cast<float>(tokens[static_cast<std::size_t>(c.prefix_tokens() + i)]);
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
  const AttentionTrace t = trace_attention(net_, image, {}, layer);
  const Tensor& a = t.attention[layer_index(layer, t.attention.size())];
  const std::int64_t T = a.size(1);
  const detail::TokenMatrix m =
      head < 0 ? detail::mean_of_heads(a.shape(), [&](std::int64_t at) { return double{a.data()[at]}; })
               : detail::mean_of_heads({1, T, T},
                                       [&](std::int64_t at) { return double{a.data()[head * T * T + at]}; });
  return patches_of(detail::weighted_rows(t.pooled, m));
}

MINIVIT_INLINE Tensor Explainer::rollout(const Tensor& image) const {
  const AttentionTrace t = trace_attention(net_, image);
  const std::int64_t T = t.pooled.numel();
  detail::TokenMatrix product = detail::TokenMatrix::identity(T);
  for (const Tensor& a : t.attention) {
    detail::TokenMatrix m =
        detail::mean_of_heads(a.shape(), [&](std::int64_t at) { return 0.5 * double{a.data()[at]}; });
    for (std::int64_t i = 0; i < T; ++i) m(i, i) += 0.5;
    product = m * product;
  }
  return patches_of(detail::weighted_rows(t.pooled, product));
}

MINIVIT_INLINE Tensor Explainer::relevance(const Tensor& image, int target) const {
  const AttentionTrace t = trace_attention(net_, image, target);
  const std::int64_t T = t.pooled.numel();
  detail::TokenMatrix r = detail::TokenMatrix::identity(T);
  for (std::size_t l = 0; l < t.attention.size(); ++l) {
    const Tensor &a = t.attention[l], &g = t.gradients[l];
    const detail::TokenMatrix m = detail::mean_of_heads(a.shape(), [&](std::int64_t at) {
      return std::max(double{a.data()[at]} * double{g.data()[at]}, 0.0);
    });
    const detail::TokenMatrix more = m * r;
    for (std::size_t i = 0; i < r.values.size(); ++i) r.values[i] += more.values[i];
  }
  // What a token says of itself from the beginning is no explanation.
  for (std::int64_t i = 0; i < T; ++i) r(i, i) -= 1;
  return patches_of(detail::weighted_rows(t.pooled, r));
}

MINIVIT_INLINE Tensor Explainer::grad_cam(const Tensor& image, int target, int layer) const {
  const AttentionTrace t = trace_attention(net_, image, target, layer);
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
  detail::check_target(net_, target);
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

MINIVIT_INLINE Tensor Explainer::occlusion(const Tensor& image, int target) const {
  detail::check_target(net_, target);
  const NoGrad values_only;
  const Training off(false);
  const ViTConfig& c = net_.config;
  Tensor out = Tensor::empty({c.image_height / c.patch_size, c.image_width / c.patch_size});
  const float whole = net_(image).value()(0, target);
  PatchMask mask{.images = 1, .patches = c.patches(), .visible = {}, .hidden = {0}};
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    mask.hidden[0] = static_cast<int>(i);
    out.data()[i] = whole - net_(hide_patches(image, mask, c.patch_size)).value()(0, target);
  }
  return out;
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
