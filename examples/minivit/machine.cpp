// The machine and the memory, asked of the system.
#include "machine.hpp"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "minivit/core/check.hpp"

namespace minivit::cli {

Machine this_machine() {
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

double peak_memory_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace minivit::cli
