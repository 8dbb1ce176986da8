// Optimizers: AdamW, SGD with momentum; clipping of the gradient.
#pragma once

#include <cmath>

#include "minivit/kernels/reduce.hpp"
#include "minivit/nn/arena.hpp"
#include "minivit/tensor/eigen.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Scales the gradients so that their norm over all parameters is at most `max_norm` (> 0). Returns the norm
/// before. A norm that is not finite leaves the gradients as they are: look at it before you step.
inline double clip_grad_norm(ParameterArena& parameters, double max_norm) {
  const double norm = std::sqrt(sum_of_squares(parameters.size(), parameters.grads.data()));
  if (norm > max_norm && std::isfinite(norm)) {
    const auto factor =
        static_cast<float>(max_norm / (norm + 1e-6));  // as PyTorch: the 1e-6 guards a norm near 0
    Sink{parameters.grads.data(), false}.write_all(
        parameters.size(), [factor](Vec g) { return g * factor; }, parameters.grads.data());
  }
  return norm;
}

namespace detail {

/// f(begin, count, weight decay of these) for pieces of the arena, on all threads.
template <class F>
void for_each_piece(const ParameterArena& parameters, float weight_decay, const F& f) {
  constexpr std::int64_t kPiece = 8192;
  const auto range = [&](std::int64_t first, std::int64_t last, float decay) {
    parallel_for(last - first, kPiece,
                 [&](std::int64_t begin, std::int64_t end) { f(first + begin, end - begin, decay); });
  };
  range(0, parameters.decayed, weight_decay);
  range(parameters.decayed, parameters.size(), 0.0f);
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

  /// One step with learning rate `lr` from the gradients as they are; they are not cleared.
  void step(float lr) {
    ++steps_;
    const float bias1 = static_cast<float>(1.0 - std::pow(double{options_.beta1}, steps_));
    const float root2 = static_cast<float>(std::sqrt(1.0 - std::pow(double{options_.beta2}, steps_)));
    detail::for_each_piece(
        *parameters_, options_.weight_decay, [&](std::int64_t begin, std::int64_t n, float decay) {
          auto p = as_array(parameters_->values.data() + begin, n);
          const auto g = as_array(std::as_const(parameters_->grads).data() + begin, n);
          auto m = as_array(m_.data() + begin, n), v = as_array(v_.data() + begin, n);
          m = m * options_.beta1 + g * (1.0f - options_.beta1);
          v = v * options_.beta2 + g.square() * (1.0f - options_.beta2);
          p = p * (1.0f - lr * decay) - (lr / bias1) * m / (v.sqrt() / root2 + options_.eps);
        });
  }

  std::int64_t steps() const { return steps_; }

  /// First and second moments (n, laid out as the parameters) and the number of steps: what resuming needs.
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

  /// One step with learning rate `lr` from the gradients as they are; they are not cleared.
  void step(float lr) {
    ++steps_;
    detail::for_each_piece(
        *parameters_, options_.weight_decay, [&](std::int64_t begin, std::int64_t n, float decay) {
          auto p = as_array(parameters_->values.data() + begin, n), b = as_array(momentum_.data() + begin, n);
          const auto g = as_array(std::as_const(parameters_->grads).data() + begin, n);
          b = b * options_.momentum + (g + decay * p);
          if (options_.nesterov)
            p = p * (1.0f - lr * decay) - lr * (g + options_.momentum * b);
          else
            p -= lr * b;
        });
  }

  std::int64_t steps() const { return steps_; }
  Tensor& momentum() { return momentum_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  ParameterArena* parameters_;
  Options options_;
  Tensor momentum_;
  std::int64_t steps_ = 0;
};

}  // namespace minivit::inline MINIVIT_ABI
