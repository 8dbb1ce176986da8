// Where and from what a run was made: the machine, the memory it took, the state of the source.
#pragma once

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "process.hpp"

namespace minivit::inline MINIVIT_ABI {

/// The machine at hand.
struct Machine {
  std::string cpu, os, host;
  long cores = 0;      ///< logical ones
  long memory_mb = 0;  ///< MiB
};

/// Looks at /proc/cpuinfo and asks the system; what it does not say is empty or 0.
inline Machine this_machine() {
  Machine m;
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; m.cpu.empty() && std::getline(cpuinfo, line);)
    if (line.starts_with("model name") && line.find(": ") != std::string::npos)
      m.cpu = line.substr(line.find(": ") + 2);
  utsname name{};
  if (::uname(&name) == 0) {
    m.os = str_cat(name.sysname, ' ', name.release);
    m.host = name.nodename;
    if (m.cpu.empty()) m.cpu = name.machine;  // ARM's cpuinfo has no model
  }
  m.cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  m.memory_mb = ::sysconf(_SC_PHYS_PAGES) / 1024 * (::sysconf(_SC_PAGE_SIZE) / 1024);
  return m;
}

/// The most memory that this process has had so far, in MiB.
inline double peak_memory_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// The revision of the git repository around the current folder, as "cfd31716", with "+" if tracked files
/// have changed; empty without a repository or git. Takes at most two seconds.
inline std::string git_revision() {
  const std::vector<std::string> command{"git",        "describe",  "--always",
                                         "--abbrev=8", "--dirty=+", "--exclude=*"};
  ProcessResult result = run_process(command, 2.0);
  if (result.code != 0) return {};
  while (!result.output.empty() && result.output.back() == '\n') result.output.pop_back();
  return result.output;
}

}  // namespace minivit::inline MINIVIT_ABI
