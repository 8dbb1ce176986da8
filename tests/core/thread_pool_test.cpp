#include "minivit/core/thread_pool.hpp"

#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>
#include <vector>

#include "minivit/core/parallel.hpp"

using namespace minivit;

namespace {

struct ThreadsRestored {
  int before = num_threads();
  ~ThreadsRestored() { set_num_threads(before); }
};

int sum_to(std::int64_t n) {
  std::atomic<std::int64_t> sum = 0;
  parallel_for(n, 1, [&](std::int64_t i, std::int64_t) { sum += i; });
  return static_cast<int>(sum.load());
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

TEST_CASE("a loop does not wait for helpers that are busy elsewhere") {
  const ThreadsRestored restored;
  set_num_threads(2);
  // Another thread's loop holds the only helper until this thread's loops are over.
  std::latch both_inside(3), over(1);
  std::jthread other([&] {
    set_num_threads(2);
    parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
      both_inside.count_down();
      over.wait();
    });
  });
  both_inside.arrive_and_wait();
  for (int i = 0; i < 100; ++i) CHECK(sum_to(100) == 4950);
  over.count_down();
}

TEST_CASE("loops of many threads at the same time are each done once") {
  constexpr int kLoops = 12;  // more than can be helped at once
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kLoops; ++t)
      threads.emplace_back([&] {
        set_num_threads(3);
        for (int i = 0; i < 200; ++i) right += sum_to(50) == 1225;
      });
  }
  CHECK(right == kLoops * 200);
}

TEST_CASE("helpers that have nothing to do use no processor time") {
  const ThreadsRestored restored;
  set_num_threads(4);
  CHECK(sum_to(100) == 4950);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double before = processor_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(processor_seconds() - before < 0.05);
}

#if !defined(__SANITIZE_THREAD__)  // it allows no threads after a fork
TEST_CASE("the child of a fork has helpers of its own") {
  const ThreadsRestored restored;
  set_num_threads(3);
  CHECK(sum_to(100) == 4950);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(20);  // in place of waiting forever
    _exit(sum_to(100) == 4950 && sum_to(1000) == 499500 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("where no thread can be started the work is done all the same") {
  const pid_t child = fork();  // of its own, since a pool that was refused threads asks for no more
  REQUIRE(child >= 0);
  if (child == 0) {
    pthread_attr_t huge;
    const bool set = pthread_getattr_default_np(&huge) == 0 &&
                     pthread_attr_setstacksize(&huge, std::size_t{1} << 50) == 0 &&
                     pthread_setattr_default_np(&huge) == 0;  // more than can be mapped
    set_num_threads(4);
    _exit(set && sum_to(100) == 4950 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

#endif

TEST_CASE("the default number of threads is that of the cores or of the environment") {
  CHECK(detail::default_threads() >= 1);
  int threads = 0;
  std::jthread([&] { threads = num_threads(); }).join();
  CHECK(threads == detail::default_threads());
}
