// Descriptors 0 to 2 and the two streams on them.
#include "standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "minivit/core/check.hpp"

namespace minivit::cli {

namespace {

/// Hands on what is in the buffer. Returns an error number, or 0.
int flushed(std::FILE* stream) {
  const bool failed_before = std::ferror(stream) != 0;
  errno = 0;
  if (std::fflush(stream) != 0) return errno ? errno : EIO;
  if (!failed_before) return 0;
  // Why an earlier write failed is not known any more. The output has a hole anyway: one byte more tells it.
  return ::write(::fileno(stream), "\n", 1) < 0 ? errno : EIO;
}

std::string problem(int error) {
  return str_cat("cannot write to standard output: ", std::generic_category().message(error));
}

}  // namespace

void open_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The wrong way round. The lowest free number is taken, which is this one.
    static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

void flush_output() {
  if (const int error = flushed(stdout)) throw FileError(problem(error));
}

int finish_output(const std::string& name, int code) {
  const int error = flushed(stdout);
  if (error) std::fprintf(stderr, "%s: %s\n", name.c_str(), problem(error).c_str());
  const bool lost = flushed(stderr) != 0 || error != 0;
  return code == 0 && lost ? 1 : code;
}

}  // namespace minivit::cli
