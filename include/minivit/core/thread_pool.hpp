// Threads that help with parallel loops: awake for a moment after each, then asleep.
//
// A training step is thousands of short loops. Threads that fall asleep at once after each lose the time of
// waking up; threads that spin until the next one burn the cores of everything else that runs, and on a busy
// machine they burn their own: with GNU OpenMP, whose threads spin for milliseconds and wait for each other
// at the end of every loop, classifying beside one busy process took 10 to 45 times as long. Here a thread
// spins for microseconds, and a loop never waits for a thread that has not begun to help.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Threads of this process that help whoever has work for several. Thread-safe.
class ThreadPool {
 public:
  static constexpr int kThreads = 256;  ///< more are not used, the calling one included

  /// The pool of the process. Never destroyed, so that loops may run while the program ends. After `fork` the
  /// child has one of its own.
  [[nodiscard]] static ThreadPool& instance();

  /// Calls `work(loop, 0)` on this thread and, meanwhile, `work(loop, self)` with `self` in 1 … threads - 1
  /// on as many others as have the time: on none, if they are busy or cannot be started. `work` must return
  /// only when there is nothing left to begin, and must not throw. Returns when all calls have ended.
  void run(int threads, void (*work)(void* loop, int self), void* loop);

 private:
  // What one call of `run` offers. `state` holds the number of helpers now at work in its low bits, above
  // them the number of threads that may help, and flags: the caller sleeps until the helpers have left,
  // helpers may still begin, the offer is in use.
  struct alignas(64) Offer {
    std::atomic<std::uint32_t> state = 0;
    void (*work)(void* loop, int self) = nullptr;
    void* loop = nullptr;
  };
  static constexpr std::uint32_t kHelpers = (1u << 12) - 1, kLimit = 1u << 12, kAsleep = 1u << 29,
                                 kOpen = 1u << 30, kTaken = 1u << 31;
  static constexpr int kOffers = 8;  // loops of different threads at the same time; further ones get no help

  // Counts the calls in steps of two; odd while the thread sleeps.
  struct alignas(64) Helper {
    std::atomic<std::uint32_t> calls = 0;
  };

  ThreadPool() : helpers_(new Helper[kThreads]) {}

  Offer* take_offer();

  /// Starts threads until there are `threads`, the caller's included, or the system refuses. Returns how
  /// many there are.
  int start(int threads);

  [[noreturn]] void serve(int self);

  bool help(int self);

  Offer offers_[kOffers];
  std::unique_ptr<Helper[]> helpers_;  // by number; 0 is the calling thread
  std::atomic<int> started_ = 1;
  std::atomic<bool> refused_ = false;  // the system starts no more threads
  std::mutex starting_;
};

/// Threads that this process may use: `OMP_NUM_THREADS`, where that is set, else the cores that it may run
/// on.
[[nodiscard]] int default_threads();

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <thread>

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Sleeps until `word` is woken, unless it is not `seen` any more; may return sooner. Not std::atomic's wait:
/// the standard library gives its turn to other processes four times before it sleeps, which on a busy
/// machine are milliseconds each.
inline void sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t seen) {
  static_assert(sizeof word == sizeof seen && std::atomic<std::uint32_t>::is_always_lock_free);
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

/// Wakes the thread that sleeps on `word`.
inline void wake_on(std::atomic<std::uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

/// Asks until `done()` says yes, for as long as falling asleep and waking up would take. Returns the answer.
template <class Done>
bool spin(const Done& done) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kLongest = std::chrono::microseconds(30);
  Clock::time_point end{};
  for (;;) {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      asm volatile("yield");
#endif
    }
    const Clock::time_point now = Clock::now();
    if (end == Clock::time_point{}) end = now + kLongest;
    if (now >= end) return false;
  }
}

MINIVIT_INLINE ThreadPool& ThreadPool::instance() {
  static std::atomic<ThreadPool*> current = nullptr;
  // The threads are not in the child of a fork: what they left is given up.
  [[maybe_unused]] static const int registered =
      pthread_atfork(nullptr, nullptr, [] { current.store(nullptr, std::memory_order_relaxed); });
  if (ThreadPool* const pool = current.load(std::memory_order_acquire)) return *pool;
  auto* made = new ThreadPool;
  ThreadPool* expected = nullptr;
  if (current.compare_exchange_strong(expected, made)) return *made;
  delete made;  // another thread was faster
  return *expected;
}

