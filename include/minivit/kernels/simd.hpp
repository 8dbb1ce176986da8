// The widest vector of floats that the machine has, in GCC's and Clang's vector extensions: +, -, *, / and
// comparisons work on all lanes, `mask ? a : b` selects. No intrinsics, so the same kernels serve every
// instruction set.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

/// Floats in a vector register.
inline constexpr int kLanes = MINIVIT_LANES;

using Vec = float __attribute__((vector_size(kLanes * sizeof(float))));
using VecInt = std::int32_t __attribute__((vector_size(kLanes * sizeof(std::int32_t))));

/// kLanes floats from `p`, which need not be aligned.
[[nodiscard]] inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/// Writes all lanes to `p`, which need not be aligned.
inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }

/// Fetches the cache line at `p`, which will be read, or written, some hundred cycles later. Any address is
/// fine.
// Always inlined: g++ 12 takes a function that only fetches for one without effect and drops the call.
[[gnu::always_inline]] inline void prefetch_to_read(const float* p) { __builtin_prefetch(p, 0, 2); }
[[gnu::always_inline]] inline void prefetch_to_write(float* p) { __builtin_prefetch(p, 1, 3); }

/// The first `n` lanes from `p`, 0 ≤ n ≤ kLanes; the others are `rest`.
[[nodiscard]] inline Vec load_partial(const float* p, std::int64_t n, float rest = 0.0f) {
  float lanes[kLanes];
  for (float& lane : lanes) lane = rest;
  std::memcpy(lanes, p, static_cast<std::size_t>(n) * sizeof(float));
  return load(lanes);
}

/// Writes the first `n` lanes to `p`, 0 ≤ n ≤ kLanes.
inline void store_partial(float* p, Vec v, std::int64_t n) {
  std::memcpy(p, &v, static_cast<std::size_t>(n) * sizeof(float));
}

/// The same for 0 ≤ n ≤ kLanes that is mostly kLanes.
[[nodiscard]] inline Vec load_some(const float* p, std::int64_t n) {
  return n == kLanes ? load(p) : load_partial(p, n);
}
inline void store_some(float* p, Vec v, std::int64_t n) {
  n == kLanes ? store(p, v) : store_partial(p, v, n);
}

/// `x` in every lane.
[[nodiscard]] inline Vec broadcast(float x) { return x - Vec{}; }

/// Lane by lane; a NaN in `a` stays, as in `b > a ? b : a`. In assembly, since g++ makes a comparison and a
/// blend of that expression.
[[nodiscard]] inline Vec max(Vec a, Vec b) {
#if defined(__AVX__)
  asm("vmaxps %1, %2, %0" : "=v"(a) : "v"(a), "v"(b));
  return a;
#else
  return b > a ? b : a;
#endif
}
[[nodiscard]] inline Vec min(Vec a, Vec b) {
#if defined(__AVX__)
  asm("vminps %1, %2, %0" : "=v"(a) : "v"(a), "v"(b));
  return a;
#else
  return b < a ? b : a;
#endif
}

/// Lane by lane, without the sign.
[[nodiscard]] inline Vec absolute(Vec x) { return std::bit_cast<Vec>(std::bit_cast<VecInt>(x) & 0x7fffffff); }

namespace detail {

/// Rows i and i + kStride of a square exchange the blocks of kStride lanes that are off the diagonal.
template <int kStride, int... lane>
inline void exchange_blocks(Vec& a, Vec& b, std::integer_sequence<int, lane...>) {
  const Vec upper = a, lower = b;
  a = __builtin_shufflevector(upper, lower, ((lane & kStride) ? kLanes + (lane & ~kStride) : lane)...);
  b = __builtin_shufflevector(upper, lower, ((lane & kStride) ? kLanes + lane : lane | kStride)...);
}

template <int kStride>
inline void transpose_blocks(Vec (&square)[kLanes]) {
  if constexpr (kStride > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i)
      if ((i & kStride) == 0)
        exchange_blocks<kStride>(square[i], square[i + kStride], std::make_integer_sequence<int, kLanes>{});
    transpose_blocks<kStride / 2>(square);
  }
}

}  // namespace detail

/// Row i becomes column i.
inline void transpose(Vec (&square)[kLanes]) { detail::transpose_blocks<kLanes / 2>(square); }

/// Square roots, correctly rounded. In assembly, since the vector extensions have none.
[[nodiscard]] inline Vec sqrt(Vec x) {
#if defined(__AVX__)
  asm("vsqrtps %1, %0" : "=v"(x) : "v"(x));
#elif defined(__ARM_NEON) && defined(__aarch64__)
  asm("fsqrt %0.4s, %1.4s" : "=w"(x) : "w"(x));
#else
  for (int i = 0; i < kLanes; ++i) x[i] = __builtin_sqrtf(x[i]);
#endif
  return x;
}

namespace detail {

/// The lanes of v exchanged in blocks of kStride.
template <int kStride, int... lane>
[[nodiscard]] inline Vec exchanged(Vec v, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(v, v, (lane ^ kStride)...);
}

/// f of the lower and the upper half, of the halves of that, and so on.
template <int kStride = kLanes / 2, class F>
[[nodiscard]] inline float fold(Vec v, const F& f) {
  if constexpr (kStride == 0)
    return v[0];
  else
    return fold<kStride / 2>(f(v, exchanged<kStride>(v, std::make_integer_sequence<int, kLanes>{})), f);
}

}  // namespace detail

/// Sum of the lanes, by halves, always in the same order.
[[nodiscard]] inline float sum(Vec v) {
  return detail::fold(v, [](Vec a, Vec b) { return a + b; });
}

/// Largest lane.
[[nodiscard]] inline float max_lane(Vec v) {
  return detail::fold(v, [](Vec a, Vec b) { return max(a, b); });
}

/// y[i] = f(x0[i], x1[i], …) for i in [0, n); `f` takes and returns Vec. y may be one of the inputs.
template <class F, class... X>
void map(std::int64_t n, float* y, const F& f, const X*... x) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i)...));
  if (i < n) store_partial(y + i, f(load_partial(x + i, n - i)...), n - i);
}

}  // namespace minivit::inline MINIVIT_ABI::kernels
