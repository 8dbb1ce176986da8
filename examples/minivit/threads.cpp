// Threads, tried before OpenMP takes them for granted.
#include "threads.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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

void start_team(int threads) {
  parallel_for(threads, 1, [](std::int64_t, std::int64_t) {});
}

/// Whether OpenMP can start so many: it needs more memory for each. If it cannot, it ends the process, hence
/// one of its own.
bool team_starts(int threads) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    const int nothing = ::open("/dev/null", O_WRONLY);
    ::dup2(nothing, STDERR_FILENO);
    set_num_threads(threads);
    start_team(threads);
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool address_space_is_limited() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

}  // namespace

void start_threads() {
  const int wanted = std::min(num_threads(), 256);
  int found = startable(wanted);
  if (address_space_is_limited())
    while (found > 1 && !team_starts(found)) --found;
  if (found < wanted) {
    std::fprintf(
        stderr,
        "minivit: only %d of %d threads can be started; goes on with these. The limits of the process "
        "say how many: ulimit -u, ulimit -v\n",
        found, wanted);
    set_num_threads(found);
  }
  start_team(found);  // OpenMP keeps its threads
}

}  // namespace minivit::cli
