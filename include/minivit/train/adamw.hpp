// Adam with decoupled weight decay (I. Loshchilov, F. Hutter, arXiv:1711.05101).
#pragma once

#include "minivit/train/optimizer_concept.hpp"

namespace minivit::inline MINIVIT_ABI {

/// In PyTorch's form, with gradient g, learning rate lr and weight decay wd:
///   p -= lr wd p
///   m = β₁ m + (1-β₁) g,  v = β₂ v + (1-β₂) g²
///   p -= lr m̂ / (√v̂ + eps),  m̂ = m / (1-β₁ᵗ), v̂ = v / (1-β₂ᵗ)
class AdamW {
 public:
  struct Options {
    float beta1 = 0.9f, beta2 = 0.999f;
    float eps = 1e-8f;
    float weight_decay = 0.05f;  ///< for parameters with `decay`
  };

  AdamW(const ParameterArena& parameters, const Options& options);

  /// One step with learning rate `lr` from the gradients times `scale` (a clipping factor, say), which are
  /// set to 0 if `clear`: all in one pass over the memory.
  void step(float lr, float scale = 1.0f, bool clear = false);

  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }
  void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

  /// What resuming needs besides the weights: tensors (n), laid out as the parameters, by name.
  [[nodiscard]] std::vector<NamedTensor> state() const {
    return {{"first_moment", m_}, {"second_moment", v_}};
  }
  [[nodiscard]] Tensor& first_moment() noexcept { return m_; }
  [[nodiscard]] Tensor& second_moment() noexcept { return v_; }

 private:
  ParameterArena parameters_;
  Options options_;
  Tensor m_, v_;
  std::int64_t steps_ = 0;
};
static_assert(Optimizer<AdamW>);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/train/adam_moments.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE AdamW::AdamW(const ParameterArena& parameters, const Options& options)
    : parameters_(parameters),
      options_(options),
      m_(Tensor::zeros({parameters.size()})),
      v_(Tensor::zeros({parameters.size()})) {}

MINIVIT_INLINE void AdamW::step(float lr, float scale, bool clear) {
  using kernels::kLanes, kernels::load, kernels::store, kernels::Vec;
  const detail::AdamMoments moments(options_.beta1, options_.beta2, options_.eps, ++steps_);
  detail::for_each_piece(
      parameters_, options_.weight_decay,
      [&](std::int64_t begin, std::int64_t n, float decay, float lr_scale) {
        const float own = lr * lr_scale, rate = own / moments.correction;
        float *p = parameters_.values.data() + begin, *g = parameters_.grads.data() + begin;
        float *m = m_.data() + begin, *v = v_.data() + begin;
        for (const float* const end = p + n; p < end; p += kLanes, g += kLanes, m += kLanes, v += kLanes) {
          const auto [mi, divisor] = moments.update(load(g) * scale, m, v);
          store(p, load(p) * (1.0f - own * decay) - rate * mi / divisor);
          if (clear) store(g, Vec{});
        }
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
