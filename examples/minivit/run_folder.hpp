// The folder of a run: outputs/DATE/TIME, one for each run even if two start in the same second.
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Renames the folder `from` to `to` unless something has that name. Returns whether it did; throws FileError
/// for any other reason.
inline bool rename_to_new(const std::filesystem::path& from, const std::filesystem::path& to) {
#if defined(RENAME_NOREPLACE)
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST || errno == ENOTEMPTY) return false;
  const bool unsupported = errno == EINVAL || errno == ENOSYS;
  check<FileError>(unsupported, "cannot make the folder ", to.string(), ": ",
                   std::generic_category().message(errno));
#endif
  // Some network file systems. A new empty folder is ours alone, and a folder may take its place.
  if (::mkdir(to.c_str(), 0777) != 0) {
    check<FileError>(errno == EEXIST, "cannot make the folder ", to.string(), ": ",
                     std::generic_category().message(errno));
    return false;
  }
  const bool renamed = ::rename(from.c_str(), to.c_str()) == 0;
  check<FileError>(renamed, "cannot make the folder ", to.string(), ": ",
                   std::generic_category().message(errno));
  return true;
}

}  // namespace detail

/// Local time in strftime's `format`.
inline std::string local_time(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char buffer[64];
  return {buffer, std::strftime(buffer, sizeof buffer, format, &parts)};
}

/// A file that a new folder begins with; its name may have folders in it.
struct NewFile {
  std::string name, content;
};

/// Makes and returns `base`/YYYY-MM-DD/HH-MM-SS, or the same with _2, _3, … if another run has it: a folder
/// is only used by who made it. It appears with its files in it, so whatever comes later, a run can be told
/// from what it began with. Throws FileError if it cannot be made; nothing is left then.
inline std::filesystem::path make_run_folder(const std::filesystem::path& base,
                                             std::span<const NewFile> files = {}) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path day = base / local_time("%Y-%m-%d");
  const std::string time = local_time("%H-%M-%S");
  fs::create_directories(day, error);
  check<FileError>(!error, "cannot make the folder ", day.string(), ": ", error.message());

  std::string temporary = (day / ".new-XXXXXX").string();
  const bool made = ::mkdtemp(temporary.data()) != nullptr;
  check<FileError>(made, "cannot make a folder in ", day.string(), ": ",
                   std::generic_category().message(errno));
  const auto discard = [&] { fs::remove_all(temporary, error); };
  try {
    for (const NewFile& file : files) {
      const fs::path path = fs::path(temporary) / file.name;
      fs::create_directories(path.parent_path());
      io::write_file_atomically(path, file.content);
    }
    // mkdtemp lets nobody else in; a run is as open as any folder.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    fs::permissions(temporary, static_cast<fs::perms>(0777 & ~mask));
    for (int i = 1;; ++i) {
      const fs::path folder = day / (i == 1 ? time : str_cat(time, "_", i));
      if (detail::rename_to_new(temporary, folder)) return folder;
    }
  } catch (const fs::filesystem_error& e) {
    discard();
    throw FileError(e.what());
  } catch (...) {
    discard();
    throw;
  }
}

/// Keeps a run folder for this process alone, as long as this object lives. A process that is killed lets
/// go, too.
class RunLock {
 public:
  /// Throws FileError if another process has it.
  explicit RunLock(const std::filesystem::path& run)
      : fd_(::open(run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    check<FileError>(bool(fd_), "cannot open the folder ", run.string(), ": ",
                     std::generic_category().message(errno));
    // Whoever lists the runs looks whether this lock is taken and takes it for a moment: try more than once.
    bool locked = false;
    for (int i = 0; i < 5 && !(locked = ::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0); ++i) ::usleep(20'000);
    check<FileError>(locked, run.string(), ": another process is training there");
  }

 private:
  io::detail::FileDescriptor fd_;
};

}  // namespace minivit::inline MINIVIT_ABI
