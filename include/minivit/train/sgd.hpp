// Stochastic gradient descent with momentum.
#pragma once

#include "minivit/train/optimizer_concept.hpp"

namespace minivit::inline MINIVIT_ABI {

/// In PyTorch's form, with gradient g, learning rate lr and weight decay wd:
///   g += wd p;  b = μ b + g;  p -= lr b, or with Nesterov's look ahead p -= lr (g + μ b)
/// The first b is g.
class Sgd {
 public:
  struct Options {
    float momentum = 0.9f;
    float weight_decay = 0.0f;  ///< for parameters with `decay`
    bool nesterov = false;
  };

  Sgd(const ParameterArena& parameters, const Options& options);

  /// One step with learning rate `lr` from the gradients times `scale`, which are set to 0 if `clear`.
  void step(float lr, float scale = 1.0f, bool clear = false);

  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }
  void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

  /// What resuming needs besides the weights: a tensor (n), laid out as the parameters.
  [[nodiscard]] std::vector<NamedTensor> state() const { return {{"momentum", momentum_}}; }
  [[nodiscard]] Tensor& momentum() noexcept { return momentum_; }

 private:
  ParameterArena parameters_;
  Options options_;
  Tensor momentum_;
  std::int64_t steps_ = 0;
};
static_assert(Optimizer<Sgd>);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Sgd::Sgd(const ParameterArena& parameters, const Options& options)
    : parameters_(parameters), options_(options), momentum_(Tensor::zeros({parameters.size()})) {}

MINIVIT_INLINE void Sgd::step(float lr, float scale, bool clear) {
  using kernels::kLanes, kernels::load, kernels::store, kernels::Vec;
  ++steps_;
  const float mu = options_.momentum;
  detail::for_each_piece(
      parameters_, options_.weight_decay,
      [&](std::int64_t begin, std::int64_t n, float decay, float lr_scale) {
        const float own = lr * lr_scale;
        float *p = parameters_.values.data() + begin, *g = parameters_.grads.data() + begin;
        float* b = momentum_.data() + begin;
        for (const float* const end = p + n; p < end; p += kLanes, g += kLanes, b += kLanes) {
          const Vec gi = load(g) * scale + load(p) * decay, bi = load(b) * mu + gi;
          store(b, bi);
          store(p, load(p) - own * (options_.nesterov ? gi + mu * bi : bi));
          if (clear) store(g, Vec{});
        }
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
