// LAMB: Adam whose step has a length in proportion to each weight's own.
//
// Y. You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", arXiv:1904.00962;
// in the form of timm, with which DeiT III is trained (H. Touvron et al., arXiv:2204.07118).
#pragma once

#include "minivit/train/optimizer_concept.hpp"

namespace minivit::inline MINIVIT_ABI {

/// With gradient g, learning rate lr and weight decay wd:
///   m = β₁ m + (1-β₁) g,  v = β₂ v + (1-β₂) g²
///   u = m̂ / (√v̂ + eps) + wd p,  m̂ = m / (1-β₁ᵗ), v̂ = v / (1-β₂ᵗ)
///   p -= lr |p|/|u| u for a whole parameter with weight decay, p -= lr u for the others
/// The factor |p|/|u| is 1 where one of the two lengths is 0.
class Lamb {
 public:
  struct Options {
    float beta1 = 0.9f, beta2 = 0.999f;
    float eps = 1e-6f;
    float weight_decay = 0.05f;  ///< for parameters with `decay`; 0: no factors either
  };

  Lamb(const ParameterArena& parameters, const Options& options);

  /// One step with learning rate `lr` from the gradients times `scale`, which are set to 0 if `clear`.
  void step(float lr, float scale = 1.0f, bool clear = false);

  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }
  void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

  /// What resuming needs besides the weights: tensors (n), laid out as the parameters, by name.
  [[nodiscard]] std::vector<NamedTensor> state() const {
    return {{"first_moment", m_}, {"second_moment", v_}};
  }

 private:
  ParameterArena parameters_;
  Options options_;
  Tensor m_, v_, update_;
  std::int64_t steps_ = 0;
};
static_assert(Optimizer<Lamb>);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cmath>

#include "minivit/kernels/reduce.hpp"
#include "minivit/train/adam_moments.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Lamb::Lamb(const ParameterArena& parameters, const Options& options)
    : parameters_(parameters),
      options_(options),
      m_(Tensor::zeros({parameters.size()})),
      v_(Tensor::zeros({parameters.size()})),
      update_(Tensor::zeros({parameters.size()})) {}

MINIVIT_INLINE void Lamb::step(float lr, float scale, bool clear) {
  using kernels::kLanes, kernels::load, kernels::store, kernels::Vec;
  const detail::AdamMoments moments(options_.beta1, options_.beta2, options_.eps, ++steps_);
  detail::for_each_piece(parameters_, options_.weight_decay,
                         [&](std::int64_t begin, std::int64_t n, float decay, float) {
                           const float* p = parameters_.values.data() + begin;
                           float *g = parameters_.grads.data() + begin, *u = update_.data() + begin;
                           float *m = m_.data() + begin, *v = v_.data() + begin;
                           for (const float* const end = p + n; p < end;
                                p += kLanes, g += kLanes, u += kLanes, m += kLanes, v += kLanes) {
                             const auto [mi, divisor] = moments.update(load(g) * scale, m, v);
                             store(u, mi / moments.correction / divisor + load(p) * decay);
                             if (clear) store(g, Vec{});
                           }
                         });
  for (const ParameterArena::Slot& slot : parameters_.slots) {
    const std::int64_t n = slot.shape.numel();
    float *const p = parameters_.values.data() + slot.begin, *const u = update_.data() + slot.begin;
    double factor = 1;
    if (slot.decay && options_.weight_decay > 0) {
      const double length = std::sqrt(kernels::sum_of_squares(n, p)),
                   of_update = std::sqrt(kernels::sum_of_squares(n, u));
      if (length > 0 && of_update > 0) factor = length / of_update;
    }
    const auto rate = static_cast<float>(lr * detail::lr_scale_of(parameters_, slot) * factor);
    Sink{p, false}.write_all(
        n, [rate](Vec pi, Vec ui) { return pi - rate * ui; }, p, u);
  }
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
