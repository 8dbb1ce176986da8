// A fully connected layer.
#pragma once

#include <cmath>

#include "minivit/nn/init.hpp"
#include "minivit/nn/lora.hpp"
#include "minivit/ops/linear.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y (..., out) = x (..., in) · weightᵀ + bias.
struct Linear {
  Parameter weight;  // (out, in)
  Parameter bias;    // (out), or empty
  Lora lora;         // an adapter on the weight, or empty

  Linear() = default;

  /// Weights and biases start uniform in ±1/√in, as PyTorch's.
  Linear(std::int64_t in, std::int64_t out, bool with_bias = true) : weight(Tensor::empty({out, in}), true) {
    const float limit = 1.0f / std::sqrt(static_cast<float>(in));
    init_uniform(weight.value, limit);
    if (!with_bias) return;
    bias = Parameter(Tensor::empty({out}));
    init_uniform(bias.value, limit);
  }

  /// x (..., in) -> (..., out) [+ residual].
  Var operator()(const Var& x, const Var& residual = {}) const {
    return linear(x, weight_in_use(), bias, residual);
  }

  /// The weight, with the adapter's part if there is one.
  Var weight_in_use() const { return lora.on(weight); }

  /// Makes the adapter's part one with the weight.
  void merge_lora() {
    if (!lora.defined()) return;
    const NoGrad values_only;
    weight.value.copy_from(weight_in_use().value());
    lora = {};
  }

  static void visit(auto& self, auto&& f) {
    f("weight", self.weight);
    f("bias", self.bias);
    f("lora", self.lora);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
