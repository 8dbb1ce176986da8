#include "minivit/core/parallel.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace minivit;

TEST_CASE("parallel_for takes every index once, in chunks that do not depend on the threads") {
  const int before = num_threads();
  for (const int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    for (const std::int64_t n : {-1, 0, 1, 2, 7, 64, 1000})
      for (const std::int64_t grain : {1, 2, 3, 64, 5000}) {
        std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n < 0 ? 0 : n));
        std::atomic<bool> aligned = true;
        parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
          if (begin % grain != 0 || end != std::min(n, begin + grain)) aligned = false;
          for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
        });
        CHECK(aligned);
        bool once = true;
        for (const auto& count : seen) once &= count == 1;
        CHECK(once);
      }
  }
  set_num_threads(before);
}

TEST_CASE("inside a chunk parallel_for runs in order on the same thread") {
  const int before = num_threads();
  set_num_threads(3);
  std::atomic<bool> in_order = true;
  std::atomic<int> total = 0;
  parallel_for(6, 1, [&](std::int64_t, std::int64_t) {
    std::int64_t next = 0;
    const std::thread::id thread = std::this_thread::get_id();
    parallel_for(100, 7, [&](std::int64_t begin, std::int64_t end) {
      if (begin != next || std::this_thread::get_id() != thread) in_order = false;
      next = end;
      total += static_cast<int>(end - begin);
    });
  });
  CHECK(in_order);
  CHECK(total == 600);
  set_num_threads(before);
}

TEST_CASE("the number of threads is at least one and belongs to the calling thread") {
  const int before = num_threads();
  set_num_threads(0);
  CHECK(num_threads() == 1);
  set_num_threads(-5);
  CHECK(num_threads() == 1);
  set_num_threads(3);
  CHECK(num_threads() == 3);
  std::jthread([] { set_num_threads(2); }).join();
  CHECK(num_threads() == 3);
  set_num_threads(before);
}

TEST_CASE("grain_for makes chunks of about the same work") {
  CHECK(grain_for(1) == 16384);
  CHECK(grain_for(2) == 8192);
  CHECK(grain_for(1'000'000) == 1);
  CHECK(grain_for(0) == 16384);
  CHECK(grain_for(-3) == 16384);
}

TEST_CASE("an exception in a chunk ends the loop and comes out of it") {
  const int before = num_threads();
  for (const int threads : {1, 2, 8}) {
    set_num_threads(threads);
    std::atomic<int> begun = 0;
    CHECK_THROWS_AS(parallel_for(100'000, 1,
                                 [&](std::int64_t, std::int64_t) {
                                   ++begun;
                                   throw std::bad_alloc();
                                 }),
                    std::bad_alloc);
    CHECK(begun <= threads);  // those that ran already
    // Only one chunk throws, and what it says arrives.
    std::string message;
    try {
      parallel_for(1000, 1, [](std::int64_t i, std::int64_t) {
        if (i == 777) throw std::runtime_error("chunk 777");
      });
    } catch (const std::runtime_error& e) { message = e.what(); }
    CHECK(message == "chunk 777");
    // The next loop is as good as any.
    std::atomic<int> done = 0;
    parallel_for(1000, 1, [&](std::int64_t, std::int64_t) { ++done; });
    CHECK(done == 1000);
  }
  set_num_threads(before);
}

TEST_CASE("an exception in a loop within a chunk comes out of the outer loop") {
  const int before = num_threads();
  set_num_threads(3);
  CHECK_THROWS_AS(parallel_for(6, 1,
                               [](std::int64_t, std::int64_t) {
                                 parallel_for(100, 7, [](std::int64_t begin, std::int64_t) {
                                   if (begin == 70) throw std::bad_alloc();
                                 });
                               }),
                  std::bad_alloc);
  set_num_threads(before);
}
