// Activation checkpointing: of a part of the model only the input is kept, the rest is computed again when
// its gradient is due (T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174).
// Costs one more forward pass of that part, a third of a step, and saves nearly all that it would have kept.
#pragma once

#include <utility>

#include "minivit/autograd/tape.hpp"
#include "minivit/core/rng.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = f(x), for a function of one variable (a layer, a block) that gives the same result when it is called
/// again; dropout draws the same masks. `f` is copied: pass a module by reference, as
///   recompute([&block](const Var& x) { return block(x); }, x)
/// and let it live until the backward pass is over. The gradients have the same bits as those of f(x) itself.
/// Where x needs no gradient, nothing is saved.
template <class F>
Var recompute(const F& f, const Var& x) {
  if (!grad_enabled() || !x.requires_grad()) return f(x);
  const Generator draws = Generator::local();
  const bool training = is_training();
  Tensor y = [&] {
    const NoGrad keep_nothing;
    return f(x).value();
  }();
  return Tape::local().record(std::move(y), {&x}, [f, x, draws, training](Tape& tape, const Tensor& dy) {
    const Training mode(training);
    const Generator now = std::exchange(Generator::local(), draws);
    tape.replay([&] { return f(x); }, dy);
    Generator::local() = now;
  });
}

}  // namespace minivit::inline MINIVIT_ABI
