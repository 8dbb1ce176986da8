// The sequence of a transformer on images: assembled from patches and learned tokens, pooled into one vector.
//
// One pass over the tokens each, for what concat, slice, add and mean say in general.
#pragma once

#include <span>

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y (B, P + N, C) = [first; second; patches] + positions: learned tokens in front of each image's patches
/// (B, N, C), and positions added to all, or to the patches alone. first, second: (1, p, C) with p tokens
/// each, or empty (`Var{}`); positions: (1, P + N, C), or (1, N, C). Throws ShapeError if the shapes do not
/// fit.
[[nodiscard]] Var assemble_tokens(const Var& patches, const Var& first, const Var& second,
                                  const Var& positions);

/// y (B, C) = the mean of tokens [begin, begin + count) of x (B, T, C); one token is that token. With
/// `and_first` y (B, 2C) = token 0 and, behind it, that mean. Throws ShapeError if there are no such tokens.
[[nodiscard]] Var pool_tokens(const Var& x, std::int64_t begin, std::int64_t count = 1,
                              bool and_first = false);

/// y (B, K, C) = K tokens of each image of x (B, T, C). tokens: their numbers, 0 to T - 1, for one image
/// after the other. Throws ShapeError if there are no such tokens.
[[nodiscard]] Var select_tokens(const Var& x, std::span<const int> tokens);

/// y = (a + b) / 2, of the same shape. Throws ShapeError if the shapes differ.
[[nodiscard]] Var mean_of(const Var& a, const Var& b);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <limits>
#include <vector>

#include "minivit/autograd/tape.hpp"
#include "minivit/ops/defined.hpp"
#include "minivit/ops/embedding.hpp"
#include "minivit/ops/rearrange.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Var assemble_tokens(const Var& patches, const Var& first, const Var& second,
                                   const Var& positions) {
  using kernels::Vec;
  detail::check_defined("assemble_tokens", "patches", patches);
  detail::check_defined("assemble_tokens", "positions", positions);
  check<ShapeError>(patches.rank() == 3, "assemble_tokens: patches are ", patches.shape(),
                    ", expected (B, N, C)");
  const std::int64_t B = patches.size(0), N = patches.size(1), C = patches.size(2);
  const auto count = [&](const Var& token) -> std::int64_t {
    if (!token.value().defined()) return 0;
    check<ShapeError>(token.rank() == 3 && token.size(0) == 1 && token.size(2) == C,
                      "assemble_tokens: a token is ", token.shape(), ", expected (1, p, ", C, ")");
    return token.size(1);
  };
  const std::int64_t F = count(first), P = F + count(second), T = P + N;
  check<ShapeError>(positions.shape() == Shape{1, T, C} || positions.shape() == Shape{1, N, C},
                    "assemble_tokens: positions are ", positions.shape(), ", expected (1, ", T, ", ", C,
                    ") or (1, ", N, ", ", C, ") for patches ", patches.shape(), " and ", P, " tokens");
  const std::int64_t S = T - positions.size(1);  // tokens without a position
  Tensor y = Tensor::empty({B, T, C});
  parallel_for(B * T, grain_for(3 * C), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t b = i / T, t = i % T;
      const float* x = t < F   ? first.data() + t * C
                       : t < P ? second.data() + (t - F) * C
                               : patches.data() + (b * N + t - P) * C;
      const Sink out{y.data(), false};
      if (t < S)
        out.write(
            i * C, C, [](Vec a) { return a; }, x);
      else
        out.write(
            i * C, C, [](Vec a, Vec p) { return a + p; }, x, positions.data() + (t - S) * C);
    }
  });
  return Tape::local().record(
      std::move(y), {&patches, &first, &second, &positions},
      [patches = patches.edge(), first = first.edge(), second = second.edge(), positions = positions.edge(),
       B, N, C, F, P, S, T](Tape& tape, const Tensor& dy) {
        const auto same = [](Vec v) { return v; };
        if (const Sink dx = tape.sink(patches))
          parallel_for(B * N, grain_for(2 * C), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i)
              dx.write(i * C, C, same, dy.data() + (i / N * T + P + i % N) * C);
          });
        // What all images share gets the sum over them, in their order: that of tokens [t0, t1). One after
        // the other, since two of them may be the same variable.
        const auto add_up = [&](const Edge& x, std::int64_t t0, std::int64_t t1) {
          const Sink dx = tape.sink(x);
          if (!dx) return;
          parallel_for(t1 - t0, grain_for(2 * B * C), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
              Sink out = dx;
              if (B == 0) Sink{dx.data + i * C, dx.add}.start_from_zero(C);
              for (std::int64_t b = 0; b < B; ++b, out.add = true)
                out.write(i * C, C, same, dy.data() + (b * T + t0 + i) * C);
            }
          });
        };
        add_up(positions, S, T);
        add_up(first, 0, F);
        add_up(second, F, P);
      });
}

