// Results that are so large that they have left the caches before anybody reads them are written past these.
//
// An ordinary store first reads the cache line that it writes to, from memory if it must, and puts something
// else out of the cache. Training steps of ViT-Ti, 32 × 32 and the seed's model, in turn on Zen 4, gained 1,
// 5 and 3 % by streaming, in the slowest third of the rounds 4, 5 and 3 %.
#pragma once

#include <cstddef>
#include <cstdint>

#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI {

/// From how many floats on a result is streamed: 4 MiB. 8 MiB, which leaves out those of 192 columns, were
/// 0.7 % slower with ViT-Ti.
inline constexpr std::int64_t kStreamFloats = std::int64_t{1} << 20;

/// How a result gets to memory: instead of what is there, added to it, or past the caches.
enum class Write { set, add, stream };

/// For a result of `floats` at `p` whose pieces begin at multiples of `step` floats. Only whole vectors at
/// multiples of their size can be streamed.
inline Write write_mode(bool add, std::int64_t floats, const float* p, std::int64_t step) {
  if (add) return Write::add;
  const bool aligned = reinterpret_cast<std::uintptr_t>(p) % sizeof(Vec) == 0 && step % kLanes == 0;
  return floats >= kStreamFloats && aligned ? Write::stream : Write::set;
}

/// Writes all lanes to `p`, a multiple of the vector's size, past the caches. Other threads see them when the
/// `parallel_for` has ended in which this is called.
inline void stream(float* p, Vec v) {
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
  if (mode == Write::stream)
    for (; i + kLanes <= n; i += kLanes) stream(y + i, f(load(x + i)...));
  map(n - i, y + i, f, (x + i)...);
}

}  // namespace minivit::inline MINIVIT_ABI
