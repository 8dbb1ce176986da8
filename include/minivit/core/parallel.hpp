// Parallel loops: the only place that knows of OpenMP.
//
// Work whose parts are summed up is cut into chunks that depend on its size alone, never on the number of
// threads; other work may be cut as threads like it. So every result has the same bits for 1, 2 or 8 threads.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Threads that kernels started from this thread may use (1 without OpenMP).
[[nodiscard]] inline int num_threads() {
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return 1;
#endif
}

/// Sets how many threads kernels started from this thread may use; n ≥ 1. No effect without OpenMP.
inline void set_num_threads([[maybe_unused]] int n) {
#if defined(_OPENMP)
  omp_set_num_threads(std::max(n, 1));
#endif
}

namespace detail {
[[nodiscard]] inline bool in_parallel_region() {
#if defined(_OPENMP)
  return omp_in_parallel() != 0;
#else
  return false;
#endif
}

/// Lets others see what this thread has written past the caches (`kernels/non_temporal.hpp`), which x86 does
/// not keep in order with other stores.
inline void finish_streams() {
#if defined(__SSE__)
  asm volatile("sfence" ::: "memory");
#endif
}

/// Runs the chunks. Not a template: what a loop does is called through a pointer, so that all loops share one
/// machinery; a chunk is thousands of elements long.
void run_chunks(std::int64_t n, std::int64_t grain,
                void (*chunk)(const void* body, std::int64_t begin, std::int64_t end), const void* body);

}  // namespace detail

/// Calls `body(begin, end)` for the chunks [0, grain), [grain, 2·grain), … of [0, n), each exactly once,
/// possibly at the same time. Called from within a chunk it runs in order on the calling thread.
///
/// `body` may throw. No further chunk is begun then; once the running ones have ended, the exception that
/// came first is thrown to the caller.
template <class Body>
void parallel_for(std::int64_t n, std::int64_t grain, const Body& body) {
  if (n <= 0) return;
  detail::run_chunks(
      n, grain,
      [](const void* b, std::int64_t begin, std::int64_t end) { (*static_cast<const Body*>(b))(begin, end); },
      &body);
}

/// Chunk size for loops that do `cost` units of work (about one float read or written) an element: large
/// enough that handing out a chunk (some 0.2 µs) does not show, and the same for any number of threads.
[[nodiscard]] constexpr std::int64_t grain_for(std::int64_t cost) {
  return std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, cost));
}

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <atomic>
#include <exception>

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Keeps the first exception of a parallel loop: none may leave a thread of OpenMP, that would end the
/// program.
class FirstException {
 public:
  /// Calls `f`, unless there is an exception already.
  template <class F>
  void guard(const F& f) noexcept {
    if (failed()) return;
    try {
      f();
    } catch (...) {
      if (!failed_.exchange(true)) exception_ = std::current_exception();
    }
  }

  [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_relaxed); }

  /// Throws what was kept. The loop must have ended.
  void rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  std::atomic<bool> failed_ = false;
  std::exception_ptr exception_;
};

MINIVIT_INLINE void run_chunks(std::int64_t n, std::int64_t grain,
                               void (*chunk)(const void* body, std::int64_t begin, std::int64_t end),
                               const void* body) {
  const std::int64_t chunks = (n + grain - 1) / grain;
  const auto run = [&](std::int64_t i) { chunk(body, i * grain, std::min(n, (i + 1) * grain)); };
#if defined(_OPENMP)
  if (chunks > 1 && num_threads() > 1 && !in_parallel_region()) {
    // Each thread begins with a stretch of its own, always the same one: what it wrote in the last loop it
    // finds in its own caches. Then it helps others, since cores are not alike in speed (other programs run).
    struct alignas(64) Stretch {
      std::int64_t taken;
    };
    constexpr int kThreads = 256;  // more are not used
    Stretch stretches[kThreads];
    const int wanted = std::min(num_threads(), kThreads);
    for (int i = 0; i < wanted; ++i) stretches[i].taken = 0;
    FirstException exception;
#pragma omp parallel num_threads(wanted)
    {
      const int threads = omp_get_num_threads(), self = omp_get_thread_num();
      for (int k = 0; k < threads; ++k) {
        const int owner = (self + k) % threads;
        const std::int64_t first = chunks * owner / threads, last = chunks * (owner + 1) / threads;
        const std::atomic_ref taken(stretches[owner].taken);
        for (std::int64_t i;
             !exception.failed() && (i = first + taken.fetch_add(1, std::memory_order_relaxed)) < last;)
          exception.guard([&] { run(i); });
      }
      finish_streams();
    }
    exception.rethrow();
    return;
  }
#endif
  for (std::int64_t i = 0; i < chunks; ++i) run(i);
  if (!in_parallel_region()) finish_streams();
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
