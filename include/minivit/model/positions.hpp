// Position embeddings: fixed ones, and how learned ones are interpolated (model/resample.hpp).
#pragma once

#include <cstdint>

#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// (1, prefix + rows · columns, C): for each patch a quarter of the channels each of sin x·w, cos x·w, sin
/// y·w, cos y·w, with C/4 frequencies w from 1 down to 1/10000; zeros for the `prefix` tokens in front. C
/// divisible by 4 and ≥ 8. L. Beyer et al., "Better plain ViT baselines for ImageNet-1k", arXiv:2205.01580.
[[nodiscard]] Tensor sincos_positions(std::int64_t rows, std::int64_t columns, std::int64_t C,
                                      std::int64_t prefix);

/// How positions are interpolated: bicubic with half-pixel centers, as timm and transformers' DINOv2 with
/// registers (antialiased, a = -0.5), or as transformers' other models (a = -0.75). PyTorch's
/// interpolate(mode="bicubic") with antialias true or false.
enum class PositionFilter { timm, transformers };

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cmath>

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Tensor sincos_positions(std::int64_t rows, std::int64_t columns, std::int64_t C,
                                       std::int64_t prefix) {
  const std::int64_t quarter = C / 4;
  Tensor t = Tensor::zeros({1, prefix + rows * columns, C});
  for (std::int64_t y = 0; y < rows; ++y)
    for (std::int64_t x = 0; x < columns; ++x)
      for (std::int64_t k = 0; k < quarter; ++k) {
        const double w = std::pow(10000.0, -static_cast<double>(k) / static_cast<double>(quarter - 1));
        float* out = t.data() + (prefix + y * columns + x) * C + k;
        out[0] = static_cast<float>(std::sin(static_cast<double>(x) * w));
        out[quarter] = static_cast<float>(std::cos(static_cast<double>(x) * w));
        out[2 * quarter] = static_cast<float>(std::sin(static_cast<double>(y) * w));
        out[3 * quarter] = static_cast<float>(std::cos(static_cast<double>(y) * w));
      }
  return t;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
