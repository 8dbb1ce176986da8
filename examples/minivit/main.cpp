// The program `minivit`.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "command.hpp"
#include "program.hpp"
#include "standard_streams.hpp"

namespace {

/// Starts the program again with GNU OpenMP's threads told to wait for each other asleep and not spinning,
/// unless the user has said how. Spinning threads that share their cores with anything else, be it the thread
/// that decodes images, burn whole time slices: training a small model beside one busy process took 15 times
/// longer, with this 1.3 times. The library reads the setting before `main`, hence the restart, which takes a
/// millisecond.
void wait_asleep([[maybe_unused]] char** argv) {
#if defined(_OPENMP) && defined(__linux__)
  if (::getenv("GOMP_SPINCOUNT") || ::getenv("OMP_WAIT_POLICY")) return;
  // Some ten microseconds, about what falling asleep and waking up takes.
  ::setenv("GOMP_SPINCOUNT", "1000", 1);
  ::execv("/proc/self/exe", argv);  // returns only if it fails; then it is as it was
#endif
}

}  // namespace

int main(int argc, char** argv) {
  using namespace minivit::cli;
  open_standard_streams();
  // A file that would become larger than ulimit -f is an error of that write, as on a full disk.
  ::signal(SIGXFSZ, SIG_IGN);
  const Command* command = argc > 1 ? find_command(argv[1]) : nullptr;
  if (command && command->computes) wait_asleep(argv);
  const std::string name = command ? std::string("minivit ") + command->name : "minivit";
  return finish_output(name, run_minivit(argc, argv));
}
