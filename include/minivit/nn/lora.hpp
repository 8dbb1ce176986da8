// Low-rank adapters: a large weight is changed by a product of two thin ones, which alone are trained.
#pragma once

#include <cmath>

#include "minivit/nn/init.hpp"
#include "minivit/nn/module.hpp"
#include "minivit/ops/low_rank.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What is added to a linear layer's weight (N, C): scale · b · a (LoRA: E. J. Hu et al., arXiv:2106.09685).
/// Added to the weight, not to the layer's output: the layer stays one product.
struct Lora {
  Parameter a;  // (rank, C), or empty
  Parameter b;  // (N, rank)
  float scale = 1.0f;

  Lora() = default;

  /// Changes nothing at first: a uniform in ±1/√C, b zero. scale is alpha / rank.
  Lora(std::int64_t N, std::int64_t C, std::int64_t rank, float alpha)
      : a(Tensor::empty({rank, C}), true),
        b(Tensor::zeros({N, rank}), true),
        scale(alpha / static_cast<float>(rank)) {
    init_uniform(a.value, 1.0f / std::sqrt(static_cast<float>(C)));
  }

  bool defined() const { return a.defined(); }

  /// The weight with what is added to it.
  Var on(const Parameter& weight) const {
    return defined() ? low_rank_sum(weight, b, a, scale) : Var(weight);
  }

  static void visit(auto& self, auto&& f) {
    f("a", self.a);
    f("b", self.b);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
