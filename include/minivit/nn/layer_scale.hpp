// A learned factor for each channel of a residual branch (H. Touvron et al., arXiv:2103.17239).
#pragma once

#include "minivit/nn/module.hpp"
#include "minivit/ops/arithmetic.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = x · gamma; without a gamma x itself.
struct LayerScale {
  Parameter gamma;  // (C), or empty

  LayerScale() = default;

  /// `initial` is the factor to start with; 0 makes a layer without gamma.
  LayerScale(std::int64_t C, float initial) {
    if (initial != 0.0f) gamma = Parameter(Tensor::full({C}, initial));
  }

  Var operator()(const Var& x) const { return gamma.defined() ? mul(x, gamma) : x; }

  static void visit(auto& self, auto&& f) { f("gamma", self.gamma); }
};

}  // namespace minivit::inline MINIVIT_ABI
