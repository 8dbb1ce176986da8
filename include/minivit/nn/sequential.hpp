// Layers one after the other.
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include "minivit/nn/module.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Applies its layers in turn: `Sequential{Linear(64, 32), [](const Var& x) { return relu(x); }, Linear(32,
/// 10)}`. A layer is anything that takes and returns a Var; parameters are named by position, as "0.weight",
/// "2.bias".
template <class... Layers>
struct Sequential {
  std::tuple<Layers...> layers;

  Sequential() = default;
  explicit Sequential(Layers... all) requires(sizeof...(Layers) > 0) : layers(std::move(all)...) {}

  Var operator()(Var x) const {
    std::apply([&](const Layers&... layer) { ((x = layer(x)), ...); }, layers);
    return x;
  }

  static void visit(auto& self, auto&& f) {
    int i = 0;
    const auto one = [&]<class Layer>(Layer& layer) {
      if constexpr (requires { std::remove_const_t<Layer>::visit(layer, f); }) f(std::to_string(i), layer);
      ++i;
    };
    std::apply([&](auto&... layer) { (one(layer), ...); }, self.layers);
  }
};

}  // namespace minivit::inline MINIVIT_ABI
