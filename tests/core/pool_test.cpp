#include "minivit/core/pool.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

using namespace minivit;

namespace {

bool aligned(const void* p, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(p) % alignment == 0;
}

struct FirstTag;
struct SecondTag;

}  // namespace

TEST_CASE("blocks are aligned and may be written to their end") {
  Pool& pool = Pool::instance();
  for (const std::size_t bytes : {0u, 1u, 63u, 64u, 65u, 4096u, 2u << 20, (2u << 20) + 1u, 5u << 20}) {
    void* block = pool.allocate(bytes);
    CHECK(aligned(block, bytes >= Pool::kHugePage ? Pool::kHugePage : Pool::kAlignment));
    std::memset(block, 0xab, bytes);
    pool.deallocate(block, bytes);
  }
}

TEST_CASE("a freed block serves the next request of its size, the last freed first") {
  if (!MINIVIT_POOL_KEEPS) return;
  Pool& pool = Pool::instance();
  constexpr std::size_t kSize = 12'345 * 64;
  void* const a = pool.allocate(kSize);
  void* const b = pool.allocate(kSize);
  pool.deallocate(a, kSize);
  pool.deallocate(b, kSize);
  const std::size_t before = pool.stats().system_allocations;
  CHECK(pool.allocate(kSize) == b);
  CHECK(pool.allocate(kSize - 63) == a);  // the same after rounding up
  CHECK(pool.stats().system_allocations == before);
  pool.deallocate(a, kSize);
  void* const other = pool.allocate(kSize + 1);
  CHECK(other != a);
  CHECK(pool.stats().system_allocations == before + 1);
  pool.deallocate(other, kSize + 1);
  pool.deallocate(b, kSize);
}

TEST_CASE("statistics count bytes handed out, waiting, and the peak") {
  Pool& pool = Pool::instance();
  pool.release();
  CHECK(pool.stats().cached == 0);
  pool.reset_peak();
  const PoolStats before = pool.stats();
  CHECK(before.peak_in_use == before.in_use);
  void* const block = pool.allocate(1000);
  CHECK(pool.stats().in_use == before.in_use + 1024);
  pool.deallocate(block, 1000);
  const PoolStats after = pool.stats();
  CHECK(after.in_use == before.in_use);
  CHECK(after.peak_in_use == before.in_use + 1024);
  CHECK(after.cached == (MINIVIT_POOL_KEEPS ? 1024 : 0));
  CHECK(after.system_allocations == before.system_allocations + 1);
  pool.release();
  CHECK(pool.stats().cached == 0);
  pool.reset_peak();
  CHECK(pool.stats().peak_in_use == after.in_use);
}

TEST_CASE("what waits in vain is given back when sizes change") {
  if (!MINIVIT_POOL_KEEPS) return;
  Pool& pool = Pool::instance();
  pool.release();
  for (std::size_t i = 0; i < 100;
       ++i) {  // 100 sizes, 4 MiB each, one at a time: 400 MiB if nothing is given back
    const std::size_t bytes = (4u << 20) + i * 64;
    pool.deallocate(pool.allocate(bytes), bytes);
    CHECK(pool.stats().cached <= pool.stats().most_in_use + Pool::kSlack + (5u << 20));
  }
  pool.release();
}

TEST_CASE("measuring a peak changes nothing in what the pool keeps") {
  if (!MINIVIT_POOL_KEEPS) return;
  Pool& pool = Pool::instance();
  pool.release();
  constexpr std::size_t kBig = 200u << 20, kSmall = (3u << 20) + 64;
  pool.deallocate(pool.allocate(kBig), kBig);
  pool.reset_peak();
  CHECK(pool.stats().peak_in_use < kBig);
  pool.deallocate(pool.allocate(kSmall), kSmall);
  CHECK(pool.stats().cached >= kBig + kSmall);  // the big block waits as before
  CHECK(pool.stats().most_in_use >= kBig);
  pool.release();
}

