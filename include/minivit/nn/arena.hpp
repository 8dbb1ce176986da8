// All trained weights of a model in one piece of memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minivit/nn/module.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Values and gradients of all trainable parameters, one behind the other: clipping, the optimizer and the
/// moving average are a single loop each. The model's parameters are views into it. It is a handle, as a
/// tensor is: copies share the memory, which lives as long as the last of model, arena, optimizer and
/// average. Each of them may be moved; a copy of the model is independent.
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

  [[nodiscard]] std::int64_t size() const { return values.numel(); }

  /// Sets all gradients to 0.
  void zero_grad() { grads.fill(0.0f); }
};

/// Moves the trainable ones of these parameters into one arena. Call it once, before making an optimizer. A
/// parameter that is listed under two names (tied weights) lies there once, under the first. Throws Error if
/// the parameters lie in an earlier arena that is still in use, whose optimizer would train nothing from now
/// on, and if two parameters share their values in any other way.
[[nodiscard]] ParameterArena flatten(const std::vector<NamedParameter>& all);

/// The same for all parameters of a module.
template <class Module>
[[nodiscard]] ParameterArena flatten(Module& module) {
  return flatten(named_parameters(module));
}

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Those of `all` that name a parameter for the first time.
inline std::vector<NamedParameter> without_repetitions(const std::vector<NamedParameter>& all) {
  std::vector<NamedParameter> once;
  for (const NamedParameter& entry : all)
    if (std::ranges::find(once, entry.parameter, &NamedParameter::parameter) == once.end())
      once.push_back(entry);
  return once;
}

/// Throws Error if two of these parameters have elements in common: they would part.
inline void check_apart(std::vector<NamedParameter> parameters) {
  const auto begin = [](const NamedParameter& entry) -> const float* {
    return entry.parameter->value.data();
  };
  std::erase_if(parameters, [](const auto& entry) { return entry.parameter->value.numel() == 0; });
  std::ranges::sort(parameters, std::less<>(), begin);
  for (std::size_t i = 1; i < parameters.size(); ++i)
    check(
        begin(parameters[i - 1]) + parameters[i - 1].parameter->value.numel() <= begin(parameters[i]),
        "flatten: ", parameters[i - 1].name, " and ", parameters[i].name,
        " share their values; tie weights by visiting one Parameter under both names, or clone() one value");
}

/// Throws Error if anybody but these parameters holds one of their gradients, an earlier arena above all.
inline void check_free(const std::vector<NamedParameter>& parameters) {
  std::map<const void*, std::int64_t, std::less<>> own;  // memory -> gradients of these in it
  for (const auto& [name, p] : parameters) ++own[p->grad.storage()];
  for (const auto& [name, p] : parameters)
    check(p->grad.use_count() <= own[p->grad.storage()], "flatten: the gradient of ", name,
          " is in use: by an earlier arena of this model, its optimizer, or a forward pass that was not run "
          "backwards. Flatten a model once and use that arena, or let the earlier one end before");
}

}  // namespace detail

MINIVIT_INLINE ParameterArena flatten(const std::vector<NamedParameter>& all) {
  // A parameter starts at a multiple of 16 floats: a cache line, a register.
  constexpr std::int64_t kAlign = 16;
  ParameterArena arena;
  std::vector<NamedParameter> parameters = detail::without_repetitions(all);
  detail::check_apart(parameters);
  detail::check_free(parameters);
  std::erase_if(parameters, [](const NamedParameter& entry) { return !entry.parameter->trainable; });
  // The order of the model, but those that are treated alike together: with decay first, fast ones first.
  std::ranges::stable_sort(parameters, [](const NamedParameter& a, const NamedParameter& b) {
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

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
