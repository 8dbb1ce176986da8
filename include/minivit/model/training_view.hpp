// A model in training on images of other sizes, with larger patches, or with a part of the patches only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "minivit/model/resample.hpp"
#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What a TrainingView sees.
struct ViewOptions {
  std::int64_t image_height = 0, image_width = 0;  ///< pixels; 0: as the model
  std::int64_t patch_size = 0;                     ///< pixels, of a stem of patches; 0: as the model
  /// Part of the patches that is left out of each image, in [0, 1): others in every step (Y. Li et al.,
  /// "Scaling Language-Image Pre-training via Masking", arXiv:2212.00794; timm's PatchDropout). Nothing
  /// outside of a `Training` scope.
  float patch_dropout = 0.0f;

  friend bool operator==(const ViewOptions&, const ViewOptions&) = default;
};

/// How many of N patches are kept: one at least.
[[nodiscard]] constexpr std::int64_t kept_patches(std::int64_t N, float patch_dropout) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(static_cast<float>(N) * (1.0f - patch_dropout)), 1);
}

/// A VisionTransformer that is trained on smaller images or larger patches than its own, which is faster: its
/// parameters are those of the model, positions and patches are interpolated from them by matrices, through
/// which the gradients go (image sizes: M. Tan and Q. Le, EfficientNetV2, arXiv:2104.00298; patches: L. Beyer
/// et al., FlexiViT, arXiv:2212.08013). With the model's own sizes it gives the same bits as the model, which
/// must outlive it.
class TrainingView {
 public:
  /// Throws ConfigError for sizes that do not fit each other, and for patches of another size with a stem
  /// that is not of patches alone.
  explicit TrainingView(const VisionTransformer& net, const ViewOptions& options = {});

  /// Images (B, channels, image_height, image_width) of the view -> logits (B, num_classes).
  Var operator()(const Var& images) const { return net_.classify(encoder(embed(images))); }

  /// As VisionTransformer::both_logits.
  std::pair<Var, Var> both_logits(const Var& images) const {
    return net_.classify_both(encoder(embed(images)));
  }

  /// Tokens of the images: (B, T, C), T as the sizes and patch_dropout give it.
  Var embed(const Var& images) const;

 private:
  Var patches(const Var& images) const;
  Var positions() const;
  Var some_of(const Var& tokens) const;

  const VisionTransformer& net_;
  ViTConfig seen_;  // the model's configuration with the sizes of the view
  float patch_dropout_;
  Tensor grid_;          // (N', N): positions of one grid from those of another, or empty
  Tensor fixed_;         // positions that are not learned, or empty
  Tensor patch_pixels_;  // (P' P', P P), or empty

 public:
  const Encoder& encoder;   ///< of the model
  const Linear& head_dist;  ///< of the model
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS

#include "minivit/core/rng.hpp"
#include "minivit/model/visible_patches.hpp"
#include "minivit/ops/matmul.hpp"
#include "minivit/ops/rearrange.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// The matrix (rows of a · rows of b, columns of a · columns of b) of a transform that is `a` down and `b`
/// across a grid (Kronecker's product).
inline Tensor grid_matrix(const SmallMatrix& a, const SmallMatrix& b) {
  Tensor t = Tensor::empty({a.rows() * b.rows(), a.cols() * b.cols()});
  for (std::int64_t i = 0; i < a.rows(); ++i)
    for (std::int64_t j = 0; j < b.rows(); ++j)
      for (std::int64_t k = 0; k < a.cols(); ++k)
        for (std::int64_t l = 0; l < b.cols(); ++l)
          t(i * b.rows() + j, k * b.cols() + l) = static_cast<float>(a(i, k) * b(j, l));
  return t;
}

inline ViTConfig config_of_view(ViTConfig c, const ViewOptions& options) {
  const std::int64_t own_patch = c.patch_size;
  if (options.image_height > 0) c.image_height = options.image_height;
  if (options.image_width > 0) c.image_width = options.image_width;
  if (options.patch_size > 0) c.patch_size = options.patch_size;
  check<ConfigError>(c.patch_size == own_patch || c.stem == Stem::patch,
                     "patches of another size need a stem of patches alone, not ", enum_name(c.stem));
  check<ConfigError>(0 <= options.patch_dropout && options.patch_dropout < 1, "patch_dropout is ",
                     options.patch_dropout, ", expected 0 to below 1");
  c.validate();
  check<ConfigError>(c.attention == Attention::plain ||
                         c.prefix_tokens() + kept_patches(c.patches(), options.patch_dropout) >= 2,
                     "attention locality keeps a token from itself, and patch_dropout ",
                     options.patch_dropout, " leaves no other");
  return c;
}

}  // namespace detail

MINIVIT_INLINE TrainingView::TrainingView(const VisionTransformer& net, const ViewOptions& options)
    : net_(net),
      seen_(detail::config_of_view(net.config, options)),
      patch_dropout_(options.patch_dropout),
      encoder(net.encoder),
      head_dist(net.head_dist) {
  const ViTConfig& own = net.config;
  constexpr PositionFilter kFilter = PositionFilter::timm;
  if (const PatchGrid from(own), to(seen_); from != to) {
    if (own.positions == Positions::sincos)
      fixed_ = sincos_positions(to.rows, to.columns, own.embedding_dim,
                                own.prefix_positions ? own.prefix_tokens() : 0);
    else
      grid_ = detail::grid_matrix(detail::resize_matrix(from.rows, to.rows, kFilter),
                                  detail::resize_matrix(from.columns, to.columns, kFilter));
  }
  if (seen_.patch_size != own.patch_size) {
    const detail::SmallMatrix each = detail::patch_matrix(own.patch_size, seen_.patch_size);
    patch_pixels_ = detail::grid_matrix(each, each);
  }
}

MINIVIT_INLINE Var TrainingView::embed(const Var& images) const {
  detail::check_images("TrainingView", seen_, images.shape());
  return net_.prepared(some_of(net_.pos_drop(net_.add_tokens(patches(images), positions()))));
}

MINIVIT_INLINE Var TrainingView::patches(const Var& images) const {
  if (!patch_pixels_.defined()) return net_.to_patches(images);
  const PatchEmbedding& own = net_.patch_embed;
  const std::int64_t C = own.weight.value.size(0), channels = own.weight.value.size(1), P = seen_.patch_size;
  const Var weight = matmul(reshape(own.weight, {C * channels, -1}), patch_pixels_, false, true);
  return patch_linear(images, reshape(weight, {C, channels, P, P}), own.bias);
}

MINIVIT_INLINE Var TrainingView::positions() const {
  if (fixed_.defined()) return fixed_;
  if (!grid_.defined()) return net_.pos_embed;
  const Var all = net_.pos_embed;  // (1, P + N, C)
  const std::int64_t T = all.size(1), P = T - net_.config.patches();
  const Var patches = matmul(grid_, slice_axis(all, 1, P, T));
  return P > 0 ? concat({slice_axis(all, 1, 0, P), patches}, 1) : patches;
}

/// The tokens in front, and of the patches as many as are kept, in their order.
MINIVIT_INLINE Var TrainingView::some_of(const Var& tokens) const {
  const std::int64_t P = seen_.prefix_tokens(), N = tokens.size(1) - P,
                     kept = kept_patches(N, patch_dropout_);
  if (kept == N || !is_training()) return tokens;
  const Rng rng = Generator::local().stream(Generator::Purpose::dropout);
  return select_tokens(tokens, detail::visible_tokens(draw_patch_mask(tokens.size(0), N, kept, rng), P));
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
