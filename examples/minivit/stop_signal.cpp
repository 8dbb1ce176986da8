// A handler that notes the first signal and ends the process at the second.
#include "stop_signal.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

namespace minivit::cli {

namespace {

// A signal handler can reach nothing but a global, and may run on any thread.
std::atomic<int> stop_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

// True if it came from a terminal, which tells every process in front of it.
std::atomic<bool> stop_signal_from_terminal{false};

// True once somebody has asked.
std::atomic<bool> asked{false};

// The answer to whoever asks at a terminal, or null.
std::atomic<const char*> says{nullptr};

extern "C" void minivit_on_stop_signal(int signal, siginfo_t* info, void*) {
  const bool asks = signal == SIGINT || signal == SIGTERM;
  if (asks && asked.exchange(true)) ::_exit(128 + signal);
  if (const char* text = says; text && info->si_code > 0 && signal == SIGINT)
    (void)!::write(STDERR_FILENO, text, std::strlen(text));  // what a handler may call
  int none = 0;
  if (stop_signal.compare_exchange_strong(none, signal))
    stop_signal_from_terminal = info->si_code > 0 && (signal == SIGINT || signal == SIGHUP);
}

}  // namespace

bool stopped_by_signal(int exit_code) {
  return std::ranges::find(kStopSignals, exit_code - 128) != kStopSignals.end();
}

StopSignals::StopSignals(const char* answer) {
  says = answer;
  for (std::size_t i = 0; i < kStopSignals.size(); ++i) {
    ::sigaction(kStopSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_IGN) continue;
    struct sigaction action = {};
    action.sa_sigaction = minivit_on_stop_signal;
    action.sa_flags = SA_RESTART | SA_SIGINFO;
    ::sigaction(kStopSignals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kStopSignals.size(); ++i) ::sigaction(kStopSignals[i], &before_[i], nullptr);
  stop_signal = 0, asked = false, says = nullptr;
}

int StopSignals::received() const { return stop_signal.load(std::memory_order_relaxed); }

bool StopSignals::from_terminal() const { return stop_signal_from_terminal; }

}  // namespace minivit::cli
