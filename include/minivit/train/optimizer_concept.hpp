// Concept of an optimizer.
#pragma once

#include <concepts>
#include <cstdint>
#include <vector>

#include "minivit/core/parallel.hpp"
#include "minivit/nn/arena.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What `train_epoch` and checkpoints ask of an optimizer. It is made from a `ParameterArena`, which it
/// keeps: the handle, so that the arena may be moved or end before.
///
/// step(lr, scale, clear): one step with learning rate `lr` from the gradients times `scale` (a clipping
///   factor, say), which are set to 0 if `clear`. A group's `lr_scale` and `decay` are heeded.
/// steps(), set_steps(n): number of steps done.
/// state(): what resuming needs besides the weights and the number of steps: tensors (n) that share the
///   optimizer's memory, each with a name of its own.
template <class T>
concept Optimizer = requires(T optimizer, const T& constant, float lr, float scale, bool clear,
                             std::int64_t n) {
  optimizer.step(lr, scale, clear);
  optimizer.set_steps(n);
  { constant.steps() } -> std::same_as<std::int64_t>;
  { constant.state() } -> std::same_as<std::vector<NamedTensor>>;
};

namespace detail {

/// f(begin, count, weight decay of these, factor of their learning rate) for pieces of the arena, on all
/// threads. Pieces are whole vectors, since the arena is padded.
template <class F>
void for_each_piece(const ParameterArena& parameters, float weight_decay, const F& f) {
  constexpr std::int64_t kPiece = 8192;
  for (const ParameterArena::Group& g : parameters.groups)
    parallel_for(g.end - g.begin, kPiece, [&](std::int64_t begin, std::int64_t end) {
      f(g.begin + begin, end - begin, g.decay ? weight_decay : 0.0f, g.lr_scale);
    });
}

/// The factor of the learning rate of a parameter.
inline float lr_scale_of(const ParameterArena& parameters, const ParameterArena::Slot& slot) {
  for (const ParameterArena::Group& g : parameters.groups)
    if (slot.begin < g.end) return g.lr_scale;
  return 1.0f;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
