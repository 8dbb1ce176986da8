// Muon: momentum made orthogonal, for the matrices of the blocks; AdamW for all other parameters.
//
// K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
// kellerjordan.github.io/posts/muon. Steps are as long as AdamW's: J. Liu et al., arXiv:2502.16982.
#pragma once

#include "minivit/train/optimizer_concept.hpp"

namespace minivit::inline MINIVIT_ABI {

/// With gradient G (N, K), learning rate lr and weight decay wd, as PyTorch's Muon with "match_rms_adamw":
///   M = μ M + (1-μ) G;  U = orthogonal((1-μ) G + μ M);  P -= lr wd P;  P -= lr 0.2 √max(N, K) U
/// for each weight of two axes in a block, the three parts of qkv each by itself. The others are trained as
/// by AdamW with β₁ = μ.
class Muon {
 public:
  struct Options {
    float momentum = 0.95f;      ///< μ
    float beta2 = 0.999f;        ///< of AdamW,
    float eps = 1e-8f;           ///< and what it adds
    float weight_decay = 0.05f;  ///< for parameters with `decay`
  };

  Muon(const ParameterArena& parameters, const Options& options);

  /// One step with learning rate `lr` from the gradients times `scale`, which are set to 0 if `clear`.
  void step(float lr, float scale = 1.0f, bool clear = false);

  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }
  void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

  /// What resuming needs besides the weights: tensors (n), laid out as the parameters, by name.
  [[nodiscard]] std::vector<NamedTensor> state() const {
    return {{"first_moment", m_}, {"second_moment", v_}};
  }

 private:
  void step_as_adamw(const ParameterArena::Slot& slot, float lr, float scale);
  void step_matrix(std::int64_t begin, std::int64_t rows, std::int64_t columns, float lr, float scale);

  ParameterArena parameters_;
  Options options_;
  Tensor m_, v_;
  std::int64_t steps_ = 0;
};
static_assert(Optimizer<Muon>);

/// The matrix whose singular values are near 1 and whose singular vectors are those of g (N, K): five steps
/// of Newton and Schulz with the coefficients of K. Jordan, which bring every singular value to 0.7 to 1.2.
[[nodiscard]] Tensor orthogonalized(const Tensor& g);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>

#include "minivit/kernels/reduce.hpp"
#include "minivit/ops/matmul.hpp"
#include "minivit/train/adam_moments.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Tensor orthogonalized(const Tensor& g) {
  check<ShapeError>(g.rank() == 2, "orthogonalized: g is ", g.shape(), ", expected (N, K)");
  constexpr float a = 3.4445f, b = -4.7750f, c = 2.0315f;
  const NoGrad values_only;
  const bool tall = g.size(0) > g.size(1);  // the small product is the cheaper one
  Tensor x = g.clone();
  x.array() /= static_cast<float>(std::sqrt(kernels::sum_of_squares(g.numel(), g.data()))) + 1e-7f;
  for (int i = 0; i < 5; ++i) {
    const Tensor s = matmul(x, x, tall, !tall).value();  // x xᵀ, or xᵀ x
    Tensor polynomial = matmul(s, s).value();
    polynomial.array() = polynomial.array() * c + s.array() * b;
    const Tensor product = (tall ? matmul(x, polynomial) : matmul(polynomial, x)).value();
    x.array() = x.array() * a + product.array();
  }
  return x;
}

MINIVIT_INLINE Muon::Muon(const ParameterArena& parameters, const Options& options)
    : parameters_(parameters),
      options_(options),
      m_(Tensor::zeros({parameters.size()})),
      v_(Tensor::zeros({parameters.size()})) {}

MINIVIT_INLINE void Muon::step(float lr, float scale, bool clear) {
  ++steps_;
  for (const ParameterArena::Slot& slot : parameters_.slots) {
    const float own = lr * detail::lr_scale_of(parameters_, slot);
    const std::int64_t rows = slot.shape[0], columns = slot.shape.rank() == 2 ? slot.shape[1] : 0;
    if (slot.shape.rank() != 2 || slot.name.find("blocks.") == std::string::npos) {
      step_as_adamw(slot, own, scale);
      continue;
    }
    const std::int64_t parts = slot.name.ends_with("attn.qkv.weight") && rows == 3 * columns ? 3 : 1;
    for (std::int64_t i = 0; i < parts; ++i)
      step_matrix(slot.begin + i * columns * columns, rows / parts, columns, own, scale);
  }
  if (clear) parameters_.zero_grad();
}

MINIVIT_INLINE void Muon::step_as_adamw(const ParameterArena::Slot& slot, float lr, float scale) {
  using kernels::kLanes, kernels::load, kernels::store;
  const detail::AdamMoments moments(options_.momentum, options_.beta2, options_.eps, steps_);
  const float kept = 1.0f - lr * (slot.decay ? options_.weight_decay : 0.0f), rate = lr / moments.correction;
  float *const p = parameters_.values.data() + slot.begin, *const g = parameters_.grads.data() + slot.begin;
  float *const m = m_.data() + slot.begin, *const v = v_.data() + slot.begin;
  // Whole vectors: what lies behind a parameter is 0 and stays so.
  const std::int64_t pieces = (slot.shape.numel() + kLanes - 1) / kLanes;
  parallel_for(pieces, grain_for(8 * kLanes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * kLanes; i < end * kLanes; i += kLanes) {
      const auto [mi, divisor] = moments.update(load(g + i) * scale, m + i, v + i);
      store(p + i, load(p + i) * kept - rate * mi / divisor);
    }
  });
}

MINIVIT_INLINE void Muon::step_matrix(std::int64_t begin, std::int64_t rows, std::int64_t columns, float lr,
                                      float scale) {
  using kernels::Vec;
  const float mu = options_.momentum, kept = 1.0f - lr * options_.weight_decay;
  const auto rate = static_cast<float>(0.2 * lr * std::sqrt(static_cast<double>(std::max(rows, columns))));
  const std::int64_t n = rows * columns;
  float *const p = parameters_.values.data() + begin, *const m = m_.data() + begin;
  const float* const g = parameters_.grads.data() + begin;
  Sink{m, false}.write_all(
      n, [=](Vec mi, Vec gi) { return mi * mu + gi * scale * (1.0f - mu); }, m, g);
  Tensor ahead = Tensor::empty({rows, columns});
  Sink{ahead.data(), false}.write_all(
      n, [=](Vec mi, Vec gi) { return gi * scale * (1.0f - mu) + mi * mu; }, m, g);
  const Tensor u = orthogonalized(ahead);
  Sink{p, false}.write_all(
      n, [=](Vec pi, Vec ui) { return pi * kept - rate * ui; }, p, u.data());
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
