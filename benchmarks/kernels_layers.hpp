// Linear layers fused with what stands before them.
#pragma once

#include "kernel_case.hpp"
#include "kernels_rows.hpp"
#include "minivit/ops/linear_fused.hpp"

namespace bench {

/// y (rows, N) from something (rows, K) that is made of x.
struct LayerCase : Case {
  std::int64_t rows, K, N;
  Tensor x, weight = random({N, K}, 2), bias = random({N}, 3), y = Tensor::zeros({rows, N}), y_unfused,
            expected = Tensor::zeros({rows, N}), between = Tensor::zeros({rows, K});

  LayerCase(const std::string& name, std::int64_t rows, std::int64_t K, std::int64_t N)
      : Case(name, by(rows, K) + " -> " + std::to_string(N)), rows(rows), K(K), N(N) {
    flops = 2.0 * static_cast<double>(rows * K * N);
    results = {{&y, &expected}};
  }

  void eigen_linear() {
    auto result = as_matrix(expected);
    result.noalias() = as_matrix(between) * as_matrix(weight).transpose();
    parallel_for(rows, 32, [&](std::int64_t begin, std::int64_t end) {
      result.middleRows(begin, end - begin).rowwise() += as_array(bias).matrix().transpose();
    });
  }
};

struct NormLinear : LayerCase {
  Tensor gamma = random({K}, 4), beta = random({K}, 5);

  NormLinear(std::int64_t rows, std::int64_t K, std::int64_t N) : LayerCase("norm_linear", rows, K, N) {
    x = random({rows, K}, 1);
  }
  void ours() override {
    remake(y, [&] { return minivit::norm_linear(x, gamma, beta, 1e-6f, weight, bias); });
  }
  bool unfused() override {
    remake(y_unfused, [&] { return minivit::linear(minivit::layer_norm(x, gamma, beta), weight, bias); });
    return true;
  }
  void eigen() override {
    parallel_for(rows, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        eigen_layer_norm(K, x.data() + i * K, gamma, beta, between.data() + i * K);
    });
    eigen_linear();
  }
};

struct GeluLinear : LayerCase {
  GeluLinear(std::int64_t rows, std::int64_t K, std::int64_t N) : LayerCase("gelu_linear", rows, K, N) {
    x = random({rows, K}, 1, -4, 4);
  }
  void ours() override {
    remake(y, [&] { return minivit::gelu_linear(x, weight, bias); });
  }
  bool unfused() override {
    remake(y_unfused, [&] { return minivit::linear(minivit::gelu(x), weight, bias); });
    return true;
  }
  void eigen() override {
    parallel_for(x.numel(), 4096, [&](std::int64_t begin, std::int64_t end) {
      const minivit::ConstArrayMap v(x.data() + begin, end - begin);
      as_array(between.data() + begin, end - begin) = 0.5f * v * (1.0f + eigen_erf(v));
    });
    eigen_linear();
  }
};

/// Images (B, 3, S, S) cut into patches of P × P.
struct PatchLinear : LayerCase {
  std::int64_t S, P, per_side = S / P;

  PatchLinear(std::int64_t B, std::int64_t S, std::int64_t P, std::int64_t C)
      : LayerCase("patch_linear", B * (S / P) * (S / P), 3 * P * P, C), S(S), P(P) {
    x = random({B, 3, S, S}, 1);
  }
  void ours() override {
    remake(y, [&] { return minivit::patch_linear(x, weight.reshape({N, 3, P, P}), bias); });
  }
  bool unfused() override {
    remake(y_unfused, [&] { return minivit::linear(minivit::patchify(x, P), weight, bias); });
    return true;
  }
  void eigen() override {
    parallel_for(rows, per_side, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t c = 0; c < 3; ++c) {
          const std::int64_t image = i / (per_side * per_side), patch = i % (per_side * per_side);
          const minivit::MatrixMap plane(x.data() + (image * 3 + c) * S * S, S, S);
          minivit::MatrixMap(between.data() + i * K + c * P * P, P, P) =
              plane.block(patch / per_side * P, patch % per_side * P, P, P);
        }
    });
    eigen_linear();
  }
};

}  // namespace bench
