// Layer normalisation with learned scale and shift.
#pragma once

#include "minivit/nn/module.hpp"
#include "minivit/ops/layer_norm.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Normalises the last axis: x (..., C) -> (..., C).
struct LayerNorm {
  Parameter weight;  // gamma (C), starts as 1
  Parameter bias;    // beta (C), starts as 0
  float eps = 1e-6f;

  LayerNorm() = default;
  explicit LayerNorm(std::int64_t C, float eps = 1e-6f)
      : weight(Tensor::full({C}, 1.0f)), bias(Tensor::zeros({C})), eps(eps) {}

  Var operator()(const Var& x) const { return layer_norm(x, weight, bias, eps); }

  static void visit(auto& self, auto&& f) {
    f("weight", self.weight);
    f("bias", self.bias);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
