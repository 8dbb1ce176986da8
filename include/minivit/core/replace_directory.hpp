// One directory in the place of another, on file systems that can exchange two and on those that cannot.
//
// Beside the directory NAME may stand, hidden and named as in atomic_file.hpp,
//   .NAME.minivit-PID-TIME.old    the earlier NAME, complete. It counts if there is no NAME.
//   .NAME.minivit-PID-TIME.undo   a copy of the earlier NAME, complete. It counts even if there is a NAME.
// Each is there for a moment, and stays only if the process is killed in it. Its owner holds a lock on it.
#pragma once

#include "minivit/core/atomic_file.hpp"

#if MINIVIT_DEFINITIONS
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace minivit::inline MINIVIT_ABI::io::detail {

/// Puts the directory `fresh` in the place of the directory `target` in one step; the earlier one is then
/// named `fresh`. Returns 0 or the error number.
inline int exchange_directories(const std::filesystem::path& fresh, const std::filesystem::path& target) {
#if defined(RENAME_EXCHANGE)
  return ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0 ? 0 : errno;
#else
  static_cast<void>(fresh), static_cast<void>(target);
  return ENOSYS;
#endif
}

/// True for the errors by which a kernel or file system says that it has no such step: NFS, FUSE, old
/// kernels, sandboxes (EPERM), and overlayfs for a directory of a lower layer (EXDEV).
inline bool cannot_exchange(int error) {
  return error == EINVAL || error == ENOSYS || error == ENOTSUP || error == EPERM || error == EXDEV;
}

/// Opens a directory and takes a lock that others can see. File systems without locks do without.
inline FileDescriptor marked(const std::filesystem::path& directory) {
  FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (fd) static_cast<void>(::flock(fd.get(), LOCK_SH | LOCK_NB));
  return fd;
}

/// Removes a directory that does not count any more. Half of it must not count either, so it gets another
/// name first, by which remove_stale_temporaries finds it after a kill.
inline void remove_earlier(const std::filesystem::path& earlier, const std::filesystem::path& target) {
  std::error_code ignored;
  const std::filesystem::path trash = temporary_beside(target, ".tmp");
  std::filesystem::rename(earlier, trash, ignored);
  std::filesystem::remove_all(ignored ? earlier : trash, ignored);
}

/// Forces everything in a directory, and itself, to the disk. Returns 0 or the error number.
inline int sync_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    const auto status = entry->symlink_status(error);
    if (error) break;
    if (!std::filesystem::is_regular_file(status) && !std::filesystem::is_directory(status)) continue;
    if (const int number = sync(entry->path())) return number;
  }
  return error ? error.value() : sync(directory);
}

/// Puts `fresh` in the place of `target`, which cannot be renamed: overlayfs has it in a lower layer. A copy
/// of it is what counts until the new one is there. Returns 0 or the error number.
inline int replace_copied(const std::filesystem::path& fresh, const std::filesystem::path& target) {
  const std::filesystem::path copy = temporary_beside(target, ".tmp"),
                              undo = temporary_beside(target, ".undo");
  std::error_code error, ignored;
  std::filesystem::create_directory(copy, target, error);  // with its permissions
  const FileDescriptor mark = error ? FileDescriptor() : marked(copy);
  constexpr auto kWhole =
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks;
  if (!error) std::filesystem::copy(target, copy, kWhole, error);
  int number = error ? error.value() : sync_directory(copy);
  if (number == 0 && ::rename(copy.c_str(), undo.c_str()) != 0) number = errno;
  if (number != 0) {
    std::filesystem::remove_all(copy, ignored);
    return number;
  }
  number = sync(target.parent_path());
  if (number == 0) {
    std::filesystem::remove_all(target, error);
    if (error || ::rename(fresh.c_str(), target.c_str()) != 0) number = error ? error.value() : errno;
  }
  if (number == 0) {
    static_cast<void>(sync(target.parent_path()));
    remove_earlier(undo, target);
    return 0;
  }
  std::filesystem::remove_all(target, ignored);
  std::filesystem::rename(undo, target, ignored);  // what fails here, recover_directory does later
  return number;
}

/// Puts `fresh` in the place of `target` in two steps. In between there is no `target`, for a moment if the
/// process lives, and until `recover_directory` if it is killed. `earlier`: where the earlier one is then.
/// Returns 0 or the error number; `target` is then as it was.
inline int replace_directory(const std::filesystem::path& fresh, const std::filesystem::path& target,
                             std::filesystem::path& earlier) {
  int error = 0;
  FileDescriptor mark;
  // More than once if another process writes or recovers `target` at the same time.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (::rename(fresh.c_str(), target.c_str()) == 0) return 0;
    error = errno;
    if (error != EEXIST && error != ENOTEMPTY) break;
    if (!earlier.empty()) remove_earlier(earlier, target);
    const std::filesystem::path aside = temporary_beside(target, ".old");
    mark = marked(target);
    earlier.clear();
    if (::rename(target.c_str(), aside.c_str()) == 0)
      earlier = aside;
    else if (errno == EXDEV)
      return replace_copied(fresh, target);
    else if (errno != ENOENT)
      return errno;
  }
  if (!earlier.empty() && ::rename(earlier.c_str(), target.c_str()) == 0) earlier.clear();
  return error;
}

/// Whether the process that left `path` is dead: yes, no, or not known, as on file systems without locks. If
/// yes, `lock` keeps others from recovering it at the same time.
enum class Owner { dead, alive, unknown };
inline Owner owner_of(const std::filesystem::path& path, FileDescriptor& lock) {
  lock = FileDescriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!lock) return Owner::alive;  // it has just done with it
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK || errno == EINTR ? Owner::alive : Owner::unknown;
  return same_file(lock, path) ? Owner::dead : Owner::alive;
}

/// What counts instead of `target`: the copy, or the earlier directory if there is no `target`; empty if
/// `target` counts.
inline std::filesystem::path counts_instead(const std::filesystem::path& target) {
  std::error_code ignored;
  const auto undo = temporaries_of(target, ".undo");
  if (!undo.empty()) return undo.front();
  if (std::filesystem::exists(target, ignored)) return {};
  const auto old = temporaries_of(target, ".old");
  // Looked at in this order, a directory that has arrived meanwhile is seen.
  return old.empty() || std::filesystem::exists(target, ignored) ? std::filesystem::path() : old.front();
}

}  // namespace minivit::inline MINIVIT_ABI::io::detail
#endif  // MINIVIT_DEFINITIONS
