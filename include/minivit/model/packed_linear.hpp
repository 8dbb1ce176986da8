// A linear layer packed for prediction, with the layer norm before it and the LayerScale behind it folded in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "minivit/ops/linear_fused.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Rows normalized to mean 0 and variance 1, without gamma and beta. Their statistics are computed while the
/// product packs them: prediction needs them only once.
struct NormalizingRows {
  const float* x;
  std::int64_t C;
  float eps;

  RowMap map() const {
    return {
        [](const void* context, std::int64_t i, std::int64_t, std::int64_t n, const float* row, float* out) {
          const auto& self = *static_cast<const NormalizingRows*>(context);
          const auto [mean, rstd] = row_statistics(self.C, self.x + i * self.C, self.eps);
          kernels::map(
              n, out, [mean = mean, rstd = rstd](kernels::Vec v) { return (v - mean) * rstd; }, row);
        },
        this};
  }
};

/// The weights of a linear layer as the matrix product reads them: made once, used by many predictions.
/// Immutable, and so safe for many threads.
class PackedLinear {
 public:
  PackedLinear() = default;

  /// For y = scale · (weight (gamma · x + beta) + bias), with weight (N, ...) of N rows, bias and scale (N),
  /// gamma and beta (C); all but the weight may be empty tensors. gamma and beta are those of a layer norm
  /// before the layer, scale is that of a LayerScale behind it.
  explicit PackedLinear(const Tensor& weight, const Tensor& bias, const Tensor& gamma = {},
                        const Tensor& beta = {}, const Tensor& scale = {})
      : bias_(Tensor::zeros({weight.size(0)})) {
    const std::int64_t N = weight.size(0), C = weight.numel() / std::max<std::int64_t>(1, N);
    Tensor folded = Tensor::empty({N, C});
    for (std::int64_t i = 0; i < N; ++i) {
      const float* const w = weight.data() + i * C;
      const float s = scale.defined() ? scale.data()[i] : 1.0f;
      double sum = bias.defined() ? bias.data()[i] : 0.0f;
      for (std::int64_t c = 0; c < C; ++c) {
        if (beta.defined()) sum += double{w[c]} * beta.data()[c];
        folded.data()[i * C + c] = w[c] * (gamma.defined() ? gamma.data()[c] * s : s);
      }
      bias_.data()[i] = static_cast<float>(sum * s);
    }
    weight_ = kernels::PackedMatrix(C, N, MatrixView::rows(folded.data(), C).transposed());
  }

  /// x (..., C) -> (..., N) [+ residual (..., N)].
  Tensor operator()(const Tensor& x, const Tensor& residual = {}) const {
    return product(MatrixView::rows(x.data(), C()), x.shape(), residual);
  }

  /// The same of x normalized to mean 0 and variance 1; gamma and beta are in the weights.
  Tensor after_norm(const Tensor& x, float eps) const {
    const NormalizingRows rows{x.data(), C(), eps};
    return product(MatrixView::rows(x.data(), C(), rows.map()), x.shape(), {});
  }

  /// The same of gelu(x).
  Tensor after_gelu(const Tensor& x, const Tensor& residual) const {
    return product(MatrixView::rows(x.data(), C(), gelu_rows()), x.shape(), residual);
  }

  /// The patches of P × P pixels of images (B, channels, H, W) -> (B, patches, N).
  Tensor of_patches(const Tensor& images, std::int64_t P) const {
    const PatchRows patches(images, P);
    return product(patches.view(), {images.size(0), patches.per_image(), C()}, {});
  }

 private:
  std::int64_t C() const { return weight_.K(); }

  /// Rows x (..., C), which have the shape `x_shape`.
  Tensor product(const MatrixView& x, const Shape& x_shape, const Tensor& residual) const {
    Tensor y = Tensor::empty(x_shape.with(-1, weight_.N()));
    kernels::gemm(x_shape.with(-1, 1).numel(), x, weight_, y.data(), weight_.N(),
                  {.bias = bias_.data(), .plus = residual.data()});
    return y;
  }

  kernels::PackedMatrix weight_;  // (C, N)
  Tensor bias_;                   // (N)
};

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
