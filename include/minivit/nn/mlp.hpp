// The feed-forward brick of an encoder block.
#pragma once

#include "minivit/nn/activation.hpp"
#include "minivit/nn/dropout.hpp"
#include "minivit/nn/layer_norm.hpp"
#include "minivit/nn/linear.hpp"
#include "minivit/ops/gelu.hpp"
#include "minivit/ops/linear_fused.hpp"
#include "minivit/ops/residual.hpp"
#include "minivit/ops/swiglu.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = fc2(gelu(fc1(x))), x and y (..., C), with dropout after both layers; or with another activation.
struct MLP {
  Linear fc1;  // (hidden, C)
  Linear fc2;  // (C, hidden), for swiglu (C, hidden / 2)
  Dropout drop;
  Activation activation = Activation::gelu;

  MLP() = default;
  MLP(std::int64_t C, std::int64_t hidden, float dropout = 0.0f, Activation kind = Activation::gelu)
      : fc1(C, hidden),
        fc2(kind == Activation::swiglu ? hidden / 2 : hidden, C),
        drop{dropout},
        activation(kind) {}

  Var operator()(const Var& x) const { return from_hidden(fc1(x)); }

  /// (*this)(norm(x)) [+ residual], with the norm and the sum as parts of the products.
  Var after(const LayerNorm& norm, const Var& x, const Var& residual = {}) const {
    return from_hidden(norm.then(fc1, x), residual);
  }

  /// What follows fc1: u (..., hidden) -> (..., C) [+ residual].
  Var from_hidden(const Var& u, const Var& residual = {}) const {
    const bool drops = is_training() && drop.p > 0.0f;
    if (activation == Activation::swiglu && !drops) return fc2(swiglu(u), residual);
    if (!drops) return gelu_linear(u, fc2.weight_in_use(), fc2.bias, residual);
    const Var y = drop(fc2(drop(activation == Activation::swiglu ? swiglu(u) : gelu(u))));
    return residual.defined() ? minivit::residual(residual, y, {}, 0.0f) : y;
  }

  static void visit(auto& self, auto&& f) {
    f("fc1", self.fc1);
    f("fc2", self.fc2);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
