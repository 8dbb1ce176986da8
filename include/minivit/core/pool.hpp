// A pool of memory that is used again: freed blocks wait for the next request of exactly their size.
//
// A training step asks for the same sizes in the same order every time, so after the first step no memory is
// asked of the system any more. Touching fresh memory is what makes big buffers slow (14.5 ms for 38 MiB with
// 4K pages, 3.0 ms with huge pages, 0.09 ms when it was used just before; measured on Zen 4).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What the pool did so far, in bytes unless said otherwise.
struct PoolStats {
  std::size_t in_use = 0;              ///< handed out now
  std::size_t peak_in_use = 0;         ///< highest value of `in_use` since the start or `Pool::reset_peak`
  std::size_t most_in_use = 0;         ///< highest value since the start: about as much may wait for reuse
  std::size_t cached = 0;              ///< freed and waiting for reuse
  std::size_t system_allocations = 0;  ///< number of blocks asked of the system
};

/// The process-wide pool. Thread-safe.
class Pool {
 public:
  static constexpr std::size_t kAlignment = 64;         ///< of every block: a cache line, an AVX-512 register
  static constexpr std::size_t kHugePage = 2ull << 20;  ///< blocks from here on are aligned to huge pages
  static constexpr std::size_t kSlack = 64ull << 20;    ///< cached bytes always tolerated

  /// The pool of the process. Never destroyed, so that thread-local and static tensors may outlive `main`.
  [[nodiscard]] static Pool& instance() {
    static Pool* const pool = new Pool;
    return *pool;
  }

  /// A block of at least `bytes` bytes, contents undefined. Throws std::bad_alloc.
  [[nodiscard]] void* allocate(std::size_t bytes);

  /// Gives back a block of `bytes` bytes that came from `allocate`.
  void deallocate(void* block, std::size_t bytes) noexcept;

  /// Returns all waiting blocks to the system.
  void release();

  [[nodiscard]] PoolStats stats() const;

  /// Starts a new measurement of `peak_in_use`. Changes nothing in what the pool keeps.
  void reset_peak();

 private:
  Pool() = default;

  static constexpr std::size_t rounded(std::size_t bytes) {
    return (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  }

  static void* allocate_from_system(std::size_t bytes);

  void release_locked() noexcept;

  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<void*>> free_;  // size in bytes -> blocks that wait
  PoolStats stats_;
};

/// A shared handle to a pool block: copying counts a reference, the last one gives the block back.
/// Thread-safe as far as std::shared_ptr is: handles may be copied anywhere, contents are the users'
/// business.
class Buffer {
 public:
  Buffer() = default;

  /// A block of `bytes` bytes, contents undefined. Throws std::bad_alloc.
  explicit Buffer(std::size_t bytes) {
    if (bytes > SIZE_MAX / 2) throw std::bad_alloc();  // header and rounding up must not wrap
    header_ = new (Pool::instance().allocate(bytes + sizeof(Header))) Header{{1}, bytes};
  }

  Buffer(const Buffer& other) noexcept : header_(other.header_) {
    if (header_) header_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Buffer(Buffer&& other) noexcept : header_(std::exchange(other.header_, nullptr)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(header_, other.header_);
    return *this;
  }
  ~Buffer() {
    if (header_) release();
  }

  [[nodiscard]] explicit operator bool() const noexcept { return header_ != nullptr; }
  [[nodiscard]] std::size_t bytes() const noexcept { return header_ ? header_->bytes : 0; }
  [[nodiscard]] void* data() const noexcept { return header_ ? static_cast<void*>(header_ + 1) : nullptr; }

  /// Handles that refer to the block, this one included; 0 without one.
  [[nodiscard]] std::uint32_t use_count() const noexcept {
    return header_ ? header_->references.load(std::memory_order_acquire) : 0;
  }

  /// True if no other handle refers to the block.
  [[nodiscard]] bool unique() const noexcept { return use_count() == 1; }

 private:
  void release() noexcept {
    if (header_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      Pool::instance().deallocate(header_, header_->bytes + sizeof(Header));
  }

  // Lives at the start of the block, so that a handle is one pointer and costs no second allocation.
  struct alignas(Pool::kAlignment) Header {
    std::atomic<std::uint32_t> references;
    std::size_t bytes;
  };
  Header* header_ = nullptr;
};

/// Lets standard containers take their memory from the pool.
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) noexcept {}  // NOLINT: implicit, as allocators must be

