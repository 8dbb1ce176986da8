// All trained weights of a model in one piece of memory.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "minivit/nn/module.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Values and gradients of all trainable parameters, one behind the other: clipping, the optimizer and the
/// moving average are a single loop each. The model's parameters are views into it, so it must not outlive
/// its use by the model's (both may be moved; a copy of the model is independent).
struct ParameterArena {
  /// Where a parameter lies: [begin, begin + its number of elements). Padding behind it is 0 and stays 0.
  struct Slot {
    std::string name;
    std::int64_t begin;
    Shape shape;
    bool decay;
  };

  /// Parameters that the optimizer treats alike: elements [begin, end).
  struct Group {
    std::int64_t begin, end;
    bool decay;
    float lr_scale;
  };

  Tensor values, grads;       // (n)
  std::vector<Slot> slots;    // those with weight decay first
  std::vector<Group> groups;  // one behind the other, all of the arena
  std::int64_t decayed = 0;   // elements [0, decayed) have weight decay, the others have not

  std::int64_t size() const { return values.numel(); }

  /// Sets all gradients to 0.
  void zero_grad() { grads.fill(0.0f); }
};

/// Moves the trainable parameters of a module into one arena. Call it once, before making an optimizer.
inline ParameterArena flatten(const std::vector<NamedParameter>& all) {
  // A parameter starts at a multiple of 16 floats: a cache line, a register.
  constexpr std::int64_t kAlign = 16;
  ParameterArena arena;
  std::vector<NamedParameter> parameters;
  for (const NamedParameter& entry : all)
    if (entry.parameter->trainable) parameters.push_back(entry);
  // The order of the model, but those that are treated alike together: with decay first, fast ones first.
  std::stable_sort(parameters.begin(), parameters.end(), [](const auto& a, const auto& b) {
    const Parameter &p = *a.parameter, &q = *b.parameter;
    return p.decay != q.decay ? p.decay : p.lr_scale > q.lr_scale;
  });
  std::int64_t n = 0;
  for (const auto& [name, p] : parameters) {
    arena.slots.push_back({name, n, p->value.shape(), p->decay});
    auto& groups = arena.groups;
    if (groups.empty() || groups.back().decay != p->decay || groups.back().lr_scale != p->lr_scale)
      groups.push_back({n, n, p->decay, p->lr_scale});
    n += (p->value.numel() + kAlign - 1) / kAlign * kAlign;
    groups.back().end = n;
    if (p->decay) arena.decayed = n;
  }
  arena.values = Tensor::zeros({n});
  arena.grads = Tensor::zeros({n});
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Parameter& p = *parameters[i].parameter;
    const ParameterArena::Slot& slot = arena.slots[i];
    Tensor value = arena.values.view(slot.begin, slot.shape);
    value.copy_from(p.value);
    p.value = value;
    p.grad = arena.grads.view(slot.begin, slot.shape);
  }
  return arena;
}
template <class Module>
ParameterArena flatten(Module& module) {
  return flatten(named_parameters(module));
}

}  // namespace minivit::inline MINIVIT_ABI
