// Folders that are either the old ones or the new ones, never half of each; see atomic_file.hpp.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "minivit/core/atomic_file.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Puts the folder `fresh` in the place of the folder `target` in one step; the earlier one is then named
/// `fresh`. Returns 0 or the error number: EINVAL or ENOSYS where the file system or kernel has no such step.
inline int exchange_folders(const std::filesystem::path& fresh, const std::filesystem::path& target) {
#if defined(RENAME_EXCHANGE)
  return ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0 ? 0 : errno;
#else
  static_cast<void>(fresh), static_cast<void>(target);
  return ENOSYS;
#endif
}

/// The same in two steps; the earlier folder is then named `aside`. After a kill in between there is no
/// `target`, and `recover_folder` renames `aside` back. Returns 0 or the error number.
inline int replace_folder(const std::filesystem::path& fresh, const std::filesystem::path& target,
                          const std::filesystem::path& aside) {
  if (::rename(target.c_str(), aside.c_str()) != 0) return errno;
  if (::rename(fresh.c_str(), target.c_str()) == 0) return 0;
  const int error = errno;
  static_cast<void>(
      ::rename(aside.c_str(), target.c_str()));  // if even that fails, recover_folder does it later
  return error;
}

}  // namespace detail

/// Restores `folder` if a process was killed while AtomicFolder::commit replaced it on a file system that
/// cannot exchange two folders in one step (some network file systems). Everywhere else, and otherwise, does
/// nothing. Call it before reading such a folder; AtomicFolder calls it itself.
inline void recover_folder(const std::filesystem::path& folder) {
  const std::filesystem::path target = detail::destination(folder);
  std::error_code ignored;
  for (const auto& aside : detail::temporaries_of(target, ".old"))
    if (!std::filesystem::exists(target, ignored))
      std::filesystem::rename(aside, target, ignored);
    else
      std::filesystem::remove_all(aside, ignored);  // the new folder had arrived: this one has been replaced
}

/// Builds a folder under a temporary name beside `folder` and lets it take its place, whole, at `commit`.
///
/// A kill at any moment leaves the complete old or the complete new folder at `folder`. This takes
/// renameat2(RENAME_EXCHANGE), which the usual local file systems of Linux have; elsewhere a kill between two
/// renames leaves none there until `recover_folder`. Without `commit` the temporary is removed and `folder`
/// is as it was.
class AtomicFolder {
 public:
  /// folder: a new or existing folder in an existing one; a symbolic link is followed. Throws FileError if
  /// something else is there or the parent cannot be written to.
  explicit AtomicFolder(const std::filesystem::path& folder)
      : folder_(folder), target_(detail::destination(folder)) {
    recover_folder(folder);
    std::error_code error;
    const auto status = std::filesystem::status(target_, error);
    if (!error && !std::filesystem::is_directory(status) && std::filesystem::exists(status))
      fail("expected a folder or nothing of that name, found a file");
    detail::remove_stale_temporaries(target_);
    do {
      temporary_ = detail::temporary_beside(target_, ".tmp");
      if (::mkdir(temporary_.c_str(), 0777) != 0) {
        if (errno == EEXIST) continue;
        fail(detail::reason(errno));
      }
      fd_ = detail::FileDescriptor(::open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!fd_ && errno != ENOENT) fail(detail::reason(errno));
    } while (!fd_ || !detail::claim(fd_, temporary_.native()));
  }

  AtomicFolder(AtomicFolder&&) = delete;
  ~AtomicFolder() { discard(); }

  /// The temporary folder: create the new content in here.
  const std::filesystem::path& path() const { return temporary_; }

  /// Forces everything in `path()` to the disk and makes it the content of the folder; the earlier content is
  /// removed. Can be called once. Throws FileError if it cannot; the earlier folder is then as it was.
  void commit() {
    check<FileError>(bool(fd_), "cannot write ", folder_.native(),
                     ": it was committed before, or that failed");
    sync_all();
    std::error_code ignored;
    std::filesystem::path earlier;
    int error = 0;
    if (std::filesystem::exists(target_, ignored)) {
      earlier = temporary_;
      error = detail::exchange_folders(temporary_, target_);
      if (error == EINVAL || error == ENOSYS) {
        earlier = detail::temporary_beside(target_, ".old");
        error = detail::replace_folder(temporary_, target_, earlier);
      }
    } else if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
      error = errno;
    }
    if (error) fail(detail::reason(error));
    fd_.close();
    error = detail::sync(target_.parent_path());
    check<FileError>(error == 0, "wrote ", folder_.native(),
                     ", but cannot sync the folder that holds it: ", detail::reason(error));
    // Not before the new one is safe. What cannot be removed now is removed by the next AtomicFolder.
    if (!earlier.empty()) std::filesystem::remove_all(earlier, ignored);
  }

 private:
  void sync_all() {
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

  void discard() {
    if (!fd_) return;
    std::error_code ignored;
    std::filesystem::remove_all(temporary_, ignored);
    fd_.close();
  }

  [[noreturn]] void fail(std::string_view why) {
    discard();
    std::error_code error;
    const bool earlier = std::filesystem::is_directory(target_, error);
    throw FileError(str_cat("cannot write ", folder_.native(), ": ", why,
                            earlier ? "; the earlier folder is untouched" : ""));
  }

  std::filesystem::path folder_, target_, temporary_;
  detail::FileDescriptor fd_;
};

}  // namespace minivit::inline MINIVIT_ABI
