// Non-temporal stores, against ordinary ones.
#include "minivit/kernels/non_temporal.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "minivit/kernels/gemm.hpp"
#include "minivit/ops/attention.hpp"

using namespace minivit;
using namespace minivit::kernels;

namespace {

Tensor random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor x = Tensor::empty(shape);
  Rng rng(seed);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = rng.uniform(-1, 1);
  return x;
}

bool same_bits(const float* a, const float* b, std::int64_t n) {
  return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("only large and aligned results are written past the caches") {
  alignas(64) float x[kLanes + 1];
  CHECK(write_mode(false, kNonTemporalFloats, x, 2 * kLanes) == Write::non_temporal);
  CHECK(write_mode(false, kNonTemporalFloats - 1, x, 2 * kLanes) == Write::set);
  CHECK(write_mode(false, kNonTemporalFloats, x + 1, 2 * kLanes) == Write::set);
  CHECK(write_mode(false, kNonTemporalFloats, x, 2 * kLanes + 1) == Write::set);
  CHECK(write_mode(true, kNonTemporalFloats, x, 2 * kLanes) == Write::add);
}

TEST_CASE("map_to writes the same either way, and nothing behind it") {
  for (std::int64_t n = 0; n <= 3 * kLanes; ++n) {
    alignas(64) float x[4 * kLanes], set[4 * kLanes], past[4 * kLanes];
    for (int i = 0; i < 4 * kLanes; ++i) x[i] = static_cast<float>(i), set[i] = past[i] = -1.0f;
    const auto twice = [](Vec v) { return v + v; };
    map_to(Write::set, n, set, twice, x);
    map_to(Write::non_temporal, n, past, twice, x);
    for (int i = 0; i < 4 * kLanes; ++i) {
      CHECK(set[i] == (i < n ? 2.0f * static_cast<float>(i) : -1.0f));
      CHECK(past[i] == set[i]);
    }
  }
}

// The same product at an address where it cannot be written past the caches. 528 columns are sixteen panels
// and a half one; rows are tiles of 13 and 14.
TEST_CASE("products written past the caches have the same bits") {
  const std::int64_t M = 2003, N = 528, K = 37, all = M * N;
  REQUIRE(all >= kNonTemporalFloats);
  const Tensor a = random_tensor({M, K}, 1), b = random_tensor({K, N}, 2), bias = random_tensor({N}, 3),
               plus = random_tensor({M, N}, 4);
  Tensor past = Tensor::empty({M, N}), set = Tensor::empty({all + 1});
  REQUIRE(write_mode(false, all, past.data(), N) == Write::non_temporal);
  const TileMap twice{[](const void*, const TileMap::Piece& p) {
    for (std::int64_t r = 0; r < p.rows; ++r)
      map_to(
          p.mode, p.columns, p.c + r * p.c_stride, [](Vec v) { return v + v; }, p.tile + r * p.tile_stride);
  }};
  for (const Epilogue& epilogue :
       {Epilogue{}, Epilogue{.bias = bias.data()}, Epilogue{.bias = bias.data(), .plus = plus.data()},
        Epilogue{.finish = twice}})
    for (const int threads : {1, 3}) {
      const int before = num_threads();
      set_num_threads(threads);
      const MatrixView A = MatrixView::rows(a.data(), K), B = MatrixView::rows(b.data(), N);
      gemm(M, N, K, A, B, past.data(), N, epilogue);
      gemm(M, N, K, A, B, set.data() + 1, N, epilogue);
      set_num_threads(before);
      CHECK(same_bits(past.data(), set.data() + 1, all));
    }
}

TEST_CASE("attention written past the caches has the same bits") {
  const std::int64_t T = 33, H = 2, D = 32, C = H * D, B = kNonTemporalFloats / (T * C) + 1;
  // Of an operation's result: its gradient is written, that of a leaf added to.
  Tensor seen;
  const Var leaf = variable(random_tensor({B, T, 3 * C}, 1)),
            qkv = Tape::local().record(leaf.value(), {&leaf}, [&](Tape&, const Tensor&d) { seen = d; });
  const Tensor dy = random_tensor({B, T, C}, 2);
  const Var y = attention(qkv, H);
  REQUIRE(write_mode(false, y.numel(), y.data(), D) == Write::non_temporal);
  const Tensor result = y.value();

  Tensor expected = Tensor::empty({B, T, C}), gradient = Tensor::empty({B, T, 3 * C});
  for (std::int64_t i = 0; i < B * H; ++i) {
    const std::int64_t at = i / H * T * C + i % H * D, row = 3 * C, qkv_at = i / H * T * row + i % H * D;
    const float* const q = qkv.data() + qkv_at;
    float* const dq = gradient.data() + qkv_at;
    std::vector<float> made(static_cast<std::size_t>(2 * T));
    attention_forward(T, T, D, q, q + C, q + 2 * C, row, expected.data() + at, C, Write::set, made.data(),
                      {});
    attention_backward(T, D, q, q + C, q + 2 * C, row, made.data(), dy.data() + at, C, dq, dq + C, dq + 2 * C,
                       Write::set, {});
  }
  CHECK(same_bits(result.data(), expected.data(), result.numel()));

  Tape::local().backward(y, dy);
  REQUIRE(write_mode(false, seen.numel(), seen.data(), D) == Write::non_temporal);
  CHECK(same_bits(seen.data(), gradient.data(), gradient.numel()));
}
