// A process with its output and a deadline.
#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <system_error>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"

namespace minivit::cli {

namespace {

/// The arguments as exec takes them. Refers to `command`.
std::vector<char*> arguments_of(std::span<const std::string> command) {
  std::vector<char*> argv;
  for (const std::string& a : command) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  return argv;
}

/// What is to be done with the descriptors of a new process, which reads nothing.
class FileActions {
 public:
  FileActions() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions); }

  posix_spawn_file_actions_t actions;
};

}  // namespace

ProcessResult run_process(std::span<const std::string> command, double seconds,
                          const std::filesystem::path& directory) {
  ProcessResult result;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return {-1,
            {},
            str_cat("cannot start ", command[0],
                    ": no pipe for its output: ", std::generic_category().message(errno))};
  const io::detail::FileDescriptor read_end(ends[0]);
  io::detail::FileDescriptor write_end(ends[1]);

  const std::vector<char*> argv = arguments_of(command);
  FileActions files;
  ::posix_spawn_file_actions_adddup2(&files.actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files.actions, ends[1], STDERR_FILENO);
  if (!directory.empty()) ::posix_spawn_file_actions_addchdir_np(&files.actions, directory.c_str());
  // In a process group of its own: Ctrl-C is for us, and what it starts can be killed with it.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv[0], &files.actions, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0)
    return {-1, {}, str_cat("cannot start ", command[0], ": ", std::generic_category().message(error))};
  write_end.close();

  using Clock = std::chrono::steady_clock;
  const auto end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  constexpr std::size_t kMaxOutput = 65536;
  const auto milliseconds_left = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
  };
  bool late = false;
  while (true) {
    const auto left = milliseconds_left();
    if ((late = left <= 0)) break;
    pollfd ready{read_end.get(), POLLIN, 0};
    const int n = ::poll(&ready, 1, static_cast<int>(std::min<long long>(left, 1000)));
    if (n < 0 && errno != EINTR) break;
    if (n <= 0) continue;
    char buffer[4096];
    const ssize_t bytes = ::read(read_end.get(), buffer, sizeof buffer);
    if (bytes <= 0) break;
    if (result.output.size() < kMaxOutput) result.output.append(buffer, static_cast<std::size_t>(bytes));
  }
  // It may close its output and work on: the deadline counts until it has ended.
  int status = 0;
  pid_t ended = 0;
  while (!late && (ended = ::waitpid(child, &status, WNOHANG)) == 0) {
    ::usleep(2000);
    late = milliseconds_left() <= 0;
  }
  if (late) ::kill(-child, SIGKILL);
  while (ended != child && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (late)
    result.error = str_cat(command[0], " took longer than ", seconds, " s");
  else if (WIFEXITED(status))
    result.code = WEXITSTATUS(status);
  else
    result.error = str_cat(command[0], " was killed by signal ", WTERMSIG(status));
  return result;
}

int run_in_sight(std::span<const std::string> command) {
  const std::vector<char*> argv = arguments_of(command);
  FileActions files;
  ::posix_spawn_file_actions_adddup2(&files.actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv[0], &files.actions, nullptr, argv.data(), environ);
  check<FileError>(error != ENOENT, command[0], " is not installed; on Debian: apt install ", command[0]);
  check<FileError>(error == 0, "cannot start ", command[0], ": ", io::detail::reason(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    check<FileError>(errno == EINTR, "cannot wait for ", command[0], ": ", io::detail::reason(errno));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace minivit::cli
