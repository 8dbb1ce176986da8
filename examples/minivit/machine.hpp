// Description of the machine that a run was made with.
#pragma once

#include <string>

namespace minivit::cli {

/// The machine at hand.
struct Machine {
  std::string cpu, os, host;
  long cores = 0;      ///< logical ones
  long memory_mb = 0;  ///< MiB
};

/// Looks at /proc/cpuinfo and asks the system; what it does not say is empty or 0.
Machine this_machine();

/// The most memory that this process has had so far, in MiB.
double peak_memory_mb();

}  // namespace minivit::cli
