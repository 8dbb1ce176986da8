// Kernels that pass over memory once: normalization, softmax, GELU, dropout, cross-entropy, the optimizer.
#pragma once

#include <numbers>

#include "kernel_case.hpp"
#include "minivit/ops/dropout.hpp"
#include "minivit/ops/gelu.hpp"
#include "minivit/ops/layer_norm.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/ops/softmax.hpp"
#include "minivit/train/optimizer.hpp"

namespace bench {

/// One row, normalized.
inline void eigen_layer_norm(std::int64_t C, const float* x, const Tensor& gamma, const Tensor& beta,
                             float* y) {
  const auto row = as_array(x, C);
  const float mean = row.mean(), rstd = 1.0f / std::sqrt((row - mean).square().mean() + 1e-6f);
  as_array(y, C) = (row - mean) * rstd * as_array(gamma) + as_array(beta);
}

struct LayerNormForward : Case {
  std::int64_t rows, C;
  Tensor x = random({rows, C}, 1), gamma = random({C}, 2), beta = random({C}, 3);
  Tensor y = Tensor::zeros({rows, C}), expected = Tensor::zeros({rows, C});

  LayerNormForward(std::int64_t rows, std::int64_t C)
      : Case("layer norm forward", by(rows, C)), rows(rows), C(C) {
    bytes = 8.0 * static_cast<double>(rows * C);
    results = {{&y, &expected}};
  }
  void ours() override {
    remake(y, [&] { return minivit::layer_norm(x, gamma, beta); });
  }
  void eigen() override {
    parallel_for(rows, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        eigen_layer_norm(C, x.data() + i * C, gamma, beta, expected.data() + i * C);
    });
  }
};

struct LayerNormBackward : Case {
  static constexpr std::int64_t kGroup = 32;  // rows whose part of dgamma and dbeta is summed up together

  std::int64_t rows, C;
  Source source{{rows, C}};
  Tensor x = random({rows, C}, 1), dy = random({rows, C}, 4), statistics;
  Var gamma = minivit::variable(random({C}, 2)), beta = minivit::variable(random({C}, 3));
  Tensor dx, expected_dx = Tensor::zeros({rows, C}), dgamma = gamma.grad(), dbeta = beta.grad(),
             expected_dgamma = Tensor::zeros({C}), expected_dbeta = Tensor::zeros({C});

  LayerNormBackward(std::int64_t rows, std::int64_t C)
      : Case("layer norm backward", by(rows, C)), rows(rows), C(C) {
    bytes = 12.0 * static_cast<double>(rows * C);
    results = {{&dx, &expected_dx}, {&dgamma, &expected_dgamma}, {&dbeta, &expected_dbeta}};
    statistics = minivit::detail::row_statistics(rows, C, x.data(), 1e-6f);
  }
  void reset() override {
    dgamma.fill(0);
    dbeta.fill(0);
  }
  void ours() override {
    dx = Tensor();
    const Var v = source(x, dx);
    minivit::backward(minivit::Tape::local().record(x, {&v, &gamma, &beta},
                                                    [&, v](minivit::Tape& tape, const Tensor& d) {
                                                      minivit::detail::layer_norm_gradients(
                                                          tape, rows, C, v, gamma, beta.edge(), statistics,
                                                          d);
                                                    }),
                      dy);
  }
  void eigen() override {
    const std::int64_t groups = (rows + kGroup - 1) / kGroup;
    minivit::RowMajorMatrix dgammas = minivit::RowMajorMatrix::Zero(groups, C), dbetas = dgammas;
    parallel_for(rows, kGroup, [&](std::int64_t begin, std::int64_t end) {
      minivit::ArrayMap part_gamma(dgammas.data() + begin / kGroup * C, C),
          part_beta(dbetas.data() + begin / kGroup * C, C);
      for (std::int64_t i = begin; i < end; ++i) {
        const float mean = statistics(i, 0), rstd = statistics(i, 1);
        const auto g = as_array(static_cast<const Tensor&>(dy).data() + i * C, C);
        const Eigen::ArrayXf normalized =
            (as_array(static_cast<const Tensor&>(x).data() + i * C, C) - mean) * rstd;
        const Eigen::ArrayXf gg = g * as_array(gamma.value());
        as_array(expected_dx.data() + i * C, C) =
            rstd * (gg - gg.mean() - normalized * (gg * normalized).mean());
        part_gamma += g * normalized;
        part_beta += g;
      }
    });
    as_array(expected_dgamma) = dgammas.colwise().sum().transpose().array();
    as_array(expected_dbeta) = dbetas.colwise().sum().transpose().array();
  }
};

