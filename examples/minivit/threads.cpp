// Threads, tried before the work begins.
#include "threads.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <latch>
#include <system_error>
#include <thread>
#include <vector>

#include "minivit/core/parallel.hpp"

namespace minivit::cli {

namespace {

/// How many of `wanted` threads, this one included, the system starts.
int startable(int wanted) {
  std::latch tried(1);
  std::vector<std::jthread> others;  // all at once, as they will be
  try {
    others.reserve(static_cast<std::size_t>(wanted));
    for (int i = 1; i < wanted; ++i) others.emplace_back([&] { tried.wait(); });
  } catch (const std::system_error&) {}  // no more
  tried.count_down();
  return static_cast<int>(others.size()) + 1;
}

}  // namespace

void start_threads() {
  const int wanted = std::min(num_threads(), 256), found = startable(wanted);
  if (found < wanted) {
    std::fprintf(stderr,
                 "minivit: only %d of %d threads can be started; goes on with these. The limits of the "
                 "process say how many: ulimit -u, ulimit -v\n",
                 found, wanted);
    set_num_threads(found);
  }
  parallel_for(found, 1, [](std::int64_t, std::int64_t) {});  // they are kept from now on
}

}  // namespace minivit::cli
