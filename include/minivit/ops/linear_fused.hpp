// Linear layers fused with what stands before them: a normalization, an activation, the cutting into patches.
//
// Their input is computed while it is packed for the product, so it is never written to memory.
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = linear(layer_norm(x, gamma, beta, eps), weight, bias), for x (..., C), gamma and beta (C), weight (N,
/// C), bias (N) or empty. Throws ShapeError as these two.
[[nodiscard]] Var norm_linear(const Var& x, const Var& gamma, const Var& beta, float eps, const Var& weight,
                              const Var& bias = {});

/// y = linear(gelu(x), weight, bias) [+ residual], for x (..., C), weight (N, C), bias (N) or empty, residual
/// (..., N) or empty. Throws ShapeError if the shapes do not fit.
[[nodiscard]] Var gelu_linear(const Var& x, const Var& weight, const Var& bias = {},
                              const Var& residual = {});

/// y (B, N, C) = linear(patchify(images, P), weight as (C, channels·P·P), bias): a convolution with stride P,
/// for images (B, channels, H, W) and weight (C, channels, P, P). Throws ShapeError if the shapes do not fit.
[[nodiscard]] Var patch_linear(const Var& images, const Var& weight, const Var& bias = {});

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/ops/defined.hpp"
#include "minivit/ops/gelu.hpp"
#include "minivit/ops/layer_norm.hpp"
#include "minivit/ops/linear.hpp"
#include "minivit/ops/patchify.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::RowMap, kernels::TileMap, kernels::Vec;

/// Rows as layer_norm makes them.
struct NormalizedRows {
  const float *statistics, *gamma, *beta;  // (rows, 2), (C), (C)

  RowMap map() const {
    return {[](const void* context, std::int64_t i, std::int64_t begin, std::int64_t n, const float* x,
               float* out) {
              const auto& self = *static_cast<const NormalizedRows*>(context);
              const float mean = self.statistics[2 * i], rstd = self.statistics[2 * i + 1];
              kernels::map(
                  n, out, [=](Vec v, Vec g, Vec b) { return (v - mean) * rstd * g + b; }, x,
                  self.gamma + begin, self.beta + begin);
            },
            this};
  }
};

/// Rows as gelu makes them.
inline RowMap gelu_rows() {
  return {[](const void*, std::int64_t, std::int64_t, std::int64_t n, const float* x, float* out) {
            kernels::map(n, out, gelu_forward, x);
          },
          nullptr};
}

/// c · gelu'(x), piece by piece as the product completes it.
struct GeluBackward {
  const float* x;  // (rows, C)
  std::int64_t C;

  TileMap map() const {
    return {[](const void* context, const TileMap::Piece& piece) {
              const auto& self = *static_cast<const GeluBackward*>(context);
              for (std::int64_t r = 0; r < piece.rows; ++r)
                kernels::map_to(
                    piece.mode, piece.columns, piece.c + r * piece.c_stride,
                    [](Vec g, Vec v) { return g * gelu_derivative(v); }, piece.tile + r * piece.tile_stride,
                    self.x + (piece.i + r) * self.C + piece.j);
            },
            this, x};
  }
};

}  // namespace detail

MINIVIT_INLINE Var norm_linear(const Var& x, const Var& gamma, const Var& beta, float eps, const Var& weight,
                               const Var& bias) {
  using kernels::MatrixView;
  detail::check_layer_norm("norm_linear", x, gamma, beta);
  const detail::LinearShape s("norm_linear", x, weight, bias, {});
  const Tensor statistics = detail::row_statistics(s.rows, s.C, x.data(), eps);
  const detail::NormalizedRows rows{statistics.data(), gamma.data(), beta.data()};
  return Tape::local().record(
      detail::linear_forward(s, MatrixView::rows(x.data(), s.C, rows.map()), weight, bias, {}),
      {&x, &gamma, &beta, &weight, &bias},
      [x, gamma, beta, weight, bias = bias.edge(), statistics, s](Tape& tape, const Tensor& dy) {
        const detail::NormalizedRows again{statistics.data(), gamma.data(), beta.data()};
        detail::linear_weight_gradients(tape, s, MatrixView::rows(x.data(), s.C, again.map()), dy,
                                        weight.edge(), bias);
        if (!x.requires_grad() && !gamma.requires_grad() && !beta.requires_grad()) return;
        Tensor dn = Tensor::empty(x.shape());  // of the normalized rows: dy W
        kernels::gemm(s.rows, s.C, s.N, MatrixView::rows(dy.data(), s.N),
                      MatrixView::rows(weight.data(), s.C), dn.data(), s.C);
        detail::layer_norm_gradients(tape, s.rows, s.C, x, gamma, beta.edge(), statistics, dn);
      });
}