struct Softmax : Case {
  std::int64_t rows, n;
  Tensor x = random({rows, n}, 1, -4, 4), y = Tensor::zeros({rows, n}), expected = Tensor::zeros({rows, n});

  Softmax(std::int64_t rows, std::int64_t n) : Case("softmax", by(rows, n)), rows(rows), n(n) {
    bytes = 8.0 * static_cast<double>(rows * n);
    results = {{&y, &expected}};
  }
  void ours() override {
    remake(y, [&] { return minivit::softmax(x); });
  }
  void eigen() override {
    parallel_for(rows, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto row = as_array(static_cast<const Tensor&>(x).data() + i * n, n);
        auto out = as_array(expected.data() + i * n, n);
        out = (row - row.maxCoeff()).exp();
        out *= 1.0f / out.sum();
      }
    });
  }
};

/// 2 Φ(x) - 1, as an expression.
inline auto eigen_erf(const minivit::ConstArrayMap& x) {
  return (x * std::numbers::sqrt2_v<float> * 0.5f).unaryExpr([](float v) { return std::erf(v); });
}

struct Gelu : Case {
  static constexpr std::int64_t kPiece = 4096;
  bool backward;
  Tensor x, dy, y, expected;

  Gelu(bool backward, std::int64_t rows, std::int64_t C)
      : Case(backward ? "GELU backward" : "GELU forward", by(rows, C)),
        backward(backward),
        x(random({rows, C}, 1, -4, 4)),
        dy(random({rows, C}, 2)),
        y(Tensor::zeros({rows, C})),
        expected(Tensor::zeros({rows, C})) {
    bytes = (backward ? 12.0 : 8.0) * static_cast<double>(rows * C);
    results = {{&y, &expected}};
  }
  void ours() override {
    if (!backward)
      remake(y, [&] { return minivit::gelu(x); });
    else
      minivit::Sink{y.data(), false}.write_all(
          x.numel(),
          [](minivit::kernels::Vec g, minivit::kernels::Vec v) {
            return g * minivit::detail::gelu_derivative(v);
          },
          dy.data(), x.data());
  }
  void eigen() override {
    constexpr float kInverseRootTwoPi = 0.3989422804f;
    parallel_for(x.numel(), kPiece, [&](std::int64_t begin, std::int64_t end) {
      const minivit::ConstArrayMap v(x.data() + begin, end - begin), g(dy.data() + begin, end - begin);
      auto out = as_array(expected.data() + begin, end - begin);
      if (backward)
        out = g * (0.5f * (1.0f + eigen_erf(v)) + v * kInverseRootTwoPi * (v.square() * -0.5f).exp());
      else
        out = 0.5f * v * (1.0f + eigen_erf(v));
    });
  }
};

/// The same mask for both: Eigen draws it element by element from the same stream.
struct Dropout : Case {
  static constexpr float kP = 0.1f;
  Tensor x, y, expected;

  Dropout(std::int64_t rows, std::int64_t C)
      : Case("dropout", by(rows, C)), x(random({rows, C}, 1)), y(x.clone()), expected(x.clone()) {
    bytes = 8.0 * static_cast<double>(rows * C);
    results = {{&y, &expected}};
  }
  void ours() override {
    const minivit::Training training;
    minivit::manual_seed(1);
    remake(y, [&] { return minivit::dropout(x, kP); });
  }
  void eigen() override {
    const minivit::Rng stream =
        minivit::Generator(1).stream(minivit::Generator::Purpose::dropout);  // that of manual_seed(1)
    const auto limit = static_cast<std::uint32_t>(static_cast<double>(kP) * 0x1p32);
    parallel_for(x.numel(), 4096, [&](std::int64_t begin, std::int64_t end) {
      std::array<std::uint32_t, 4> words{};
      std::int64_t i = begin;
      const auto drop = [&](float v) {
        if (i % 4 == 0) words = stream.at(static_cast<std::uint64_t>(i) / 4);
        return words[static_cast<std::size_t>(i++ % 4)] >= limit ? v * (1.0f / (1.0f - kP)) : 0.0f;
      };
      as_array(expected.data() + begin, end - begin) =
          as_array(static_cast<const Tensor&>(x).data() + begin, end - begin).unaryExpr(drop);
    });
  }
};

