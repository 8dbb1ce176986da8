// The lock of a run folder: flock(2), or a file that names its owner.
#include "run_lock.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "minivit/core/check.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

enum class Flock { taken, refused, unsupported };

/// Tries more than once: whoever lists the runs looks whether the lock is taken and takes it for a moment.
Flock try_flock(int fd, int kind) {
  for (int i = 0; i < 5; ++i) {
    if (::flock(fd, kind | LOCK_NB) == 0) return Flock::taken;
    if (errno != EWOULDBLOCK && errno != EINTR) return Flock::unsupported;
    ::usleep(20'000);
  }
  return Flock::refused;
}

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// A machine as long as it is not started again, and the numbering of its processes: containers have their
/// own.
std::string this_system() {
  std::error_code ignored;
  const fs::path processes = fs::read_symlink("/proc/self/ns/pid", ignored);
  return str_cat(first_line("/proc/sys/kernel/random/boot_id"), ' ', processes.native());
}

/// When a process began, in the clock ticks of /proc/PID/stat: numbers are given again. Empty if there is
/// none.
std::string began(long process) {
  const std::string line = first_line(str_cat("/proc/", process, "/stat"));
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 2)));
  std::string field;
  for (int i = 3; i <= 22 && fields >> field; ++i) {}
  return fields ? field : std::string();
}

/// What this process writes into its lock file: a line each for its number, its beginning and its system.
std::string owner() { return str_cat(::getpid(), '\n', began(::getpid()), '\n', this_system(), '\n'); }

enum class Owner { dead, alive, elsewhere };

/// Of the process that wrote `text`.
Owner state_of(const std::string& text) {
  std::istringstream lines(text);
  std::string number, begin, system;
  std::getline(lines, number), std::getline(lines, begin), std::getline(lines, system);
  if (system != this_system() || begin.empty()) return Owner::elsewhere;
  return began(std::atol(number.c_str())) == begin ? Owner::alive : Owner::dead;
}

std::string read(const fs::path& path) {
  try {
    return io::read_file(path, 4096);
  } catch (const FileError&) { return {}; }
}

/// Makes the new file `path` with this content; false if there is one.
bool make_new(const fs::path& path, const std::string& content) {
  const io::detail::FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd && errno == EEXIST) return false;
  const bool written =
      fd && ::write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size());
  if (written) return true;
  const int error = errno;
  if (fd) ::unlink(path.c_str());
  throw FileError(str_cat("cannot write ", path.native(), ": ", io::detail::reason(error)));
}

/// Makes the lock file, in the place of one whose owner is dead. Throws FileError if it is another's.
void take(const fs::path& file, const fs::path& run) {
  if (make_new(file, owner())) return;
  // Of those who find a dead owner at the same time, one takes over: the others could remove its new file.
  const fs::path taking = file.native() + ".taking";
  const std::string found = read(file);
  const auto leave = [&](const fs::path& what) {
    throw FileError(str_cat(run.native(), ": another process is training there, perhaps on another machine (",
                            what.native(), " says so; remove this file if you know that none is)"));
  };
  if (state_of(found) == Owner::alive)
    throw FileError(str_cat(run.native(), ": another process is training there"));
  if (state_of(found) != Owner::dead) leave(file);
  if (!make_new(taking, owner())) leave(taking);
  const bool same = read(file) == found && ::unlink(file.c_str()) == 0 && make_new(file, owner());
  ::unlink(taking.c_str());
  if (!same) leave(file);
}

}  // namespace

RunLock::RunLock(const fs::path& run) : fd_(::open(run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  check<FileError>(bool(fd_), "cannot open the folder ", run.native(), ": ", io::detail::reason(errno));
  const Flock locked = try_flock(fd_.get(), LOCK_EX);
  check<FileError>(locked != Flock::refused, run.native(), ": another process is training there");
  if (locked == Flock::taken) return;
  take(run / kLockFile, run);
  by_file_ = true;
}

RunLock::~RunLock() {
  if (by_file_) ::unlinkat(fd_.get(), kLockFile, 0);  // wherever the folder was moved to
}

bool in_use(const fs::path& run) {
  const io::detail::FileDescriptor fd(::open(run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return false;
  // A shared lock: of two who ask at the same time neither takes the other for the owner.
  if (::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return false;
  if (errno == EWOULDBLOCK) return true;
  const std::string found = read(run / kLockFile);
  return !found.empty() && state_of(found) != Owner::dead;
}

}  // namespace minivit::cli
