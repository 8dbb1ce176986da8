// Sequence pooling: a mean of tokens with learned weights.
#pragma once

#include "minivit/nn/linear.hpp"
#include "minivit/ops/matmul.hpp"
#include "minivit/ops/rearrange.hpp"
#include "minivit/ops/softmax.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = softmax(score(x))ᵀ x, x (B, N, C) -> (B, C): each token says how much it counts. A. Hassani et al.,
/// arXiv:2104.05704.
struct SequencePooling {
  Linear score;  // (1, C)

  SequencePooling() = default;
  explicit SequencePooling(std::int64_t C) : score(C, 1) {}

  Var operator()(const Var& x) const {
    const std::int64_t B = x.size(0), N = x.size(1), C = x.size(2);
    const Var weights = softmax(reshape(score(x), {B, 1, N}));
    return reshape(matmul(weights, x), {B, C});
  }

  static void visit(auto& self, auto&& f) { Linear::visit(self.score, f); }
};

}  // namespace minivit::inline MINIVIT_ABI
