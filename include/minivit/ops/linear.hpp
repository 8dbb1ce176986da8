// y = x Wᵀ + b                                    x: (..., C)   W: (N, C)   b: (N)   y: (..., N)
#pragma once

#include <algorithm>
#include <utility>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/gemm.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The weights of a linear layer, packed once for many predictions, together with what stands around the
/// layer. Only prediction uses it; whoever changes the weights makes it anew. A copy of a layer is a layer of
/// its own: it has none.
struct PackedLinear {
  kernels::PackedMatrix weight;  // (C, N)
  Tensor bias;                   // (N), or nothing

  // Not inlined, like everything that exists once for each layer of a model.
  [[gnu::noinline]] PackedLinear() = default;
  [[gnu::noinline]] PackedLinear(const PackedLinear&) {}
  [[gnu::noinline]] PackedLinear(PackedLinear&&) noexcept = default;
  [[gnu::noinline]] ~PackedLinear() = default;
  [[gnu::noinline]] PackedLinear& operator=(PackedLinear other) noexcept {
    weight = std::move(other.weight);
    bias = std::move(other.bias);
    return *this;
  }

  /// For y = scale · (weight (gamma · x + beta) + bias), with weight (N, C), bias and scale (N), gamma and
  /// beta (C); all but the weight may be empty tensors. gamma and beta are those of a normalization in front,
  /// scale of a LayerScale behind.
  [[gnu::noinline]] PackedLinear(const Tensor& weight, const Tensor& bias, const Tensor& gamma = {},
                                 const Tensor& beta = {}, const Tensor& scale = {}) {
    const std::int64_t N = weight.size(0), C = weight.numel() / std::max<std::int64_t>(1, N);
    Tensor folded = Tensor::empty({N, C});
    Tensor shift = Tensor::zeros({N});
    for (std::int64_t i = 0; i < N; ++i) {
      const float* const w = weight.data() + i * C;
      const float s = scale.defined() ? scale(i) : 1.0f;
      double sum = bias.defined() ? bias(i) : 0.0f;
      for (std::int64_t c = 0; c < C; ++c) {
        if (beta.defined()) sum += double{w[c]} * beta(c);
        folded(i, c) = w[c] * (gamma.defined() ? gamma(c) * s : s);
      }
      shift(i) = static_cast<float>(sum * s);
    }
    this->weight = kernels::PackedMatrix(C, N, kernels::MatrixView::rows(folded.data(), C).transposed());
    this->bias = std::move(shift);
  }

  explicit operator bool() const { return static_cast<bool>(weight); }
};

namespace detail {

using kernels::MatrixView;

/// What is packed, if it is there and nothing is recorded: gradients need the weights themselves.
inline const PackedLinear* usable(const PackedLinear* packed) {
  return packed && *packed && !grad_enabled() ? packed : nullptr;
}

/// The sizes of a linear layer. Throws ShapeError, in the name of `op`, if the shapes do not fit.
struct LinearShape {
  std::int64_t rows, C, N;
  Shape result;

  LinearShape(const char* op, const Var& x, const Var& weight, const Var& bias, const Var& residual) {
    check<ShapeError>(x.rank() >= 1, op, ": x is ", x.shape(), ", expected (..., C)");
    C = x.size(-1);
    check<ShapeError>(weight.rank() == 2 && weight.size(1) == C, op, ": weight is ", weight.shape(),
                      ", expected (*, ", C, ") to match x ", x.shape());
    *this = LinearShape(op, C == 0 ? x.shape().with(-1, 1).numel() : x.numel() / C, C, weight.size(0), bias);
    result = x.shape().with(-1, N);
    check<ShapeError>(!residual.value().defined() || residual.shape() == result, op, ": residual is ",
                      residual.shape(), ", expected ", result, " to match x ", x.shape(), " and weight ",
                      weight.shape());
  }

  /// x and weight are known to fit.
  LinearShape(const char* op, std::int64_t rows, std::int64_t C, std::int64_t N, const Var& bias)
      : rows(rows), C(C), N(N) {
    check<ShapeError>(!bias.value().defined() || bias.shape() == Shape{N}, op, ": bias is ", bias.shape(),
                      ", expected (", N, ") to match weight (", N, ", ", C, ")");
  }
};

/// y = x Wᵀ + b + residual; x (rows, C) may be a function of what is in memory.
inline Tensor linear_forward(const LinearShape& s, const MatrixView& x, const Var& weight, const Var& bias,
                             const Var& residual, const PackedLinear* packed) {
  Tensor y = Tensor::empty(s.result);
  if (packed) {
    kernels::gemm(s.rows, x, packed->weight, y.data(), s.N,
                  {.bias = packed->bias.data(), .plus = residual.data()});
    return y;
  }
  kernels::gemm(s.rows, s.N, s.C, x, MatrixView::rows(weight.data(), s.C).transposed(), y.data(), s.N,
                {.bias = bias.data(), .plus = residual.data()});
  return y;
}

/// dW = dyᵀ x, and on the way db = Σ rows of dy.
inline void linear_weight_gradients(Tape& tape, const LinearShape& s, const MatrixView& x, const Tensor& dy,
                                    const Edge& weight, const Edge& bias) {
  const MatrixView dy_transposed = MatrixView::rows(dy.data(), s.N).transposed();
  Sink db = tape.sink(bias);
  if (db) db.start_from_zero(s.N);
  const Sink dw = tape.sink(weight);
  if (dw) kernels::gemm(s.N, s.C, s.rows, dy_transposed, x, dw.data, s.C, {.add = dw.add, .sums = db.data});
  if (db && (!dw || s.C == 0)) kernels::add_sums(s.N, s.C, s.rows, dy_transposed, db.data);
}

}  // namespace detail

/// y (..., N) = x (..., C) · weightᵀ + bias [+ residual], for weight (N, C), bias (N) and residual (..., N);
/// an empty bias or residual (`Var{}`) means none. `packed` is the same layer for prediction, or nothing.
/// Throws ShapeError if the shapes do not fit.
inline Var linear(const Var& x, const Var& weight, const Var& bias = {}, const Var& residual = {},
                  const PackedLinear* packed = nullptr) {
  using kernels::MatrixView;
  const detail::LinearShape s("linear", x, weight, bias, residual);
  return Tape::local().record(
      detail::linear_forward(s, MatrixView::rows(x.data(), s.C), weight, bias, residual,
                             detail::usable(packed)),
      {&x, &weight, &bias, &residual},
      [x, weight, bias = bias.edge(), residual = residual.edge(), s](Tape& tape, const Tensor& dy) {
        if (residual.requires_grad()) tape.pass(residual, dy);
        if (const Sink dx = tape.sink(x))  // dx = dy W
          kernels::gemm(s.rows, s.C, s.N, MatrixView::rows(dy.data(), s.N),
                        MatrixView::rows(weight.data(), s.C), dx.data, s.C, {.add = dx.add});
        detail::linear_weight_gradients(tape, s, MatrixView::rows(x.data(), s.C), dy, weight.edge(), bias);
      });
}

}  // namespace minivit::inline MINIVIT_ABI
