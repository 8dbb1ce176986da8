// Patch embedding: from pixels to tokens.
#pragma once

#include <cmath>

#include "minivit/nn/init.hpp"
#include "minivit/nn/module.hpp"
#include "minivit/ops/linear_fused.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Cuts images into patches and projects each: x (B, channels, height, width) -> (B, N, C), row by row. The
/// same as a convolution with stride P, whose weight it has.
struct PatchEmbedding {
  Parameter weight;  // (C, channels, P, P)
  Parameter bias;    // (C), or empty

  PatchEmbedding() = default;

  /// Weights start normal with variance 1 / (inputs of a patch), cut at two deviations.
  PatchEmbedding(std::int64_t channels, std::int64_t patch, std::int64_t C, bool has_bias = true)
      : weight(Tensor::empty({C, channels, patch, patch}), true),
        bias(has_bias ? Parameter(Tensor::zeros({C})) : Parameter()) {
    init_truncated_normal(weight.value, 1.0f / std::sqrt(static_cast<float>(channels * patch * patch)));
  }

  Var operator()(const Var& x) const { return patch_linear(x, weight, bias); }

  static void visit(auto& self, auto&& f) {
    f("proj.weight", self.weight);
    f("proj.bias", self.bias);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
