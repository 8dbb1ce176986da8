// A handler that notes the first signal and ends the process at the second.
#include "stop_signal.hpp"

#include <unistd.h>

#include <atomic>

namespace minivit::cli {

namespace {

// A signal handler can reach nothing but a global, and may run on any thread.
std::atomic<int> stop_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

// True if it came from a terminal, which tells every process in front of it.
std::atomic<bool> stop_signal_from_terminal{false};

extern "C" void minivit_on_stop_signal(int signal, siginfo_t* info, void*) {
  int none = 0;
  stop_signal_from_terminal = info->si_code > 0;
  if (!stop_signal.compare_exchange_strong(none, signal)) ::_exit(128 + signal);
}

}  // namespace

StopSignals::StopSignals() {
  struct sigaction action = {};
  action.sa_sigaction = minivit_on_stop_signal;
  action.sa_flags = SA_RESTART | SA_SIGINFO;
  ::sigaction(SIGINT, &action, &before_int_);
  ::sigaction(SIGTERM, &action, &before_term_);
}

StopSignals::~StopSignals() {
  ::sigaction(SIGINT, &before_int_, nullptr);
  ::sigaction(SIGTERM, &before_term_, nullptr);
  stop_signal = 0;
}

int StopSignals::received() const { return stop_signal.load(std::memory_order_relaxed); }

bool StopSignals::from_terminal() const { return stop_signal_from_terminal; }

}  // namespace minivit::cli