MINIVIT_INLINE Var gelu_linear(const Var& x, const Var& weight, const Var& bias, const Var& residual) {
  using kernels::MatrixView, kernels::Vec;
  const detail::LinearShape s("gelu_linear", x, weight, bias, residual);
  return Tape::local().record(
      detail::linear_forward(s, MatrixView::rows(x.data(), s.C, detail::gelu_rows()), weight, bias, residual),
      {&x, &weight, &bias, &residual},
      [x, weight, bias = bias.edge(), residual = residual.edge(), s](Tape& tape, const Tensor& dy) {
        if (residual.requires_grad()) tape.pass(residual, dy);
        detail::linear_weight_gradients(tape, s, MatrixView::rows(x.data(), s.C, detail::gelu_rows()), dy,
                                        weight.edge(), bias);
        const Sink dx = tape.sink(x);
        if (!dx) return;
        const detail::GeluBackward derivative{x.data(), s.C};
        Tensor dh =
            dx.add ? Tensor::empty(x.shape()) : Tensor();  // only if there is already a gradient to add to
        kernels::gemm(s.rows, s.C, s.N, MatrixView::rows(dy.data(), s.N),
                      MatrixView::rows(weight.data(), s.C), dx.add ? dh.data() : dx.data, s.C,
                      {.finish = derivative.map()});
        if (dx.add)
          dx.write_all(
              x.numel(), [](Vec g) { return g; }, dh.data());
      });
}

MINIVIT_INLINE Var patch_linear(const Var& images, const Var& weight, const Var& bias) {
  using kernels::MatrixView;
  detail::check_defined("patch_linear", "images", images);
  detail::check_defined("patch_linear", "weight", weight);
  check<ShapeError>(weight.rank() == 4 && weight.size(2) == weight.size(3), "patch_linear: weight is ",
                    weight.shape(), ", expected (C, channels, P, P)");
  const std::int64_t C = weight.size(0), P = weight.size(3);
  detail::check_patches("patch_linear", images.shape(), P);
  check<ShapeError>(images.size(1) == weight.size(1), "patch_linear: weight is ", weight.shape(),
                    ", expected (*, ", images.size(1), ", P, P) to match images ", images.shape());
  const detail::PatchRows patches(images.value(), P);
  detail::LinearShape s("patch_linear", patches.rows(), patches.length(), C, bias);
  s.result = Shape{images.size(0), patches.per_image(), C};
  Tensor y = detail::linear_forward(s, patches.view(), weight, bias, {});
  return Tape::local().record(std::move(y), {&images, &weight, &bias},
                              [images, weight, bias = bias.edge(), s, P](Tape& tape, const Tensor& dy) {
                                const detail::PatchRows again(images.value(), P);
                                detail::linear_weight_gradients(tape, s, again.view(), dy, weight.edge(),
                                                                bias);
                                if (const Sink dx = tape.sink(images)) {
                                  Tensor dp = Tensor::empty({s.rows, s.C});
                                  kernels::gemm(s.rows, s.C, s.N, MatrixView::rows(dy.data(), s.N),
                                                MatrixView::rows(weight.data(), s.C), dp.data(), s.C);
                                  detail::add_patches(images.shape(), P, dp.data(), dx);
                                }
                              });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
