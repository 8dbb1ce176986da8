// Diagnosis of a training that went wrong: the first tensor that holds something that is not a number.
#pragma once

#include <cstdint>
#include <string>

#include "minivit/autograd/mode.hpp"
#include "minivit/autograd/var.hpp"
#include "minivit/nn/arena.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Number of elements that are infinite or NaN.
[[nodiscard]] std::int64_t count_not_finite(const Tensor& t);

/// Names the first parameter whose gradient is not finite.
[[nodiscard]] std::string not_finite_gradient(const ParameterArena& parameters);

namespace detail {

/// "blocks.0.mlp.fc1.weight has 3 of 65536 elements that are not finite", or an empty text if all are.
[[nodiscard]] std::string not_finite_text(const std::string& name, const Tensor& t);

/// The first of the arena's parameters, values or gradients, with such elements.
[[nodiscard]] std::string not_finite_slot(const ParameterArena& parameters, const Tensor& in,
                                          const char* what);

}  // namespace detail

/// Goes through a forward pass whose loss is not finite, in its order, and names the first tensor that is
/// not: the images, a weight, the tokens, the output of a block, the logits. Draws random numbers as the pass
/// did, so seed them as then.
template <class Model>
[[nodiscard]] std::string not_finite_in_forward(const Model& model, const Tensor& images,
                                                const ParameterArena& parameters) {
  const NoGrad values_only;
  if (std::string text = detail::not_finite_text("the batch of images", images); !text.empty()) return text;
  if (std::string text = detail::not_finite_slot(parameters, parameters.values, ""); !text.empty())
    return text;
  const Var x = images;
  if constexpr (requires { model.encoder.blocks[0](model.embed(x)); }) {
    Var tokens = model.embed(x);
    if (std::string text = detail::not_finite_text("the output of the patch embedding", tokens.value());
        !text.empty())
      return text;
    for (std::size_t i = 0; i < model.encoder.blocks.size(); ++i) {
      tokens = model.encoder.blocks[i](tokens);
      if (std::string text = detail::not_finite_text(str_cat("the output of blocks.", i), tokens.value());
          !text.empty())
        return text;
    }
    return "the logits are not finite, or so large that the loss is not";
  } else {
    const std::string text = detail::not_finite_text("the logits", model(x).value());
    return text.empty() ? "the logits are so large that the loss is not finite" : text;
  }
}

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE std::int64_t count_not_finite(const Tensor& t) {
  return std::ranges::count_if(t.values(), [](float v) { return !std::isfinite(v); });
}

namespace detail {

MINIVIT_INLINE std::string not_finite_text(const std::string& name, const Tensor& t) {
  const std::int64_t n = count_not_finite(t);
  return n == 0 ? std::string()
                : str_cat(name, " has ", n, " of ", t.numel(), " elements that are not finite");
}

MINIVIT_INLINE std::string not_finite_slot(const ParameterArena& parameters, const Tensor& in,
                                           const char* what) {
  for (const ParameterArena::Slot& slot : parameters.slots)
    if (std::string text = not_finite_text(what + slot.name, in.view(slot.begin, slot.shape)); !text.empty())
      return text;
  return {};
}

}  // namespace detail

MINIVIT_INLINE std::string not_finite_gradient(const ParameterArena& parameters) {
  const std::string text = detail::not_finite_slot(parameters, parameters.grads, "the gradient of ");
  return text.empty() ? "only its norm is, the sum of the squares is too large" : text;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
