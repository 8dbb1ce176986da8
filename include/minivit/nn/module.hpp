// What all layers have in common: nothing but a function that names their children.
//
// A module is any type with
//   static void visit(auto& self, auto&& f) { f("fc1", self.fc1); f("fc2", self.fc2); }
// where a child is a Parameter, a module, or a std::vector of modules. The one list of names serves the
// optimizer, the checkpoint and the summary. No base class: modules are values, and the compiler sees through
// them.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "minivit/nn/parameter.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A parameter and its place in a module, as "blocks.3.attn.qkv.weight".
struct NamedParameter {
  std::string name;
  Parameter* parameter;
};

namespace detail {

template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;

/// Visits a module and the modules in it, and notes every parameter that is there. One visitor for everything
/// that wants to know the parameters, so that each layer's `visit` is compiled once.
class ParameterCollector {
 public:
  template <class Child>
  void operator()(std::string_view part, Child& child) {
    descend(part, &child, [](ParameterCollector& self, void* c) { self.collect(*static_cast<Child*>(c)); });
  }

  template <class Child>
  void collect(Child& child) {
    if constexpr (std::same_as<Child, Parameter>) {
      note(child);
    } else if constexpr (kIsVector<Child>) {
      for (std::size_t i = 0; i < child.size(); ++i) (*this)(str_cat(i), child[i]);
    } else {
      Child::visit(child, *this);
    }
  }

  std::vector<NamedParameter> parameters;

 private:
  // What is the same for every type of child, compiled once.
  [[gnu::noinline]] void descend(std::string_view part, void* child,
                                 void (*collect)(ParameterCollector&, void*)) {
    const std::size_t length = prefix_.size();
    if (length > 0) prefix_ += '.';
    prefix_ += part;
    collect(*this, child);
    prefix_.resize(length);
  }

  [[gnu::noinline]] void note(Parameter& p) {
    if (p.defined()) parameters.push_back({prefix_, &p});
  }

  std::string prefix_;
};

}  // namespace detail

/// All parameters of `module` in the order in which its layers name them; names are joined with dots. The
/// pointers are valid as long as the module stays where it is.
template <class Module>
std::vector<NamedParameter> named_parameters(Module& module) {
  detail::ParameterCollector collector;
  collector.collect(module);
  return std::move(collector.parameters);
}

/// Calls f(name, parameter) for every parameter of `module`. Parameters are const if the module is.
template <class Module, class F>
void for_each_parameter(Module& module, F&& f) {
  using P = std::conditional_t<std::is_const_v<Module>, const Parameter, Parameter>;
  for (const NamedParameter& entry : named_parameters(const_cast<std::remove_const_t<Module>&>(module)))
    f(entry.name, static_cast<P&>(*entry.parameter));
}

/// Number of weights, or of those that are trained.
template <class Module>
std::int64_t parameter_count(const Module& module, bool trainable_only = false) {
  std::int64_t n = 0;
  for_each_parameter(module, [&](const std::string&, const Parameter& p) {
    if (p.trainable || !trainable_only) n += p.value.numel();
  });
  return n;
}

/// Gives every trainable parameter a gradient, so that operations on it are recorded: for gradients without
/// an optimizer. Training does it with `flatten`.
template <class Module>
void require_grad(Module& module) {
  for_each_parameter(module, [](const std::string&, Parameter& p) { p.require_grad(); });
}

/// Sets all gradients to 0.
template <class Module>
void zero_grad(Module& module) {
  for_each_parameter(module, [](const std::string&, auto& p) {
    if (p.grad.defined()) p.grad.fill(0.0f);
  });
}

}  // namespace minivit::inline MINIVIT_ABI
