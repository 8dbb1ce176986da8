// Multi-head self-attention from packed queries, keys and values.
//
//   qkv: (B, T, 3C)   q | k | v behind each other, each H heads × D   ->   y: (B, T, C),   C = H · D
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Whether tokens look at themselves; masked: at all others.
enum class Diagonal { kept, masked };

/// For each head y = softmax(q kᵀ / √D) v, the heads behind each other as timm has them: qkv (B, T, 3C) -> y
/// (B, T, C). `dropout` in [0, 1) drops probabilities inside a `Training` scope. With a masked diagonal the
/// score of each token for itself is -infinity. Throws ShapeError if the shapes do not fit, or if one token
/// alone has no other to look at, ConfigError for the dropout. The probabilities are not kept but computed
/// again by the gradient.
[[nodiscard]] Var attention(const Var& qkv, std::int64_t heads, float dropout = 0.0f,
                            Diagonal diagonal = Diagonal::kept);

/// The probabilities that `attention` uses: qkv (B, T, 3C) -> (B, H, T, T), row i saying how much token i
/// looks at each token. For looking at; no gradient. Throws ShapeError as `attention`.
[[nodiscard]] Tensor attention_map(const Tensor& qkv, std::int64_t heads, Diagonal diagonal = Diagonal::kept);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <limits>

#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/attention.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/kernels/softmax.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::kTileColumns;

/// B, T, H, D of packed queries, keys and values. Throws ShapeError if they do not divide, or if there is no
/// token to look at.
struct AttentionShape {
  std::int64_t B, T, C, H, D;

  AttentionShape(const char* op, const Shape& qkv, std::int64_t heads, Diagonal diagonal) {
    check<ShapeError>(qkv.rank() == 3 && heads > 0 && heads <= qkv[2] && qkv[2] % (3 * heads) == 0, op,
                      ": qkv is ", qkv, ", expected (B, T, 3C) with C divisible by ", heads, " heads");
    B = qkv[0], T = qkv[1], C = qkv[2] / 3, H = heads, D = C / H;
    check<ShapeError>(diagonal == Diagonal::kept || T != 1, op, ": qkv is ", qkv,
                      ", expected two tokens or more where none looks at itself");
  }

  /// f(b, h) for every head, at the same time. The heads of an image share pages and fetch each other's
  /// lines, so they are one piece of work, if there are enough images.
  template <class F>
  void for_each_head(const F& f) const {
    parallel_for(B * H, B < 8 ? 1 : H, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) f(i / H, i % H);
    });
  }

  /// f(b, h, first, count) for [first, first + count) of the queries of every head: all of them, unless there
  /// are too few heads for the threads, as the three of one image in ViT-Ti for two.
  template <class F>
  void for_each_part(const F& f) const {
    const std::int64_t heads = std::max<std::int64_t>(1, B * H),
                       panels = (T + kTileColumns - 1) / kTileColumns,
                       parts = std::min(panels, (2 * num_threads() + heads - 1) / heads);
    if (parts <= 1) return for_each_head([&](std::int64_t b, std::int64_t h) { f(b, h, 0, T); });
    parallel_for(B * H * parts, 1, [&](std::int64_t i, std::int64_t) {
      const std::int64_t part = i % parts, head = i / parts, first = panels * part / parts * kTileColumns;
      f(head / H, head % H, first, std::min(T, panels * (part + 1) / parts * kTileColumns) - first);
    });
  }
};

}  // namespace detail

MINIVIT_INLINE Var attention(const Var& qkv, std::int64_t heads, float dropout, Diagonal diagonal) {
  using kernels::AttentionMask, kernels::Write;
  detail::check_defined("attention", "qkv", qkv);
  const detail::AttentionShape s("attention", qkv.shape(), heads, diagonal);
  check<ConfigError>(dropout >= 0.0f && dropout < 1.0f, "attention: dropout is ", dropout,
                     ", expected 0 ≤ p < 1");
  AttentionMask mask{.diagonal = diagonal == Diagonal::masked};
  if (is_training() && dropout > 0.0f)
    mask.p = dropout, mask.stream = Generator::local().stream(Generator::Purpose::dropout);

  const bool wanted = Tape::local().wants({&qkv});
  Tensor y = Tensor::empty({s.B, s.T, s.C});
  Tensor kept;  // what makes each head's probabilities again
  if (wanted) kept = Tensor::empty({s.B * s.H, 2, s.T});
  const Write mode = kernels::write_mode(false, y.numel(), y.data(), s.D);
  s.for_each_part([&](std::int64_t b, std::int64_t h, std::int64_t first, std::int64_t count) {
    const float *const head = qkv.data() + b * s.T * 3 * s.C + h * s.D, *const q = head + first * 3 * s.C;
    AttentionMask mine = mask;
    mine.head = b * s.H + h, mine.query = first;
    kernels::attention_forward(count, s.T, s.D, q, head + s.C, head + 2 * s.C, 3 * s.C,
                               y.data() + (b * s.T + first) * s.C + h * s.D, s.C, mode,
                               wanted ? kept.data() + mine.head * 2 * s.T + first : nullptr, mine);
  });

  return Tape::local().record(std::move(y), {&qkv}, [qkv, kept, s, mask](Tape& tape, const Tensor& dy) {
    if (const Sink dqkv = tape.sink(qkv)) {
      const Write dqkv_mode = kernels::write_mode(dqkv.add, qkv.numel(), dqkv.data, s.D);
      s.for_each_head([&](std::int64_t b, std::int64_t h) {
        const std::int64_t at = b * s.T * 3 * s.C + h * s.D;
        const float* q = qkv.data() + at;
        float* dq = dqkv.data + at;
        AttentionMask mine = mask;
        mine.head = b * s.H + h;
        kernels::attention_backward(s.T, s.D, q, q + s.C, q + 2 * s.C, 3 * s.C,
                                    kept.data() + mine.head * 2 * s.T, dy.data() + b * s.T * s.C + h * s.D,
                                    s.C, dq, dq + s.C, dq + 2 * s.C, dqkv_mode, mine);
      });
    }
  });
}

MINIVIT_INLINE Tensor attention_map(const Tensor& qkv, std::int64_t heads, Diagonal diagonal) {
  using kernels::MatrixView;
  detail::check_defined("attention_map", "qkv", qkv);
  const detail::AttentionShape s("attention_map", qkv.shape(), heads, diagonal);
  Tensor p = Tensor::empty({s.B, s.H, s.T, s.T});
  s.for_each_head([&](std::int64_t b, std::int64_t h) {
    const float* q = qkv.data() + b * s.T * 3 * s.C + h * s.D;
    float* out = p.data() + (b * s.H + h) * s.T * s.T;
    kernels::gemm(s.T, s.T, s.D, MatrixView::rows(q, 3 * s.C),
                  MatrixView::rows(q + s.C, 3 * s.C).transposed(), out, s.T,
                  {.scale = 1.0f / std::sqrt(static_cast<float>(s.D))});
    for (std::int64_t i = 0; i < s.T; ++i) {
      float* const row = out + i * s.T;
      if (diagonal == Diagonal::masked) row[i] = -std::numeric_limits<float>::infinity();
      kernels::softmax_row(s.T, row, row);
    }
  });
  return p;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
