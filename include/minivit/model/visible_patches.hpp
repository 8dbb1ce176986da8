// Tokens of an image of which some patches are hidden: what a Vision Transformer sees of the rest.
#pragma once

#include "minivit/model/vit.hpp"
#include "minivit/nn/patch_mask.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Images (B, channels, height, width) with the hidden patches of P × P pixels set to 0, which is the mean of
/// normalized images. Throws ShapeError if the mask is not one of theirs.
[[nodiscard]] Tensor hide_patches(const Tensor& images, const PatchMask& mask, std::int64_t P);

/// Tokens of the visible patches, with class token and registers before them and the positions of their own:
/// (B, prefix + K, C), the input of `net.encoder`. Hidden pixels have no influence: patches are chosen before
/// they are projected; a stem that looks beyond a patch sees 0 in their place. Throws
/// ShapeError if images or mask do not fit the model.
[[nodiscard]] Var embed_visible(const VisionTransformer& net, const Tensor& images, const PatchMask& mask);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cstddef>
#include <vector>

#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/embedding.hpp"
#include "minivit/ops/linear.hpp"
#include "minivit/ops/patchify.hpp"
#include "minivit/ops/rearrange.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Class token and registers, all of them visible, in front of the numbers of the visible patches: (B, prefix
/// + K) numbers of tokens.
inline std::vector<int> visible_tokens(const PatchMask& mask, std::int64_t prefix) {
  const std::int64_t K = mask.visible_patches();
  std::vector<int> tokens;
  tokens.reserve(static_cast<std::size_t>(mask.images * (prefix + K)));
  for (std::int64_t b = 0; b < mask.images; ++b) {
    for (std::int64_t t = 0; t < prefix; ++t) tokens.push_back(static_cast<int>(t));
    for (std::int64_t k = 0; k < K; ++k)
      tokens.push_back(mask.visible[static_cast<std::size_t>(b * K + k)] + static_cast<int>(prefix));
  }
  return tokens;
}

/// Patches projected one by one, each with the position of where it was: (B, K, C).
inline Var project_visible(const VisionTransformer& net, const Tensor& images, const PatchMask& mask) {
  const std::int64_t C = net.config.embedding_dim, B = mask.images, K = mask.visible_patches();
  const auto first = static_cast<int>(net.config.positioned_tokens() - mask.patches);
  std::vector<int> rows = mask.visible;
  for (int& row : rows) row += first;
  const Var positions = reshape(embedding(reshape(net.pos_embed, {-1, C}), rows), {B, K, C});
  const Var patches = select_tokens(patchify(images, net.config.patch_size), mask.visible);
  return linear(patches, reshape(net.patch_embed.weight, {C, -1}), net.patch_embed.bias, positions);
}

/// Learned tokens with their positions, the first of which is that of number `begin`.
inline Var with_position(const VisionTransformer& net, const Parameter& tokens, std::int64_t begin) {
  if (!tokens.defined() || !net.config.prefix_positions) return tokens;
  return Var(tokens) + slice_axis(net.pos_embed, 1, begin, begin + tokens.value.size(1));
}

}  // namespace detail

MINIVIT_INLINE Tensor hide_patches(const Tensor& images, const PatchMask& mask, std::int64_t P) {
  detail::check_patches("hide_patches", images.shape(), P);
  const std::int64_t channels = images.size(1), H = images.size(2), W = images.size(3), columns = W / P;
  check<ShapeError>(mask.images == images.size(0) && mask.patches == H / P * columns,
                    "hide_patches: the mask is of ", mask.images, " images with ", mask.patches,
                    " patches, images are ", images.shape(), " with patches of ", P);
  Tensor out = images.clone();
  const std::int64_t M = mask.hidden_patches();
  for (std::int64_t i = 0; i < mask.images * M; ++i) {
    const std::int64_t b = i / M, patch = mask.hidden[static_cast<std::size_t>(i)], top = patch / columns * P,
                       left = patch % columns * P;
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t y = top; y < top + P; ++y)
        std::fill_n(out.data() + ((b * channels + c) * H + y) * W + left, P, 0.0f);
  }
  return out;
}

MINIVIT_INLINE Var embed_visible(const VisionTransformer& net, const Tensor& images, const PatchMask& mask) {
  net.check_images(images.shape());
  const ViTConfig& config = net.config;
  check<ShapeError>(mask.images == images.size(0) && mask.patches == config.patches(),
                    "embed_visible: the mask is of ", mask.images, " images with ", mask.patches,
                    " patches, expected ", images.size(0), " with ", config.patches());
  if (config.stem != Stem::patch) {
    const Var all =
        net.add_tokens(net.to_patches(hide_patches(images, mask, config.patch_size)), net.pos_embed);
    return net.prepared(
        net.pos_drop(select_tokens(all, detail::visible_tokens(mask, config.prefix_tokens()))));
  }
  const Var patches = detail::project_visible(net, images, mask);
  const Parameter& others = net.dist_token.defined() ? net.dist_token : net.reg_token;
  const std::int64_t C = config.embedding_dim;
  const Var tokens = assemble_tokens(patches, detail::with_position(net, net.cls_token, 0),
                                     detail::with_position(net, others, config.class_token ? 1 : 0),
                                     Tensor::zeros({1, mask.visible_patches(), C}));
  return net.prepared(net.pos_drop(tokens));
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
