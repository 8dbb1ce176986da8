// Attention weights that begin as those of trained Vision Transformers look.
//
// A. Trockman, J. Z. Kolter, "Mimetic Initialization of Self-Attention Layers", 2023, arXiv:2305.09828.
#pragma once

#include <cstdint>

#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// How far the products of attention weights are from noise, how near to ± the identity.
struct MimeticOptions {
  float scores_noise = 0.7f, scores_identity = 0.7f;  ///< of W_qᵀ W_k: a token looks at those like itself
  float values_noise = 0.4f, values_identity = 0.4f;  ///< of -W_vᵀ W_projᵀ: what it sees is taken away
};

/// Gives queries, keys, values and projections of every block fresh weights: for each head W_qᵀ W_k is the
/// nearest matrix of its rank to noise · Z + identity · I, and W_vᵀ W_projᵀ is noise · Z - identity · I, with
/// Z normal of variance 1 / C; both are divided evenly between their factors. Learned positions begin as
/// sines and cosines of row and column, if C allows it. Biases stay. Takes the next streams of
/// `Generator::local()`.
void init_mimetic(VisionTransformer& net, const MimeticOptions& options = {});

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "minivit/model/resample.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Two factors of noise · Z + identity · I, each with the square roots of the singular values: left (C, C)
/// and right (C, C), so that leftᵀ right is the matrix, and its first k rows are its best of rank k.
struct HalvedMatrix {
  SmallMatrix left, right;

  HalvedMatrix(std::int64_t C, float noise, float identity) {
    Rng rng = Generator::local().stream();
    const float scale = noise / std::sqrt(static_cast<float>(C));
    SmallMatrix a(C, C);
    for (std::int64_t i = 0; i < C; ++i)
      for (std::int64_t j = 0; j < C; ++j) a(i, j) = rng.normal() * scale + (i == j ? identity : 0.0f);
    // With a = U S Vᵀ: aᵀ a = V S² Vᵀ, and S^½ Uᵀ = S^-½ Vᵀ aᵀ. A long double has digits enough for S².
    const Eigen::SelfAdjointEigenSolver<SmallMatrix> squares(a.transpose() * a);
    const SmallMatrix v = squares.eigenvectors().rowwise().reverse();  // the largest first
    const auto roots = squares.eigenvalues().reverse().cwiseMax(1e-12L).cwiseSqrt().cwiseSqrt().eval();
    right = roots.asDiagonal() * v.transpose();
    left = roots.cwiseInverse().asDiagonal() * v.transpose() * a.transpose();
  }
};

}  // namespace detail

MINIVIT_INLINE void init_mimetic(VisionTransformer& net, const MimeticOptions& o) {
  const ViTConfig& c = net.config;
  const std::int64_t C = c.embedding_dim, D = C / c.num_heads;
  for (EncoderBlock& block : net.encoder.blocks) {
    auto qkv = block.attn.qkv.weight.value.matrix();
    for (std::int64_t head = 0; head < c.num_heads; ++head) {
      const detail::HalvedMatrix scores(C, o.scores_noise, o.scores_identity);
      qkv.middleRows(head * D, D) = scores.left.topRows(D).cast<float>();
      qkv.middleRows(C + head * D, D) = scores.right.topRows(D).cast<float>();
    }
    const detail::HalvedMatrix values(C, o.values_noise, -o.values_identity);
    qkv.bottomRows(C) = values.left.cast<float>();
    block.attn.proj.weight.value.matrix() = values.right.transpose().cast<float>();
  }
  if (net.pos_embed.trainable && C % 4 == 0 && C >= 8)
    net.pos_embed.value.copy_from(sincos_positions(c.image_height / c.patch_size,
                                                   c.image_width / c.patch_size, C,
                                                   c.prefix_positions ? c.prefix_tokens() : 0));
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
