// Layer normalization with learned scale and shift.
#pragma once

#include "minivit/nn/linear.hpp"
#include "minivit/ops/layer_norm.hpp"
#include "minivit/ops/linear_fused.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Normalizes the last axis: x (..., C) -> (..., C).
struct LayerNorm {
  Parameter weight;  // gamma (C), starts as 1
  Parameter bias;    // beta (C), starts as 0
  float eps = 1e-6f;

  LayerNorm() = default;
  explicit LayerNorm(std::int64_t C, float epsilon = 1e-6f)
      : weight(Tensor::full({C}, 1.0f)), bias(Tensor::zeros({C})), eps(epsilon) {}

  Var operator()(const Var& x) const { return layer_norm(x, weight, bias, eps); }

  /// next((*this)(x)), without storing what is in between.
  Var then(const Linear& next, const Var& x) const {
    return norm_linear(x, weight, bias, eps, next.weight_in_use(), next.bias);
  }

  static void visit(auto& self, auto&& f) {
    f("weight", self.weight);
    f("bias", self.bias);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