MINIVIT_INLINE void ThreadPool::run(int threads, void (*work)(void* loop, int self), void* loop) {
  threads = start(std::min(threads, kThreads));
  Offer* const offer = threads > 1 ? take_offer() : nullptr;
  if (offer == nullptr) return work(loop, 0);
  offer->work = work, offer->loop = loop;
  offer->state.store(kTaken | kOpen | static_cast<std::uint32_t>(threads) * kLimit,
                     std::memory_order_release);
  for (int i = 1; i < threads; ++i) {
    std::atomic<std::uint32_t>& calls = helpers_[static_cast<std::size_t>(i)].calls;
    std::uint32_t before = calls.load(std::memory_order_relaxed);
    while (!calls.compare_exchange_weak(before, (before | 1) + 1, std::memory_order_acq_rel)) {}
    if (before & 1) wake_on(calls);
  }
  work(loop, 0);
  // Whoever has not begun by now is not waited for.
  std::uint32_t state = offer->state.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  const auto alone = [&] { return (offer->state.load(std::memory_order_acquire) & kHelpers) == 0; };
  if ((state & kHelpers) != 0 && !spin(alone))
    for (state = offer->state.fetch_or(kAsleep, std::memory_order_acq_rel) | kAsleep; (state & kHelpers) != 0;
         state = offer->state.load(std::memory_order_acquire))
      sleep_on(offer->state, state);
  offer->state.store(0, std::memory_order_release);
}

MINIVIT_INLINE ThreadPool::Offer* ThreadPool::take_offer() {
  for (Offer& offer : offers_) {
    std::uint32_t free = 0;
    if (offer.state.load(std::memory_order_relaxed) == 0 &&
        offer.state.compare_exchange_strong(free, kTaken, std::memory_order_acq_rel))
      return &offer;
  }
  return nullptr;
}

MINIVIT_INLINE int ThreadPool::start(int threads) {
  int started = started_.load(std::memory_order_acquire);
  if (started >= threads || refused_.load(std::memory_order_relaxed)) return std::min(started, threads);
  const std::unique_lock lock(starting_, std::try_to_lock);
  if (!lock) return std::min(started, threads);  // another thread is about it
  for (started = started_.load(std::memory_order_relaxed); started < threads; ++started) {
    try {
      std::thread([this, started] { serve(started); }).detach();
    } catch (const std::exception&) {
      refused_.store(true, std::memory_order_relaxed);  // the loop goes on with fewer, to the same bits
      break;
    }
    started_.store(started + 1, std::memory_order_release);
  }
  return std::min(started, threads);
}

MINIVIT_INLINE void ThreadPool::serve(int self) {
  pthread_setname_np(pthread_self(), "minivit");
  std::atomic<std::uint32_t>& calls = helpers_[static_cast<std::size_t>(self)].calls;
  for (;;) {
    std::uint32_t seen = calls.load(std::memory_order_acquire);
    if (help(self) || spin([&] { return calls.load(std::memory_order_acquire) != seen; })) continue;
    if (calls.compare_exchange_strong(seen, seen | 1, std::memory_order_acq_rel))
      while (calls.load(std::memory_order_acquire) == (seen | 1)) sleep_on(calls, seen | 1);
  }
}

MINIVIT_INLINE bool ThreadPool::help(int self) {
  bool helped = false;
  for (Offer& offer : offers_) {
    std::uint32_t state = offer.state.load(std::memory_order_acquire);
    bool joined = false;
    while (!joined && (state & kOpen) != 0 &&
           static_cast<std::uint32_t>(self) < (state & (kAsleep - 1)) / kLimit)
      joined = offer.state.compare_exchange_weak(state, state + 1, std::memory_order_acquire);
    if (!joined) continue;
    offer.work(offer.loop, self);
    offer.state.fetch_and(~kOpen, std::memory_order_relaxed);  // nothing is left to begin
    const std::uint32_t before = offer.state.fetch_sub(1, std::memory_order_acq_rel);
    if ((before & kHelpers) == 1 && (before & kAsleep) != 0) wake_on(offer.state);
    helped = true;
  }
  return helped;
}

MINIVIT_INLINE int default_threads() {
  static const int threads = [] {
    const char* const asked = std::getenv("OMP_NUM_THREADS");  // where a list, its first number
    if (const long n = asked ? std::strtol(asked, nullptr, 10) : 0; n > 0)
      return static_cast<int>(std::min<long>(n, ThreadPool::kThreads));
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0) return std::max(CPU_COUNT(&cores), 1);
    return static_cast<int>(std::max(std::thread::hardware_concurrency(), 1u));
  }();
  return threads;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
