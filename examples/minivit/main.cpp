// The program `minivit`.
#include <signal.h>

#include <string>

#include "command.hpp"
#include "program.hpp"
#include "standard_streams.hpp"

int main(int argc, char** argv) {
  using namespace minivit::cli;
  open_standard_streams();
  // A file that would become larger than ulimit -f is an error of that write, as on a full disk.
  ::signal(SIGXFSZ, SIG_IGN);
  const Command* command = argc > 1 ? find_command(argv[1]) : nullptr;
  const std::string name = command ? std::string("minivit ") + command->name : "minivit";
  return finish_output(name, run_minivit(argc, argv));
}
