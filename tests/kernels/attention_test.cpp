// Attention of one head, as its kernels see it.
#include "minivit/kernels/attention.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace minivit;
using namespace minivit::kernels;

// What the operation does not show: rows that lie further apart than they are long, and what is between them.
TEST_CASE("attention kernels touch their rows and nothing else") {
  const std::int64_t T = 21, D = 5, stride = 3 * D + 4, o_stride = D + 3;
  Rng rng(8);
  std::vector<float> qkv(static_cast<std::size_t>(T * stride)), d_o(static_cast<std::size_t>(T * o_stride));
  for (float& v : qkv) v = rng.uniform(-1, 1);
  for (float& v : d_o) v = rng.uniform(-1, 1);
  std::vector<float> o(d_o.size(), 7.0f), gradient(qkv.size(), 7.0f);
  std::vector<float> made(static_cast<std::size_t>(2 * T) + 1, 7.0f);
  const float *q = qkv.data(), *k = q + D, *v = k + D;
  float* dq = gradient.data();
  attention_forward(T, T, D, q, k, v, stride, o.data(), o_stride, Write::set, made.data(), {});
  attention_backward(T, D, q, k, v, stride, made.data(), d_o.data(), o_stride, dq, dq + D, dq + 2 * D,
                     Write::set, {});

  CHECK(made.back() == 7.0f);
  for (std::int64_t i = 0; i < T; ++i) {
    for (std::int64_t c = D; c < o_stride; ++c) CHECK(o[static_cast<std::size_t>(i * o_stride + c)] == 7.0f);
    for (std::int64_t c = 3 * D; c < stride; ++c)
      CHECK(gradient[static_cast<std::size_t>(i * stride + c)] == 7.0f);
    double total = 0;
    for (std::int64_t j = 0; j < T; ++j) {
      double dot = 0;
      for (std::int64_t d = 0; d < D; ++d) dot += double{q[i * stride + d]} * k[j * stride + d];
      total += std::exp(dot / std::sqrt(static_cast<double>(D)));
    }
    const double largest = made[static_cast<std::size_t>(i)], inverse = made[static_cast<std::size_t>(T + i)];
    CHECK(std::exp(largest) / inverse == doctest::Approx(total).epsilon(1e-6));
  }

  // Adding doubles what is there; without the sums of the forward pass the result is the same.
  const std::vector<float> once = gradient;
  attention_backward(T, D, q, k, v, stride, made.data(), d_o.data(), o_stride, dq, dq + D, dq + 2 * D,
                     Write::add, {});
  for (std::int64_t i = 0; i < T; ++i)
    for (std::int64_t c = 0; c < 3 * D; ++c) {
      const auto at = static_cast<std::size_t>(i * stride + c);
      CHECK(std::fabs(gradient[at] - 2 * once[at]) <= 1e-6f);
    }
  std::vector<float> again(d_o.size(), 7.0f);
  attention_forward(T, T, D, q, k, v, stride, again.data(), o_stride, Write::set, nullptr, {});
  CHECK(again == o);
}