#if MINIVIT_POOL_KEEPS  // AddressSanitizer ends the program instead
TEST_CASE("a request that cannot be met leaves the statistics as they were") {
  Pool& pool = Pool::instance();
  const PoolStats before = pool.stats();
  CHECK_THROWS_AS((void)pool.allocate(std::size_t{1} << 60), std::bad_alloc);
  CHECK(pool.stats().in_use == before.in_use);
  CHECK(pool.stats().peak_in_use == before.peak_in_use);
  CHECK(pool.stats().most_in_use == before.most_in_use);
}
#endif

TEST_CASE("threads may use the pool at the same time") {
  const std::size_t before = Pool::instance().stats().in_use;
  std::vector<int> damaged(8);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([t, &damaged] {
        std::vector<std::pair<unsigned char*, std::size_t>> held;
        for (int i = 0; i < 3000; ++i) {
          const std::size_t bytes = static_cast<std::size_t>(1 + (i * 37 + t) % 11) * 64;
          auto* block = static_cast<unsigned char*>(Pool::instance().allocate(bytes));
          std::memset(block, t, bytes);
          held.emplace_back(block, bytes);
          if (held.size() < 8) continue;
          const auto [oldest, size] = held.front();
          for (std::size_t k = 0; k < size; ++k) damaged[static_cast<std::size_t>(t)] += oldest[k] != t;
          Pool::instance().deallocate(oldest, size);
          held.erase(held.begin());
        }
        for (const auto& [block, size] : held) Pool::instance().deallocate(block, size);
      });
  }
  for (const int count : damaged) CHECK(count == 0);
  CHECK(Pool::instance().stats().in_use == before);
}

TEST_CASE("a buffer lives as long as its last handle") {
  Pool& pool = Pool::instance();
  const std::size_t before = pool.stats().in_use;
  {
    Buffer empty;
    CHECK_FALSE(empty);
    CHECK(empty.bytes() == 0);
    CHECK(empty.data() == nullptr);
    CHECK_FALSE(empty.unique());

    Buffer a(100);
    CHECK(a);
    CHECK(a.bytes() == 100);
    CHECK(aligned(a.data(), Pool::kAlignment));
    CHECK(a.unique());
    Buffer b = a;
    CHECK(b.data() == a.data());
    CHECK_FALSE(a.unique());
    Buffer c = std::move(b);
    CHECK(c.data() == a.data());
    const std::size_t held = pool.stats().in_use;
    a = Buffer();
    CHECK(c.unique());
    CHECK(pool.stats().in_use == held);
    Buffer& self = c;
    c = self;
    CHECK(c.unique());
    std::memset(c.data(), 1, 100);
    Buffer zero(0);
    CHECK(zero);
    CHECK(zero.data() != nullptr);
  }
  CHECK(pool.stats().in_use == before);
}

TEST_CASE("handles may be copied by many threads") {
  const std::size_t before = Pool::instance().stats().in_use;
  {
    const Buffer shared(64);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&shared] {
        for (int i = 0; i < 5000; ++i) {
          const Buffer mine = shared;
          const Buffer another = mine;
        }
      });
    threads.clear();
    CHECK(shared.unique());
  }
  CHECK(Pool::instance().stats().in_use == before);
}

TEST_CASE("scratch is kept by tag and thread") {
  float* const a = scratch<FirstTag>(100);
  CHECK(scratch<FirstTag>(50) == a);
  CHECK(scratch<SecondTag>(100) != a);
  CHECK(static_cast<void*>(scratch<FirstTag, double>(10)) != a);
  float* elsewhere = nullptr;
  std::jthread([&] { elsewhere = scratch<FirstTag>(100), elsewhere[99] = 1; }).join();
  CHECK(elsewhere != a);
  float* const larger = scratch<FirstTag>(10'000);
  larger[9'999] = 1;
  CHECK(scratch<FirstTag>(10'000) == larger);
}

TEST_CASE("sizes that cannot be are refused") {
  volatile std::size_t size = SIZE_MAX;  // not to be known to the compiler, which would warn
  CHECK_THROWS_AS(Buffer(size + 0), std::bad_alloc);
  size = SIZE_MAX - 64;  // with the header this is a size that rounding up takes beyond the largest number
  CHECK_THROWS_AS(Buffer(size + 0), std::bad_alloc);
}