MINIVIT_INLINE Var pool_tokens(const Var& x, std::int64_t begin, std::int64_t count, bool and_first) {
  using kernels::Vec;
  detail::check_defined("pool_tokens", "x", x);
  check<ShapeError>(x.rank() == 3, "pool_tokens: x is ", x.shape(), ", expected (B, T, C)");
  const std::int64_t B = x.size(0), T = x.size(1), C = x.size(2);
  check<ShapeError>(begin >= 0 && count >= 1 && begin + count <= T, "pool_tokens: ", count, " tokens from ",
                    begin, " on of x ", x.shape());
  const float part = 1.0f / static_cast<float>(count);
  const std::int64_t M = and_first ? C : 0, width = M + C;  // where the mean begins
  Tensor y = Tensor::empty({B, width});
  parallel_for(B, grain_for(count * C), [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t b = from; b < to; ++b) {
      if (and_first) std::copy_n(x.data() + b * T * C, C, y.data() + b * width);
      Sink out{y.data() + b * width + M, false};
      for (std::int64_t t = begin; t < begin + count; ++t, out.add = true)
        out.write(
            0, C, [part](Vec v) { return v * part; }, x.data() + (b * T + t) * C);
    }
  });
  return Tape::local().record(
      std::move(y), {&x},
      [x = x.edge(), begin, count, part, B, T, C, M, width](Tape& tape, const Tensor& dy) {
        Sink dx = tape.sink(x);
        if (!dx) return;
        dx.start_from_zero(B * T * C);
        parallel_for(B, grain_for(count * C), [&](std::int64_t from, std::int64_t to) {
          for (std::int64_t b = from; b < to; ++b) {
            if (M > 0)
              dx.write(
                  b * T * C, C, [](Vec v) { return v; }, dy.data() + b * width);
            for (std::int64_t t = begin; t < begin + count; ++t)
              dx.write((b * T + t) * C, C, [part](Vec v) { return v * part; }, dy.data() + b * width + M);
          }
        });
      });
}

MINIVIT_INLINE Var select_tokens(const Var& x, std::span<const int> tokens) {
  detail::check_defined("select_tokens", "x", x);
  check<ShapeError>(x.rank() == 3, "select_tokens: x is ", x.shape(), ", expected (B, T, C)");
  const std::int64_t B = x.size(0), T = x.size(1), C = x.size(2), n = std::ssize(tokens);
  check<ShapeError>(B > 0 && n % B == 0 && B * T <= std::numeric_limits<int>::max(), "select_tokens: ", n,
                    " tokens of x ", x.shape(), ", expected as many for each image");
  std::vector<int> rows(tokens.begin(), tokens.end());
  for (std::int64_t i = 0; i < n; ++i) {
    int& row = rows[static_cast<std::size_t>(i)];
    check<ShapeError>(row >= 0 && row < T, "select_tokens: token ", row, " of x ", x.shape());
    row += static_cast<int>(i / (n / B) * T);
  }
  return reshape(embedding(reshape(x, {B * T, C}), rows), {B, n / B, C});
}

MINIVIT_INLINE Var mean_of(const Var& a, const Var& b) {
  detail::check_defined("mean_of", "a", a);
  detail::check_defined("mean_of", "b", b);
  check<ShapeError>(a.shape() == b.shape(), "mean_of: a is ", a.shape(), ", b ", b.shape(),
                    ", expected the same shape");
  Tensor y = Tensor::empty(a.shape());
  y.array() = (a.value().array() + b.value().array()) * 0.5f;
  return Tape::local().record(std::move(y), {&a, &b},
                              [a = a.edge(), b = b.edge()](Tape& tape, const Tensor& dy) {
                                Tensor half = Tensor::empty(dy.shape());
                                half.array() = dy.array() * 0.5f;
                                tape.pass(a, half);
                                tape.pass(b, half);
                              });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
