// Directories that are either the old ones or the new ones, never half of each; see atomic_file.hpp.
#pragma once

#include <filesystem>
#include <string_view>

#include "minivit/core/file.hpp"

namespace minivit::inline MINIVIT_ABI::io {

/// Restores `directory` if a process was killed while AtomicDirectory::commit replaced it on a file system
/// that cannot exchange two directories in one step (some network file systems). Everywhere else, and
/// otherwise, does nothing. Call it before reading such a directory; AtomicDirectory calls it itself.
void recover_directory(const std::filesystem::path& directory);

/// Builds a directory under a temporary name beside `directory` and lets it take its place, whole, at
/// `commit`.
///
/// A kill at any moment leaves the complete old or the complete new directory. This takes
/// renameat2(RENAME_EXCHANGE), which the usual local file systems of Linux have; elsewhere a kill between two
/// renames leaves none there until `recover_directory`. Without `commit` the temporary is removed and
/// `directory` is as it was.
class AtomicDirectory {
 public:
  /// directory: a new or existing one in an existing one; a symbolic link is followed. Throws FileError if
  /// something else is there or the parent cannot be written to.
  explicit AtomicDirectory(const std::filesystem::path& directory);

  AtomicDirectory(AtomicDirectory&&) = delete;
  ~AtomicDirectory() { discard(); }

  /// The temporary directory: create the new content in here.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return temporary_; }

  /// Forces everything in `path()` to the disk and makes it the content of the directory; the earlier content
  /// is removed. Can be called once. Throws FileError if it cannot; the earlier directory is then as it was.
  void commit();

 private:
  void sync_all();
  void discard() noexcept;
  [[noreturn]] void fail(std::string_view why);

  std::filesystem::path directory_, target_, temporary_;
  detail::FileDescriptor fd_;
};

}  // namespace minivit::inline MINIVIT_ABI::io

#if MINIVIT_DEFINITIONS
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "minivit/core/atomic_file.hpp"

namespace minivit::inline MINIVIT_ABI::io {

namespace detail {

/// Puts the directory `fresh` in the place of the directory `target` in one step; the earlier one is then
/// named `fresh`. Returns 0 or the error number: EINVAL or ENOSYS where the file system or kernel has no such
/// step.
inline int exchange_directories(const std::filesystem::path& fresh, const std::filesystem::path& target) {
#if defined(RENAME_EXCHANGE)
  return ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0 ? 0 : errno;
#else
  static_cast<void>(fresh), static_cast<void>(target);
  return ENOSYS;
#endif
}

/// The same in two steps; the earlier directory is then named `aside`. After a kill in between there is no
/// `target`, and `recover_directory` renames `aside` back. Returns 0 or the error number.
inline int replace_directory(const std::filesystem::path& fresh, const std::filesystem::path& target,
                             const std::filesystem::path& aside) {
  if (::rename(target.c_str(), aside.c_str()) != 0) return errno;
  if (::rename(fresh.c_str(), target.c_str()) == 0) return 0;
  const int error = errno;
  // If even that fails, recover_directory does it later.
  static_cast<void>(::rename(aside.c_str(), target.c_str()));
  return error;
}

}  // namespace detail

MINIVIT_INLINE void recover_directory(const std::filesystem::path& directory) {
  const std::filesystem::path target = detail::destination(directory);
  std::error_code ignored;
  for (const auto& aside : detail::temporaries_of(target, ".old"))
    if (!std::filesystem::exists(target, ignored))
      std::filesystem::rename(aside, target, ignored);
    else
      std::filesystem::remove_all(aside, ignored);  // the new one had arrived: this one has been replaced
}

MINIVIT_INLINE AtomicDirectory::AtomicDirectory(const std::filesystem::path& directory)
    : directory_(directory), target_(detail::destination(directory)) {
  recover_directory(directory);
  std::error_code error;
  const auto status = std::filesystem::status(target_, error);
  if (!error && !std::filesystem::is_directory(status) && std::filesystem::exists(status))
    fail("expected a directory or nothing of that name, found a file");
  detail::remove_stale_temporaries(target_);
  do {
    temporary_ = detail::temporary_beside(target_, ".tmp");
    if (::mkdir(temporary_.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;
      fail(detail::reason(errno));
    }
    fd_ = detail::FileDescriptor(::open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd_ && errno != ENOENT) fail(detail::reason(errno));
  } while (!fd_ || !detail::claim(fd_, temporary_));
}

MINIVIT_INLINE void AtomicDirectory::commit() {
  check<FileError>(bool(fd_), "cannot write ", directory_.native(),
                   ": it was committed before, or that failed");
  sync_all();
  std::error_code ignored;
  std::filesystem::path earlier;
  int error = 0;
  if (std::filesystem::exists(target_, ignored)) {
    earlier = temporary_;
    error = detail::exchange_directories(temporary_, target_);
    if (error == EINVAL || error == ENOSYS) {
      earlier = detail::temporary_beside(target_, ".old");
      error = detail::replace_directory(temporary_, target_, earlier);
    }
  } else if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    error = errno;
  }
  if (error) fail(detail::reason(error));
  fd_.close();
  error = detail::sync(target_.parent_path());
  check<FileError>(error == 0, "wrote ", directory_.native(),
                   ", but cannot sync the directory that holds it: ", detail::reason(error));
  // Not before the new one is safe. What cannot be removed now is removed by the next AtomicDirectory.
  if (!earlier.empty()) std::filesystem::remove_all(earlier, ignored);
}

MINIVIT_INLINE void AtomicDirectory::sync_all() {
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(temporary_, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    const auto status = entry->symlink_status(error);
    if (error) break;
    if (!std::filesystem::is_regular_file(status) && !std::filesystem::is_directory(status)) continue;
    if (const int number = detail::sync(entry->path())) fail(detail::reason(number));
  }
  if (error) fail(error.message());
  if (const int number = detail::sync(fd_.get())) fail(detail::reason(number));
}

MINIVIT_INLINE void AtomicDirectory::discard() noexcept {
  if (!fd_) return;
  std::error_code ignored;
  std::filesystem::remove_all(temporary_, ignored);
  fd_.close();
}

MINIVIT_INLINE void AtomicDirectory::fail(std::string_view why) {
  discard();
  std::error_code error;
  const bool earlier = std::filesystem::is_directory(target_, error);
  throw FileError(str_cat("cannot write ", directory_.native(), ": ", why,
                          earlier ? "; the earlier directory is untouched" : ""));
}

}  // namespace minivit::inline MINIVIT_ABI::io
#endif  // MINIVIT_DEFINITIONS
