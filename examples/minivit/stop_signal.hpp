// Ctrl-C and `kill`: the first asks to stop, the second stops.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

// A signal handler can reach nothing but a global, and may run on any thread.
inline std::atomic<int> stop_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

// Whether it came from a terminal, which tells every process in front of it.
inline std::atomic<bool> stop_signal_from_terminal{false};

extern "C" inline void minivit_on_stop_signal(int signal, siginfo_t* info, void*) {
  int none = 0;
  stop_signal_from_terminal = info->si_code > 0;
  if (!stop_signal.compare_exchange_strong(none, signal)) ::_exit(128 + signal);
}

}  // namespace detail

/// While it lives, SIGINT and SIGTERM are noted, and a second one ends the process at once with 128 + its
/// number (130, 143).
class StopSignals {
 public:
  StopSignals() {
    struct sigaction action = {};
    action.sa_sigaction = detail::minivit_on_stop_signal;
    action.sa_flags = SA_RESTART | SA_SIGINFO;
    ::sigaction(SIGINT, &action, &before_int_);
    ::sigaction(SIGTERM, &action, &before_term_);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() {
    ::sigaction(SIGINT, &before_int_, nullptr);
    ::sigaction(SIGTERM, &before_term_, nullptr);
    detail::stop_signal = 0;
  }

  /// The signal that came, or 0.
  int received() const { return detail::stop_signal.load(std::memory_order_relaxed); }

  /// Whether it was typed at a terminal; processes that this one has started got it, too.
  bool from_terminal() const { return detail::stop_signal_from_terminal; }

 private:
  struct sigaction before_int_ = {}, before_term_ = {};
};

}  // namespace minivit::inline MINIVIT_ABI
