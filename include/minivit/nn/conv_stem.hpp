// The stem of convolutions: from pixels to tokens by steps.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "minivit/nn/init.hpp"
#include "minivit/nn/module.hpp"
#include "minivit/ops/conv.hpp"
#include "minivit/ops/rearrange.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A convolution with windows of 3 × 3, without bias: x (B, H, W, C) -> (B, H, W, N).
struct Conv3x3 {
  Parameter weight;  // (N, 3, 3, C)

  Conv3x3() = default;
  /// Weights start normal with variance 2 / (9 C).
  Conv3x3(std::int64_t C, std::int64_t N) : weight(Tensor::empty({N, 3, 3, C}), true) {
    init_random(weight.value,
                [std = std::sqrt(2.0f / static_cast<float>(9 * C))](Rng& rng) { return rng.normal() * std; });
  }

  Var operator()(const Var& x) const { return conv3x3(x, weight); }

  static void visit(auto& self, auto&& f) { f("weight", self.weight); }
};

/// Convolutions, each followed by ReLU and a max pooling that halves the image: x (B, channels, height,
/// width) -> (B, N, C), row by row. A. Hassani et al., "Escaping the Big Data Paradigm with Compact
/// Transformers", arXiv:2104.05704.
struct ConvStem {
  std::vector<Conv3x3> convs;

  ConvStem() = default;

  /// widths: channels behind each convolution; the last one is C.
  ConvStem(std::int64_t channels, std::span<const std::int64_t> widths) {
    for (const std::int64_t width : widths) {
      convs.emplace_back(channels, width);
      channels = width;
    }
  }

  Var operator()(const Var& images) const {
    Var x = permute(images, {0, 2, 3, 1});
    for (const Conv3x3& conv : convs) x = relu_max_pool(conv(x));
    return reshape(x, {x.size(0), x.size(1) * x.size(2), x.size(3)});
  }

  static void visit(auto& self, auto&& f) { f("convs", self.convs); }
};

}  // namespace minivit::inline MINIVIT_ABI
