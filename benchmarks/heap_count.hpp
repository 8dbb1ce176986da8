// A count of what a program asks of the heap through operator new, by replacing it. To be included by the one
// file of a program: replacements must not be inline.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace bench {
inline std::atomic<std::size_t> heap_allocations = 0;
}

// The forms for arrays and without exceptions call these. Not inlined: GCC would see `free` for something
// that came from `new` and warn.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  bench::heap_allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* const block = std::malloc(bytes ? bytes : 1)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t align) {
  bench::heap_allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t a = static_cast<std::size_t>(align);
  if (void* const block = std::aligned_alloc(a, (bytes + a) / a * a)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  std::free(block);
}