/// The loss and the gradient of the logits.
struct CrossEntropy : Case {
  std::int64_t B, K;
  Source source{{B, K}};
  Tensor logits = random({B, K}, 1, -4, 4), loss, expected_loss = Tensor::zeros({1}), gradient,
         expected = Tensor::zeros({B, K});
  std::vector<int> labels;

  CrossEntropy(std::int64_t B, std::int64_t K) : Case("cross-entropy, gradient", by(B, K)), B(B), K(K) {
    bytes = 8.0 * static_cast<double>(B * K);
    results = {{&loss, &expected_loss}, {&gradient, &expected}};
    for (std::int64_t i = 0; i < B; ++i) labels.push_back(static_cast<int>(i * 7 % K));
  }
  void ours() override {
    gradient = Tensor();
    const Var l = minivit::cross_entropy(source(logits, gradient), labels);
    loss = l.value();
    minivit::backward(l);
  }
  void eigen() override {
    Eigen::ArrayXf losses(B);
    parallel_for(B, 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto z = as_array(static_cast<const Tensor&>(logits).data() + i * K, K);
        auto p = as_array(expected.data() + i * K, K);
        const float largest = z.maxCoeff();
        p = (z - largest).exp();
        const float total = p.sum();
        const int label = labels[static_cast<std::size_t>(i)];
        losses[i] = std::log(total) + largest - z[label];
        p *= 1.0f / (total * static_cast<float>(B));
        p[label] -= 1.0f / static_cast<float>(B);
      }
    });
    expected_loss.data()[0] = losses.mean();
  }
};

/// A step of AdamW that scales the gradients, a clipping factor say, and clears them.
struct AdamWStep : Case {
  static constexpr float kRate = 1e-3f, kClip = 0.5f;
  std::int64_t n;
  Tensor start, gradient, p, g, m, v;  // Eigen's
  minivit::ParameterArena arena;
  minivit::AdamW optimizer;
  std::int64_t steps = 0;

  explicit AdamWStep(std::int64_t n)
      : Case("AdamW, clip, clear", std::to_string(n)),
        n(n),
        start(random({n}, 1)),
        gradient(random({n}, 2)),
        p(start.clone()),
        g(gradient.clone()),
        m(Tensor::zeros({n})),
        v(Tensor::zeros({n})),
        arena{start.clone(), gradient.clone(), {}, {{0, n, true, 1.0f}}, n},
        optimizer(arena, {}) {
    bytes = 16.0 * static_cast<double>(n);  // in place: writing back goes on meanwhile
    results = {{&arena.values, &p}, {&optimizer.first_moment(), &m}, {&optimizer.second_moment(), &v}};
  }
  void reset() override {
    for (Tensor* values : {&arena.values, &p}) values->copy_from(start);
    for (Tensor* gradients : {&arena.grads, &g}) gradients->copy_from(gradient);
    for (Tensor* moment : {&optimizer.first_moment(), &optimizer.second_moment(), &m, &v}) moment->fill(0);
    steps = 0;
    optimizer.set_steps(0);
  }
  void ours() override { optimizer.step(kRate, kClip, true); }
  bool unfused() override {
    minivit::Sink{arena.grads.data(), false}.write_all(
        n, [](minivit::kernels::Vec x) { return x * kClip; }, arena.grads.data());
    optimizer.step(kRate);
    arena.zero_grad();
    return true;
  }
  void eigen() override {
    ++steps;
    const float rate = kRate / static_cast<float>(1.0 - std::pow(0.9, steps)),
                root2 = static_cast<float>(std::sqrt(1.0 - std::pow(0.999, steps)));
    const auto all = [&](const auto& expression) {  // one statement after the other, each on all threads
      parallel_for(n, 8192, [&](std::int64_t begin, std::int64_t end) {
        const auto piece = [&](Tensor& t) { return as_array(t.data() + begin, end - begin); };
        expression(piece(p), piece(g), piece(m), piece(v));
      });
    };
    all([](auto, auto g, auto, auto) { g *= kClip; });
    all([](auto, auto g, auto m, auto) { m = m * 0.9f + g * (1.0f - 0.9f); });
    all([](auto, auto g, auto, auto v) { v = v * 0.999f + g.square() * (1.0f - 0.999f); });
    all([=](auto p, auto, auto m, auto v) {
      p = p * (1.0f - kRate * 0.05f) - rate * m / (v.sqrt() / root2 + 1e-8f);
    });
    all([](auto, auto g, auto, auto) { g.setZero(); });
  }
};

}  // namespace bench
