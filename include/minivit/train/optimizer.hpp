// Optimizers: AdamW, SGD with momentum; clipping of the gradient.
#pragma once

#include <cmath>

#include "minivit/kernels/reduce.hpp"
#include "minivit/nn/arena.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Norm of all gradients.
inline double grad_norm(const ParameterArena& parameters) {
  return std::sqrt(kernels::sum_of_squares(parameters.size(), parameters.grads.data()));
}

/// What gradients of this norm are to be multiplied with so that it becomes at most `max_norm` (> 0). 1 for a
/// norm that is not finite: look at it before you step.
inline float clip_factor(double norm, double max_norm) {
  // As PyTorch: the 1e-6 guards a norm near 0.
  return norm > max_norm && std::isfinite(norm) ? static_cast<float>(max_norm / (norm + 1e-6)) : 1.0f;
}

/// Scales the gradients so that their norm is at most `max_norm` (> 0). Returns the norm before. Training
/// loops rather hand `clip_factor` to the optimizer's step, which saves a pass over the gradients.
inline double clip_grad_norm(ParameterArena& parameters, double max_norm) {
  const double norm = grad_norm(parameters);
  if (const float factor = clip_factor(norm, max_norm); factor != 1.0f)
    Sink{parameters.grads.data(), false}.write_all(
        parameters.size(), [factor](kernels::Vec g) { return g * factor; }, parameters.grads.data());
  return norm;
}

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

}  // namespace detail

/// Adam with decoupled weight decay: I. Loshchilov, F. Hutter, arXiv:1711.05101, in PyTorch's form:
///   p -= lr wd p;  m = β₁ m + (1-β₁) g;  v = β₂ v + (1-β₂) g²;  p -= lr m̂ / (√v̂ + eps),  m̂ = m/(1-β₁ᵗ), v̂ =
///   v/(1-β₂ᵗ)
class AdamW {
 public:
  struct Options {
    float beta1 = 0.9f, beta2 = 0.999f;
    float eps = 1e-8f;
    float weight_decay = 0.05f;  ///< for parameters with `decay`
  };

  /// The parameters must stay alive as long as the optimizer.
  AdamW(ParameterArena& parameters, const Options& options)
      : parameters_(&parameters),
        options_(options),
        m_(Tensor::zeros({parameters.size()})),
        v_(Tensor::zeros({parameters.size()})) {}

  /// One step with learning rate `lr` from the gradients times `scale` (a clipping factor, say), which are
  /// set to 0 if `clear`: all in one pass over the memory.
  void step(float lr, float scale = 1.0f, bool clear = false) {
    ++steps_;
    using kernels::kLanes, kernels::load, kernels::store, kernels::Vec;
    const float beta1 = options_.beta1, beta2 = options_.beta2, eps = options_.eps;
    const float correction = static_cast<float>(1.0 - std::pow(double{beta1}, steps_));
    const float root2 = static_cast<float>(std::sqrt(1.0 - std::pow(double{beta2}, steps_)));
    detail::for_each_piece(
        *parameters_, options_.weight_decay,
        [&](std::int64_t begin, std::int64_t n, float decay, float lr_scale) {
          const float own = lr * lr_scale, rate = own / correction;
          float *p = parameters_->values.data() + begin, *g = parameters_->grads.data() + begin;
          float *m = m_.data() + begin, *v = v_.data() + begin;
          for (const float* const end = p + n; p < end; p += kLanes, g += kLanes, m += kLanes, v += kLanes) {
            const Vec gi = load(g) * scale;
            const Vec mi = load(m) * beta1 + gi * (1.0f - beta1),
                      vi = load(v) * beta2 + gi * gi * (1.0f - beta2);
            store(m, mi);
            store(v, vi);
            store(p, load(p) * (1.0f - own * decay) - rate * mi / (kernels::sqrt(vi) / root2 + eps));
            if (clear) store(g, Vec{});
          }
        });
  }

  std::int64_t steps() const { return steps_; }

  /// What resuming needs besides the weights: tensors (n), laid out as the parameters, by name; and the
  /// number of steps.
  std::vector<NamedTensor> state() const { return {{"first_moment", m_}, {"second_moment", v_}}; }
  Tensor& first_moment() { return m_; }
  Tensor& second_moment() { return v_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  ParameterArena* parameters_;
  Options options_;
  Tensor m_, v_;
  std::int64_t steps_ = 0;
};

/// Stochastic gradient descent with momentum in PyTorch's form: g += wd p;  b = μ b + g;  p -= lr b, or with
/// Nesterov's look ahead p -= lr (g + μ b). The first b is g.
class Sgd {
 public:
  struct Options {
    float momentum = 0.9f;
    float weight_decay = 0.0f;  ///< for parameters with `decay`
    bool nesterov = false;
  };

  /// The parameters must stay alive as long as the optimizer.
  Sgd(ParameterArena& parameters, const Options& options)
      : parameters_(&parameters), options_(options), momentum_(Tensor::zeros({parameters.size()})) {}

  /// One step with learning rate `lr` from the gradients times `scale`, which are set to 0 if `clear`.
  void step(float lr, float scale = 1.0f, bool clear = false) {
    ++steps_;
    using kernels::kLanes, kernels::load, kernels::store, kernels::Vec;
    const float mu = options_.momentum;
    detail::for_each_piece(
        *parameters_, options_.weight_decay,
        [&](std::int64_t begin, std::int64_t n, float decay, float lr_scale) {
          const float own = lr * lr_scale;
          float *p = parameters_->values.data() + begin, *g = parameters_->grads.data() + begin;
          float* b = momentum_.data() + begin;
          for (const float* const end = p + n; p < end; p += kLanes, g += kLanes, b += kLanes) {
            const Vec gi = load(g) * scale + load(p) * decay, bi = load(b) * mu + gi;
            store(b, bi);
            store(p, load(p) - own * (options_.nesterov ? gi + mu * bi : bi));
            if (clear) store(g, Vec{});
          }
        });
  }

  std::int64_t steps() const { return steps_; }
  std::vector<NamedTensor> state() const { return {{"momentum", momentum_}}; }
  Tensor& momentum() { return momentum_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  ParameterArena* parameters_;
  Options options_;
  Tensor momentum_;
  std::int64_t steps_ = 0;
};

}  // namespace minivit::inline MINIVIT_ABI
