// Initial values of weights. Random ones take the next stream of `Generator::local()`: `manual_seed` repeats
// them.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "minivit/core/rng.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Inputs and outputs of each unit of a weight (out, in, ...), further axes being a convolution's window.
struct Fans {
  std::int64_t in, out;

  explicit Fans(const Shape& weight) {
    check<ShapeError>(weight.rank() >= 2, "init: weight is ", weight, ", expected (out, in, ...)");
    const std::int64_t window = weight[0] * weight[1] == 0 ? 0 : weight.numel() / (weight[0] * weight[1]);
    in = weight[1] * window;
    out = weight[0] * window;
  }
};

namespace detail {
inline thread_local bool skip_init = false;
}

/// While it lives, initializers of this thread do nothing: for models whose weights are about to be read from
/// a file.
class [[nodiscard]] SkipInit {
 public:
  SkipInit() : before_(std::exchange(detail::skip_init, true)) {}
  ~SkipInit() { detail::skip_init = before_; }
  SkipInit(const SkipInit&) = delete;
  SkipInit& operator=(const SkipInit&) = delete;

 private:
  bool before_;
};

/// Every element f(rng), of a fresh stream.
template <class F>
void init_random(Tensor& t, const F& f) {
  if (detail::skip_init) return;
  Rng rng = Generator::local().stream();
  for (float& v : t.values()) v = f(rng);
}

/// Uniform in [-limit, limit).
inline void init_uniform(Tensor& t, float limit) {
  init_random(t, [=](Rng& rng) { return rng.uniform(-limit, limit); });
}

/// Normal with mean 0 and deviation `std`, drawn again beyond ±2 std, as ViT's embeddings and matrices (std
/// 0.02) want it.
inline void init_truncated_normal(Tensor& t, float std = 0.02f) {
  init_random(t, [=](Rng& rng) {
    float v = rng.normal();
    while (std::fabs(v) > 2.0f) v = rng.normal();
    return v * std;
  });
}

/// Uniform with variance 2 / (in + out): X. Glorot, Y. Bengio, AISTATS 2010.
inline void init_xavier_uniform(Tensor& weight) {
  const Fans fans(weight.shape());
  init_uniform(weight, std::sqrt(6.0f / static_cast<float>(fans.in + fans.out)));
}

/// Normal with variance 2 / in, for layers followed by a ReLU: K. He et al., arXiv:1502.01852.
inline void init_kaiming_normal(Tensor& weight) {
  const float std = std::sqrt(2.0f / static_cast<float>(Fans(weight.shape()).in));
  init_random(weight, [=](Rng& rng) { return rng.normal() * std; });
}

/// Uniform with variance 2 / in.
inline void init_kaiming_uniform(Tensor& weight) {
  init_uniform(weight, std::sqrt(6.0f / static_cast<float>(Fans(weight.shape()).in)));
}

/// All 0.
inline void init_zeros(Tensor& t) { t.fill(0.0f); }

}  // namespace minivit::inline MINIVIT_ABI
