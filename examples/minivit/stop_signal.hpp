// Signals that ask a training to save and stop.
#pragma once

#include <signal.h>

#include <array>
#include <cstddef>

namespace minivit::cli {

/// Ctrl-C, `kill`, a terminal that is closed, the limit on processor time, a reader of the output that is
/// gone.
inline constexpr std::array kStopSignals = {SIGINT, SIGTERM, SIGHUP, SIGXCPU, SIGPIPE};

/// True for the exit code of a process that one of them stopped: 128 + its number.
bool stopped_by_signal(int exit_code);

/// While it lives, these signals are noted. A second SIGINT or SIGTERM ends the process at once with 128 +
/// its number (130, 143); of the others a second does nothing, since systems send them several times. A
/// signal that was ignored when the process began stays so, as nohup has it.
class StopSignals {
 public:
  /// `answer`: what is written to standard error at once when somebody presses Ctrl-C, a text that outlives
  /// this; null: nothing.
  explicit StopSignals(const char* answer = nullptr);
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

  /// The signal that came first, or 0.
  int received() const;

  /// Whether it was typed at a terminal, or the terminal was closed; processes that this one has started got
  /// it, too.
  bool from_terminal() const;

 private:
  std::array<struct sigaction, kStopSignals.size()> before_{};
};

}  // namespace minivit::cli
