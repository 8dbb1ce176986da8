// Parallel loops.
//
// Work whose parts are summed up is cut into chunks that depend on its size alone, never on the number of
// threads; other work may be cut as threads like it. So every result has the same bits for 1, 2 or 8 threads.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(MINIVIT_WITH_OPENMP)
#if !defined(_OPENMP)
#error "MINIVIT_WITH_OPENMP needs OpenMP: compile with -fopenmp, or leave the macro out"
#endif
#include <omp.h>
#endif

#include "minivit/core/config.hpp"
#include "minivit/core/thread_pool.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {
inline thread_local int asked_threads = 0;  // by set_num_threads; 0: default_threads()
inline thread_local bool in_chunk = false;  // this thread runs a chunk of a parallel_for
}  // namespace detail

/// Threads that kernels started from this thread may use: what `set_num_threads` said on this thread, else
/// the environment variable OMP_NUM_THREADS, else the number of cores that the process may run on.
[[nodiscard]] inline int num_threads() {
  return detail::asked_threads > 0 ? detail::asked_threads : detail::default_threads();
}

/// Sets how many threads kernels started from this thread may use; n ≥ 1. All threads of a process share one
/// set of helpers, so that several threads that classify at the same time do not crowd the cores.
inline void set_num_threads(int n) { detail::asked_threads = std::max(n, 1); }

namespace detail {
[[nodiscard]] inline bool in_parallel_region() { return in_chunk; }

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

/// Keeps the first exception of a parallel loop: none may leave a helping thread, that would end the program.
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

/// A loop that several threads run together.
class SharedLoop {
 public:
  SharedLoop(std::int64_t n, std::int64_t grain, std::int64_t chunks,
             void (*chunk)(const void* body, std::int64_t begin, std::int64_t end), const void* body)
      : n_(n),
        grain_(grain),
        chunks_(chunks),
        chunk_(chunk),
        body_(body),
        threads_(std::min(num_threads(), ThreadPool::kThreads)) {
    for (int i = 0; i < threads_; ++i) stretches_[i].begun = 0;
  }

  void run() {
#if defined(MINIVIT_WITH_OPENMP)
#pragma omp parallel num_threads(threads_)
    work(omp_get_thread_num());
#else
    ThreadPool::instance().run(
        threads_, [](void* loop, int self) { static_cast<SharedLoop*>(loop)->work(self); }, this);
#endif
    exception_.rethrow();
  }

 private:
  // Each thread begins with a stretch of chunks of its own, always the same one: what it wrote in the last
  // loop it finds in its own caches. Then it helps others, since cores are not alike in speed (other programs
  // run).
  void work(int self) {
    in_chunk = true;
    for (int k = 0; k < threads_; ++k) {
      const int owner = (self + k) % threads_;
      const std::int64_t first = chunks_ * owner / threads_, last = chunks_ * (owner + 1) / threads_;
      const std::atomic_ref begun(stretches_[owner].begun);
      for (std::int64_t i;
           !exception_.failed() && (i = first + begun.fetch_add(1, std::memory_order_relaxed)) < last;)
        exception_.guard([&] { chunk_(body_, i * grain_, std::min(n_, (i + 1) * grain_)); });
    }
    finish_streams();
    in_chunk = false;
  }

  struct alignas(64) Stretch {
    std::int64_t begun;  // of its chunks
  };

  const std::int64_t n_, grain_, chunks_;
  void (*const chunk_)(const void* body, std::int64_t begin, std::int64_t end);
  const void* const body_;
  const int threads_;
  FirstException exception_;
  Stretch stretches_[ThreadPool::kThreads];  // those of the threads are used
};

MINIVIT_INLINE void run_chunks(std::int64_t n, std::int64_t grain,
                               void (*chunk)(const void* body, std::int64_t begin, std::int64_t end),
                               const void* body) {
  const std::int64_t chunks = (n + grain - 1) / grain;
  if (chunks > 1 && !in_chunk && num_threads() > 1) return SharedLoop(n, grain, chunks, chunk, body).run();
  for (std::int64_t i = 0; i < chunks; ++i) chunk(body, i * grain, std::min(n, (i + 1) * grain));
  if (!in_chunk) finish_streams();
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
