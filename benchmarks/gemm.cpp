// Matrix products of the sizes that Vision Transformers have, against Eigen: gemm [--json] [--threads N]
#include <Eigen/Core>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "harness.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/tensor/eigen.hpp"

using namespace minivit;

namespace {

struct Case {
  std::int64_t M, N, K;
};

// Rows: 32 images of 197 tokens (seed, Ti), 16 of 197 (S, B), one, and 128 of 65 (CIFAR).
constexpr Case kCases[] = {{6304, 768, 256}, {6304, 1024, 256}, {6304, 256, 1024}, {6304, 576, 192},
                           {6304, 192, 768}, {3152, 1536, 384}, {3152, 384, 1536}, {3152, 3072, 768},
                           {197, 768, 256},  {8320, 576, 192}};

enum class Form { forward, dx, dw };
constexpr const char* kForms[] = {"forward", "dx", "dw"};

Tensor random(std::int64_t rows, std::int64_t columns) {
  Tensor t = Tensor::empty({rows, columns});
  Rng rng(1);
  for (float& v : t.values()) v = rng.uniform(-1, 1);
  return t;
}

/// Seconds of minivit and of Eigen for Y = X Wᵀ, dX = dY W or dW = dYᵀ X.
std::pair<double, double> run(const Case& c, Form form) {
  const Tensor x = random(c.M, c.K), w = random(c.N, c.K), dy = random(c.M, c.N);
  Tensor out = form == Form::forward ? Tensor::empty({c.M, c.N})
               : form == Form::dx    ? Tensor::empty({c.M, c.K})
                                     : Tensor::empty({c.N, c.K});
  const auto X = MatrixView::rows(x.data(), c.K), W = MatrixView::rows(w.data(), c.K),
             D = MatrixView::rows(dy.data(), c.N);
  const double ours = bench::seconds([&] {
    if (form == Form::forward) gemm(c.M, c.N, c.K, X, W.transposed(), out.data(), c.N);
    if (form == Form::dx) gemm(c.M, c.K, c.N, D, W, out.data(), c.K);
    if (form == Form::dw) gemm(c.N, c.K, c.M, D.transposed(), X, out.data(), c.K);
  });
  auto O = as_matrix(out);
  const double eigen = bench::seconds([&] {
    if (form == Form::forward) O.noalias() = as_matrix(x) * as_matrix(w).transpose();
    if (form == Form::dx) O.noalias() = as_matrix(dy) * as_matrix(w);
    if (form == Form::dw) O.noalias() = as_matrix(dy).transpose() * as_matrix(x);
  });
  return {ours, eigen};
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--json") {
      json = true;
    } else if (std::string_view(argv[i]) == "--threads" && i + 1 < argc) {
      set_num_threads(std::atoi(argv[++i]));
    } else {
      std::fprintf(stderr, "usage: gemm [--json] [--threads N]\n");
      return 2;
    }
  }
  const int threads = num_threads();
  const double peak = bench::peak_flops() * threads;
  if (!json)
    std::printf("%d threads, peak %.1f GF/s\n  M     N     K   form      GF/s  of peak  x Eigen\n", threads,
                peak / 1e9);
  for (const Case& c : kCases)
    for (const Form form : {Form::forward, Form::dx, Form::dw}) {
      const auto [ours, eigen] = run(c, form);
      const double flops = 2.0 * static_cast<double>(c.M * c.N * c.K), rate = flops / ours;
      const char* const name = kForms[static_cast<int>(form)];
      const auto M = static_cast<long long>(c.M), N = static_cast<long long>(c.N),
                 K = static_cast<long long>(c.K);
      if (json)
        std::printf(
            "{\"shape\": [%lld, %lld, %lld], \"form\": \"%s\", \"threads\": %d, \"gflops\": %.1f, "
            "\"peak_gflops\": %.1f, "
            "\"share\": %.3f, \"vs\": {\"eigen\": %.2f}}\n",
            M, N, K, name, threads, rate / 1e9, peak / 1e9, rate / peak, eigen / ours);
      else
        std::printf("%4lld  %4lld  %4lld   %-7s  %6.1f    %4.0f%%     %.2f\n", M, N, K, name, rate / 1e9,
                    100 * rate / peak, eigen / ours);
      std::fflush(stdout);
    }
}
