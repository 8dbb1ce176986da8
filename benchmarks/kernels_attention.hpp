// Attention of all heads of a batch, against products of Eigen's with all probabilities kept between forward
// and backward.
#pragma once

#include "kernel_case.hpp"
#include "minivit/ops/attention.hpp"

namespace bench {

/// What both directions have: B images of T tokens, H heads of D channels.
struct AttentionCase : Case {
  using Matrix = minivit::RowMajorMatrix;
  using Rows = Eigen::Map<Matrix, 0, Eigen::OuterStride<>>;

  std::int64_t B, T, H, D, C = H * D;
  float scale = 1.0f / std::sqrt(static_cast<float>(D));
  Tensor qkv = random({B, T, 3 * C}, 1, -2, 2), probabilities = Tensor::zeros({B * H, T, T});

  AttentionCase(const std::string& direction, int products, std::int64_t B, std::int64_t T, std::int64_t H,
                std::int64_t D)
      : Case("attention " + direction,
             std::to_string(B * H) + " heads, T " + std::to_string(T) + " D " + std::to_string(D)),
        B(B),
        T(T),
        H(H),
        D(D) {
    flops = 2.0 * products * static_cast<double>(B * H * T * T * D);
  }

  /// Head i's part of a tensor (B, T, parts · C).
  float* part(Tensor& t, std::int64_t i, std::int64_t parts = 1, std::int64_t which = 0) const {
    return t.data() + (i / H * T * parts + which) * C + i % H * D;
  }
  Rows rows(Tensor& t, std::int64_t i, std::int64_t parts = 1, std::int64_t which = 0) const {
    return {part(t, i, parts, which), T, D, Eigen::OuterStride<>(parts * C)};
  }

  template <class F>
  void for_each_head(const F& f) const {
    parallel_for(B * H, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) f(i);
    });
  }

  void eigen_forward(Tensor& y) {
    for_each_head([&](std::int64_t i) {
      minivit::MatrixMap P(probabilities.data() + i * T * T, T, T);
      P.noalias() = rows(qkv, i, 3, 0) * rows(qkv, i, 3, 1).transpose();
      P = ((P.colwise() - P.rowwise().maxCoeff()).array() * scale).exp().matrix();
      P.array().colwise() /= P.rowwise().sum().array().eval();
      rows(y, i).noalias() = P * rows(qkv, i, 3, 2);
    });
  }
};

struct AttentionForward : AttentionCase {
  Tensor y = Tensor::zeros({B, T, C}), expected = Tensor::zeros({B, T, C});

  AttentionForward(std::int64_t B, std::int64_t T, std::int64_t H, std::int64_t D)
      : AttentionCase("forward", 2, B, T, H, D) {
    results = {{&y, &expected}};
  }
  void ours() override {
    remake(y, [&] { return minivit::attention(qkv, H); });
  }
  void eigen() override { eigen_forward(expected); }
};

/// Five products, the scores' being one of them: they are computed again. Eigen has them from its forward
/// pass and needs four.
struct AttentionBackward : AttentionCase {
  Tensor y = Tensor::zeros({B, T, C}), dy = random({B, T, C}, 2), dqkv = Tensor::zeros(qkv.shape()),
         expected = Tensor::zeros(qkv.shape());
  Tensor kept = Tensor::zeros({B * H, 2, T});

  AttentionBackward(std::int64_t B, std::int64_t T, std::int64_t H, std::int64_t D)
      : AttentionCase("backward", 5, B, T, H, D) {
    results = {{&dqkv, &expected}};
    eigen_forward(y);
    for_each_head([&](std::int64_t i) {
      minivit::kernels::attention_forward(T, T, D, part(qkv, i, 3, 0), part(qkv, i, 3, 1), part(qkv, i, 3, 2),
                                          3 * C, part(y, i), C, minivit::kernels::Write::set,
                                          kept.data() + i * 2 * T, {});
    });
  }
  void ours() override {
    for_each_head([&](std::int64_t i) {
      minivit::kernels::attention_backward(T, D, part(qkv, i, 3, 0), part(qkv, i, 3, 1), part(qkv, i, 3, 2),
                                           3 * C, kept.data() + i * 2 * T, part(dy, i), C,
                                           part(dqkv, i, 3, 0), part(dqkv, i, 3, 1), part(dqkv, i, 3, 2),
                                           minivit::kernels::Write::set, {});
    });
  }
  void eigen() override {
    for_each_head([&](std::int64_t i) {
      minivit::MatrixMap P(probabilities.data() + i * T * T, T, T);
      rows(expected, i, 3, 2).noalias() = P.transpose() * rows(dy, i);
      Matrix S = rows(dy, i) * rows(qkv, i, 3, 2).transpose();
      const Eigen::VectorXf dots = P.cwiseProduct(S).rowwise().sum();
      S = (P.array() * (S.colwise() - dots).array() * scale).matrix().eval();
      rows(expected, i, 3, 0).noalias() = S * rows(qkv, i, 3, 1);
      rows(expected, i, 3, 1).noalias() = S.transpose() * rows(qkv, i, 3, 0);
    });
  }
};

}  // namespace bench
