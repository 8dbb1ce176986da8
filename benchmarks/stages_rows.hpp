// Layer normalization from scalar loops to a part of the next product's packing; GELU from the C library's
// error function to one exponential.
#pragma once

#include <numbers>

#include "minivit/ops/linear_fused.hpp"
#include "stage.hpp"

namespace bench::rows {

constexpr float kEps = 1e-6f;

/// What the formula says: the mean, then the variance around it.
inline void two_passes(std::int64_t C, const float* x, const float* gamma, const float* beta, float* y) {
  float sum = 0, squares = 0;
  for (std::int64_t c = 0; c < C; ++c) sum += x[c];
  const float mean = sum / static_cast<float>(C);
  for (std::int64_t c = 0; c < C; ++c) squares += (x[c] - mean) * (x[c] - mean);
  const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(C) + kEps);
  for (std::int64_t c = 0; c < C; ++c) y[c] = (x[c] - mean) * rstd * gamma[c] + beta[c];
}

/// E[x²] - E[x]²: one pass less, and wrong.
inline void one_pass(std::int64_t C, const float* x, const float* gamma, const float* beta, float* y) {
  float sum = 0, squares = 0;
  for (std::int64_t c = 0; c < C; ++c) sum += x[c], squares += x[c] * x[c];
  const float mean = sum / static_cast<float>(C),
              rstd = 1.0f / std::sqrt(squares / static_cast<float>(C) - mean * mean + kEps);
  for (std::int64_t c = 0; c < C; ++c) y[c] = (x[c] - mean) * rstd * gamma[c] + beta[c];
}

inline void normalize(std::int64_t C, float mean, float rstd, const float* x, const float* gamma,
                      const float* beta, float* y) {
  minivit::kernels::map(
      C, y, [=](Vec v, Vec g, Vec b) { return (v - mean) * rstd * g + b; }, x, gamma, beta);
}

/// The same in vectors: C a multiple of the lanes.
inline void one_pass_vectors(std::int64_t C, const float* x, const float* gamma, const float* beta,
                             float* y) {
  Vec sums{}, squares{};
  for (std::int64_t c = 0; c < C; c += kLanes) sums += load(x + c), squares += load(x + c) * load(x + c);
  const float mean = minivit::kernels::sum(sums) / static_cast<float>(C);
  const float variance = minivit::kernels::sum(squares) / static_cast<float>(C) - mean * mean;
  normalize(C, mean, 1.0f / std::sqrt(variance + kEps), x, gamma, beta, y);
}

/// Two passes in vectors, the first over differences from the first element.
inline void vectors(std::int64_t C, const float* x, const float* gamma, const float* beta, float* y) {
  const auto [mean, rstd] = minivit::detail::row_statistics(C, x, kEps);
  normalize(C, mean, rstd, x, gamma, beta, y);
}

/// Rows around 1000, as far from 0 as activations of some channels are.
struct LayerNorm : Topic {
  static constexpr std::int64_t kRows = 3152, C = 768;
  Tensor x = random({kRows, C}, 1, 999, 1001), gamma = random({C}, 2), beta = random({C}, 3);

  LayerNorm() : Topic("layer norm", "3152x768") {
    bytes = 8.0 * kRows * C;
    result = Tensor::empty({kRows, C});
    expected = Tensor::empty({kRows, C});
    for (std::int64_t i = 0; i < kRows; ++i) {
      const Eigen::ArrayXd row =
          minivit::as_array(std::as_const(x).data() + i * C, C).template cast<double>();
      const Eigen::ArrayXd centered = row - row.mean();
      minivit::as_array(expected.data() + i * C, C) =
          (centered / std::sqrt(centered.square().mean() + double{kEps})).cast<float>() *
              minivit::as_array(gamma) +
          minivit::as_array(beta);
    }
    const auto stage = [&](const char* name, auto f, double tolerance = 2e-5) {
      const auto run = [this, f] {
        for (std::int64_t i = 0; i < kRows; ++i)
          f(C, x.data() + i * C, gamma.data(), beta.data(), result.data() + i * C);
      };
      stages.push_back({name, run, false, tolerance});
    };
    constexpr double kWrong = std::numeric_limits<double>::infinity();
    stage("two passes", two_passes, kWrong);
    stage("E[x2] - E[x]2", one_pass, kWrong);
    stage("E[x2] - E[x]2, vectors", one_pass_vectors, kWrong);
    stage("two passes, vectors", vectors, 1e-4);  // the mean itself is rounded to 6e-5
  }
};

/// A linear layer behind the normalization.
struct NormLinear : Topic {
  static constexpr std::int64_t kRows = 6304, C = 256, N = 768;
  Tensor x = random({kRows, C}, 1), gamma = random({C}, 2), beta = random({C}, 3), weight = random({N, C}, 4);

  NormLinear() : Topic("norm, linear", "6304x256 -> 768") {
    flops = 2.0 * kRows * C * N;
    expected = minivit::linear(minivit::layer_norm(x, gamma, beta), weight).value();
    result = expected.clone();
    const auto stage = [&](const char* name, auto f, double tolerance = 2e-5) {
      const auto run = [this, f] {
        result = Tensor();
        result = f().value();
      };
      stages.push_back({name, run, false, tolerance});
    };
    stage(
        "linear alone", [this] { return minivit::linear(x, weight); },
        std::numeric_limits<double>::infinity());
    stage("layer norm, then linear",
          [this] { return minivit::linear(minivit::layer_norm(x, gamma, beta), weight); });
    stage("norm_linear", [this] { return minivit::norm_linear(x, gamma, beta, kEps, weight); });
  }
};

/// d/dx x Φ(x) = Φ(x) + x φ(x)
struct GeluDerivative : Topic {
  static constexpr std::int64_t kRows = 788, C = 1024;
  static constexpr float kInverseRootTwoPi = 0.3989422804f, kInverseRootTwo = 0.7071067812f;
  Tensor x = random({kRows, C}, 1, -4, 4);

  GeluDerivative() : Topic("GELU derivative", "788x1024") {
    bytes = 8.0 * kRows * C;
    result = Tensor::empty({kRows, C});
    expected = Tensor::empty({kRows, C});
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const double v = x.data()[i];
      expected.data()[i] = static_cast<float>(0.5 * std::erfc(-v / std::numbers::sqrt2) +
                                              v * std::exp(-0.5 * v * v) / std::sqrt(2 * std::numbers::pi));
    }
    const auto stage = [&](const char* name, auto f) {
      stages.push_back({name, [this, f] { f(x.numel(), std::as_const(x).data(), result.data()); }});
    };
    stage("std::erf, std::exp", [](std::int64_t n, const float* in, float* out) {
      for (std::int64_t i = 0; i < n; ++i)
        out[i] = 0.5f * (1.0f + std::erf(in[i] * kInverseRootTwo)) +
                 in[i] * kInverseRootTwoPi * std::exp(-0.5f * in[i] * in[i]);
    });
    stage("erf and exp of vectors", [](std::int64_t n, const float* in, float* out) {
      const auto f = [](Vec v) {
        return 0.5f * (1.0f + minivit::kernels::erf(v * kInverseRootTwo)) +
               v * kInverseRootTwoPi * minivit::kernels::exp(v * v * -0.5f);
      };
      minivit::kernels::map(n, out, f, in);
    });
    stage("one exponential", [](std::int64_t n, const float* in, float* out) {
      minivit::kernels::map(n, out, minivit::detail::gelu_derivative, in);
    });
  }
};

}  // namespace bench::rows
