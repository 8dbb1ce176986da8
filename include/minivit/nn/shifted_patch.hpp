// Shifted patch tokenization: from pixels to tokens that see beyond their patch.
#pragma once

#include <cmath>
#include <cstdint>

#include "minivit/nn/init.hpp"
#include "minivit/nn/layer_norm.hpp"
#include "minivit/nn/linear.hpp"
#include "minivit/ops/shifted_patches.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Patches of the image and of its four diagonal shifts by half a patch, normalized, then projected: x (B,
/// channels, height, width) -> (B, N, C), row by row. S. H. Lee, S. Lee, B. C. Song, "Vision Transformer for
/// Small-Size Datasets", arXiv:2112.13492.
struct ShiftedPatchEmbedding {
  LayerNorm norm;  // (5 · channels · P · P)
  Linear proj;     // (C, 5 · channels · P · P)
  std::int64_t patch = 1;

  ShiftedPatchEmbedding() = default;

  /// Weights start as those of a PatchEmbedding with as many inputs, biases 0.
  ShiftedPatchEmbedding(std::int64_t channels, std::int64_t P, std::int64_t C, float eps = 1e-6f)
      : norm(5 * channels * P * P, eps), proj(5 * channels * P * P, C), patch(P) {
    init_truncated_normal(proj.weight.value, 1.0f / std::sqrt(static_cast<float>(5 * channels * P * P)));
    init_zeros(proj.bias.value);
  }

  Var operator()(const Var& x) const { return norm.then(proj, shifted_patches(x, patch)); }

  static void visit(auto& self, auto&& f) {
    f("norm", self.norm);
    f("proj", self.proj);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
