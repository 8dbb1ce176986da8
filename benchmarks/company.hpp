// Load of the machine by other programs during a measurement.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "harness.hpp"

namespace bench {

/// Watches from its construction on what other processes do (Linux only). With company worth a core, figures
/// of several threads say little: OpenMP's threads wait for each other.
class Company {
 public:
  /// Cores that others kept busy, on average; 0 if it cannot be known.
  double cores() const {
    const Work end = Work::so_far();
    const double others = (end.all - start_.all) - (end.own - start_.own), wall = end.wall - start_.wall;
    return wall > 0 && others > 0 ? others / wall : 0;
  }

 private:
  struct Work {  // in seconds
    double all = 0, own = 0, wall = 0;

    static Work so_far() {
      Work work;
      std::ifstream stat("/proc/stat");
      std::string word;
      double user = 0, nice = 0, system = 0, idle = 0, io = 0, hard = 0, soft = 0, steal = 0;
      stat >> word >> user >> nice >> system >> idle >> io >> hard >> soft >> steal;
      work.all = (user + nice + system + hard + soft + steal) / static_cast<double>(sysconf(_SC_CLK_TCK));
      rusage usage{};
      getrusage(RUSAGE_SELF, &usage);
      for (const timeval& t : {usage.ru_utime, usage.ru_stime})
        work.own += static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
      work.wall = now();
      return work;
    }
  };

  Work start_ = Work::so_far();
};

}  // namespace bench
