// The folder of a run, made whole under a name of its own.
#include "run_folder.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>

#include "minivit/core/atomic_directory.hpp"
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
  const bool unsupported =
      errno == EINVAL || errno == ENOSYS || errno == ENOTSUP || errno == EPERM || errno == EXDEV;
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

/// Removes what killed processes left in `base` of folders that they were making.
void tidy(const std::filesystem::path& base) {
  std::error_code error;
  for (std::filesystem::directory_iterator day(base, error), end; !error && day != end;
       day.increment(error)) {
    std::error_code ignored;
    if (day->is_directory(ignored)) io::remove_stale_temporaries(day->path());
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

  tidy(base);

  // Hidden until it has its name, and locked: what a killed process leaves can be told from what a living one
  // makes.
  const io::AtomicDirectory fresh(day / "new");
  try {
    for (const NewFile& file : files) {
      const fs::path path = fresh.path() / file.name;
      fs::create_directories(path.parent_path());
      io::write_file_atomically(path, file.content);
    }
    for (int i = 1;; ++i) {
      const fs::path folder = day / (i == 1 ? time : str_cat(time, "_", i));
      if (rename_to_new(fresh.path(), folder)) return folder;
    }
  } catch (const fs::filesystem_error& e) { throw FileError(e.what()); }
}

}  // namespace minivit::cli
