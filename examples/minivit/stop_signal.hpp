// Ctrl-C and `kill`: the first asks to stop, the second stops.
#pragma once

#include <signal.h>

namespace minivit::cli {

/// While it lives, SIGINT and SIGTERM are noted, and a second one ends the process at once with 128 + its
/// number (130, 143).
class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

  /// The signal that came, or 0.
  int received() const;

  /// Whether it was typed at a terminal; processes that this one has started got it, too.
  bool from_terminal() const;

 private:
  struct sigaction before_int_ = {}, before_term_ = {};
};

}  // namespace minivit::cli
