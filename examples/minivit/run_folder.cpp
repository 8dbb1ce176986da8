// The folder of a run, made whole under a name of its own.
#include "run_folder.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>

#include "minivit/core/atomic_file.hpp"
#include "minivit/core/check.hpp"

namespace minivit::cli {

namespace {

/// Renames the folder `from` to `to` unless something has that name. Returns whether it did; throws FileError
/// for any other reason.
bool rename_to_new(const std::filesystem::path& from, const std::filesystem::path& to) {
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

/// Makes a new hidden folder in `day`, as open as any folder: mkdtemp's would let nobody else in, and the
/// mask that says how open one is cannot be read without changing it for all threads.
std::filesystem::path make_temporary_folder(const std::filesystem::path& day) {
  for (int i = 0;; ++i) {
    std::filesystem::path folder = day / str_cat(".new-", ::getpid(), '-', i);
    if (::mkdir(folder.c_str(), 0777) == 0) return folder;
    check<FileError>(errno == EEXIST, "cannot make a folder in ", day.string(), ": ",
                     std::generic_category().message(errno));
  }
}

}  // namespace

std::string local_time(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char buffer[64];
  return {buffer, std::strftime(buffer, sizeof buffer, format, &parts)};
}

std::filesystem::path make_run_folder(const std::filesystem::path& base, std::span<const NewFile> files) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path day = base / local_time("%Y-%m-%d");
  const std::string time = local_time("%H-%M-%S");
  fs::create_directories(day, error);
  check<FileError>(!error, "cannot make the folder ", day.string(), ": ", error.message());

  const fs::path temporary = make_temporary_folder(day);
  const auto discard = [&] { fs::remove_all(temporary, error); };
  try {
    for (const NewFile& file : files) {
      const fs::path path = temporary / file.name;
      fs::create_directories(path.parent_path());
      io::write_file_atomically(path, file.content);
    }
    for (int i = 1;; ++i) {
      const fs::path folder = day / (i == 1 ? time : str_cat(time, "_", i));
      if (rename_to_new(temporary, folder)) return folder;
    }
  } catch (const fs::filesystem_error& e) {
    discard();
    throw FileError(e.what());
  } catch (...) {
    discard();
    throw;
  }
}

RunLock::RunLock(const std::filesystem::path& run)
    : fd_(::open(run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  check<FileError>(bool(fd_), "cannot open the folder ", run.string(), ": ",
                   std::generic_category().message(errno));
  // Whoever lists the runs looks whether this lock is taken and takes it for a moment: try more than once.
  bool locked = false;
  for (int i = 0; i < 5 && !(locked = ::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0); ++i) ::usleep(20'000);
  check<FileError>(locked, run.string(), ": another process is training there");
}

}  // namespace minivit::cli
