// Non-temporal stores: they write past the caches, for results so large that they would leave the caches
// before anybody reads them.
//
// An ordinary store first reads the cache line that it writes to, from memory if it must, and puts something
// else out of the cache.
#pragma once

#include <cstddef>
#include <cstdint>

#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI::kernels {

/// Results of so many floats and more, 4 MiB, are written past the caches.
inline constexpr std::int64_t kNonTemporalFloats = std::int64_t{1} << 20;

/// How a result gets to memory: instead of what is there, added to it, or past the caches.
enum class Write { set, add, non_temporal };

/// The way to write a result of `floats` at `p` whose pieces begin at multiples of `step` floats.
/// Non-temporal stores write whole vectors, at multiples of their size.
[[nodiscard]] inline Write write_mode(bool add, std::int64_t floats, const float* p, std::int64_t step) {
  if (add) return Write::add;
  const bool aligned = reinterpret_cast<std::uintptr_t>(p) % sizeof(Vec) == 0 && step % kLanes == 0;
  return floats >= kNonTemporalFloats && aligned ? Write::non_temporal : Write::set;
}

/// Writes all lanes to `p`, a multiple of the vector's size, past the caches. Other threads see them when the
/// `parallel_for` has ended in which this is called.
inline void store_non_temporal(float* p, Vec v) {
#if defined(__AVX__)
  asm volatile("vmovntps %1, %0" : "=m"(*reinterpret_cast<Vec*>(p)) : "v"(v));
#elif defined(__SSE__)
  asm volatile("movntps %1, %0" : "=m"(*reinterpret_cast<Vec*>(p)) : "x"(v));
#else
  store(p, v);
#endif
}

/// `map` to memory as `mode` says, `Write::add` excepted.
template <class F, class... X>
void map_to(Write mode, std::int64_t n, float* y, const F& f, const X*... x) {
  std::int64_t i = 0;
  if (mode == Write::non_temporal)
    for (; i + kLanes <= n; i += kLanes) store_non_temporal(y + i, f(load(x + i)...));
  map(n - i, y + i, f, (x + i)...);
}

}  // namespace minivit::inline MINIVIT_ABI::kernels
