// Starting, watching and waiting for the process of a job.
#include "job_process.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"
#include "run_lock.hpp"

namespace minivit::cli {

namespace {

constexpr int kNotStarted = 127;

/// In the new process, which has all signals blocked: becomes the job. Only what may be called between fork
/// and exec.
[[noreturn]] void become(char* const* argv, pid_t parent, const sigset_t& mask) {
  // A signal that comes before exec ends this process and is not noted by a handler of the sweep's.
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);
  }
#if defined(__linux__)
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
  if (::getppid() != parent) ::_exit(128 + SIGTERM);  // it ended before that
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execv("/proc/self/exe", argv);
  ::_exit(kNotStarted);
}

}  // namespace

int run_job(std::span<const std::string> arguments, const StopSignals& signals) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  sigset_t all, mask;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &mask);
  const pid_t child = ::fork();
  if (child == 0) become(argv.data(), parent, mask);
  const int error = errno;
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  check(child > 0, "cannot start a job: ", std::generic_category().message(error));
  bool told = false;
  for (int status = 0;;) {
    const pid_t done = ::waitpid(child, &status, WNOHANG);
    if (done == child) {
      const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      check(code != kNotStarted, "cannot start a job: the program cannot be run again");
      return code;
    }
    check(done == 0 || errno == EINTR, "cannot wait for a job: ", std::generic_category().message(errno));
    // A terminal tells the job itself.
    if (signals.received() && !signals.from_terminal() && !std::exchange(told, true))
      ::kill(child, signals.received());
    ::usleep(20'000);
  }
}

bool wait_for_folder(const std::filesystem::path& run, const StopSignals& signals,
                     const std::function<void()>& waits) {
  for (bool first = true; in_use(run); first = false) {
    if (signals.received()) return false;
    if (first) waits();
    ::usleep(100'000);
  }
  return true;
}

}  // namespace minivit::cli
