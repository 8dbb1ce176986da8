// Activation checkpointing (T. Chen et al., "Training Deep Nets with Sublinear Memory Cost",
// arXiv:1604.06174): of a part of the model only the input is kept, the rest is computed again when its
// gradient is due. It costs one more forward pass of that part, a third of a step, and saves nearly all the
// memory that the part would have kept.
#pragma once

#include <utility>

#include "minivit/autograd/tape.hpp"
#include "minivit/core/rng.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// While it lives, the thread draws from a copy of another generator, then from its own again.
class DrawFrom {
 public:
  explicit DrawFrom(const Generator& other) : own_(std::exchange(Generator::local(), other)) {}
  ~DrawFrom() { Generator::local() = own_; }
  DrawFrom(const DrawFrom&) = delete;
  DrawFrom& operator=(const DrawFrom&) = delete;

 private:
  Generator own_;
};

}  // namespace detail

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
    const detail::DrawFrom same_masks(draws);
    tape.replay([&] { return f(x); }, dy);
  });
}

}  // namespace minivit::inline MINIVIT_ABI