  T* allocate(std::size_t n) {
    if (n > SIZE_MAX / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(Pool::instance().allocate(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept { Pool::instance().deallocate(p, n * sizeof(T)); }
  friend bool operator==(const PoolAllocator&, const PoolAllocator&) { return true; }
};

namespace detail {

/// Makes `buffer` hold at least `bytes` bytes, contents undefined.
void* grown(Buffer& buffer, std::size_t bytes);

}  // namespace detail

/// Working memory of a kernel: at least `count` elements, contents undefined, kept by the calling thread for
/// the next call with the same `Tag`. Valid until that call.
template <class Tag, class T = float>
T* scratch(std::int64_t count) {
  static thread_local Buffer buffer;
  return static_cast<T*>(detail::grown(buffer, static_cast<std::size_t>(count) * sizeof(T)));
}

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <sys/mman.h>

#include <cstdlib>

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE void* Pool::allocate(std::size_t bytes) {
  bytes = rounded(bytes);
  const std::lock_guard lock(mutex_);
  void* block = nullptr;
  if (auto& waiting = free_[bytes]; !waiting.empty()) {  // the last freed is the warmest
    block = waiting.back();
    waiting.pop_back();
    stats_.cached -= bytes;
  } else {
    // Sizes have changed (another batch size, another model): what waits in vain must not pile up.
    if (stats_.cached > std::max(stats_.most_in_use, stats_.in_use + bytes) + kSlack) release_locked();
    block = allocate_from_system(bytes);
    if (!block) {
      release_locked();
      block = allocate_from_system(bytes);
    }
    if (!block) throw std::bad_alloc();
    ++stats_.system_allocations;
  }
  stats_.in_use += bytes;
  stats_.peak_in_use = std::max(stats_.peak_in_use, stats_.in_use);
  stats_.most_in_use = std::max(stats_.most_in_use, stats_.in_use);
  return block;
}

MINIVIT_INLINE void Pool::deallocate(void* block, std::size_t bytes) noexcept {
  bytes = rounded(bytes);
  const std::lock_guard lock(mutex_);
  stats_.in_use -= bytes;
  if (!MINIVIT_POOL_KEEPS) return std::free(block);
  try {
    free_[bytes].push_back(block);
    stats_.cached += bytes;
  } catch (...) { std::free(block); }
}

MINIVIT_INLINE void Pool::release() {
  const std::lock_guard lock(mutex_);
  release_locked();
}

MINIVIT_INLINE PoolStats Pool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

MINIVIT_INLINE void Pool::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak_in_use = stats_.in_use;
}

MINIVIT_INLINE void* Pool::allocate_from_system(std::size_t bytes) {
  const bool huge = bytes >= kHugePage;
  const std::size_t alignment = huge ? kHugePage : kAlignment;
  if (bytes > SIZE_MAX - alignment) return nullptr;
  void* block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (block && huge) madvise(block, bytes, MADV_HUGEPAGE);  // a wish: failing costs nothing but time
  return block;
}

MINIVIT_INLINE void Pool::release_locked() noexcept {
  for (auto& [bytes, blocks] : free_) {
    for (void* block : blocks) std::free(block);
    stats_.cached -= bytes * blocks.size();
    blocks.clear();
  }
}

namespace detail {

MINIVIT_INLINE void* grown(Buffer& buffer, std::size_t bytes) {
  if (buffer.bytes() < bytes) {
    buffer = Buffer();  // give back first, so that old and new need not exist together
    buffer = Buffer(bytes);
  }
  return buffer.data();
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
