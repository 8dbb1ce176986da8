// Directories that are either the old ones or the new ones, never half of each; see atomic_file.hpp.
#pragma once

#include <filesystem>
#include <string_view>

#include "minivit/core/file.hpp"

namespace minivit::inline MINIVIT_ABI::io {

/// Restores `directory` if a process was killed while AtomicDirectory::commit replaced it on a file system
/// that cannot exchange two directories in one step (some network file systems, FUSE, overlayfs). If a
/// process is doing so now, waits until it is there. Everywhere else, and otherwise, does nothing. Call it
/// before reading such a directory; AtomicDirectory calls it itself.
void recover_directory(const std::filesystem::path& directory);

namespace detail {

/// Tells whether a directory has been replaced since.
class DirectoryWatch {
 public:
  explicit DirectoryWatch(const std::filesystem::path& directory);
  [[nodiscard]] bool replaced() const;

 private:
  std::filesystem::path directory_;
  FileDescriptor fd_;  // open: no other directory gets its number
};

}  // namespace detail

/// What `read()` makes of the files in `directory`: all of them of the same version, although AtomicDirectory
/// may replace it at any moment. `read` is called again, up to ten times, if that has happened; what it
/// throws then is not seen.
template <class Read>
auto read_unchanged(const std::filesystem::path& directory, const Read& read) {
  for (int attempt = 1;; ++attempt) {
    recover_directory(directory);
    const detail::DirectoryWatch watch(directory);
    try {
      auto result = read();
      if (attempt >= 10 || !watch.replaced()) return result;
    } catch (...) {
      if (attempt >= 10 || !watch.replaced()) throw;
    }
  }
}

/// Builds a directory under a temporary name beside `directory` and lets it take its place, whole, at
/// `commit`.
///
/// A kill at any moment leaves the complete old or the complete new directory. This takes
/// renameat2(RENAME_EXCHANGE), which the usual local file systems of Linux have; elsewhere a kill between two
/// renames leaves none there until `recover_directory`, see replace_directory.hpp. Without `commit` the
/// temporary is removed and `directory` is as it was.
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
#include <chrono>
#include <cstdio>
#include <system_error>

#include "minivit/core/replace_directory.hpp"

namespace minivit::inline MINIVIT_ABI::io {

MINIVIT_INLINE void recover_directory(const std::filesystem::path& directory) {
  const std::filesystem::path target = detail::resolved(directory);
  if (!target.has_filename()) return;
  // The owner needs less than a millisecond between two renames, more if it removes a directory in between.
  // Who is not known to be dead or alive is waited for, too; should it live, its commit is repeated.
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  for (std::filesystem::path counts; !(counts = detail::counts_instead(target)).empty(); ::usleep(2000)) {
    detail::FileDescriptor lock;
    const detail::Owner owner = detail::owner_of(counts, lock);
    const auto waited = Clock::now() - begin;
    if (waited > std::chrono::seconds(20)) return;  // reading says what is missing
    if (owner == detail::Owner::alive) continue;
    if (owner == detail::Owner::unknown && waited < std::chrono::seconds(1)) continue;
    std::error_code ignored;
    if (counts.native().ends_with(".undo")) std::filesystem::remove_all(target, ignored);
    std::filesystem::rename(counts, target, ignored);
    if (ignored) return;
  }
}

namespace detail {

#if defined(O_PATH)
inline constexpr int kLookOnly = O_PATH | O_DIRECTORY | O_CLOEXEC;
#else
inline constexpr int kLookOnly = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
#endif

MINIVIT_INLINE DirectoryWatch::DirectoryWatch(const std::filesystem::path& directory)
    : directory_(directory), fd_(::open(directory.c_str(), kLookOnly)) {}

MINIVIT_INLINE bool DirectoryWatch::replaced() const {
  struct stat opened {
  }, named{};
  const bool there = ::stat(directory_.c_str(), &named) == 0 && S_ISDIR(named.st_mode);
  if (!fd_ || !there) return bool(fd_) != there;
  return ::fstat(fd_.get(), &opened) != 0 || opened.st_dev != named.st_dev || opened.st_ino != named.st_ino;
}

}  // namespace detail

MINIVIT_INLINE AtomicDirectory::AtomicDirectory(const std::filesystem::path& directory)
    : directory_(directory), target_(detail::destination(directory)) {
  recover_directory(directory);
  std::error_code error;
  const auto status = std::filesystem::status(target_, error);
  if (!error && !std::filesystem::is_directory(status) && std::filesystem::exists(status))
    fail("expected a directory or nothing of that name, found a file");
  detail::remove_stale(detail::temporaries_of(target_, ".tmp"));
  for (const auto& earlier : detail::temporaries_of(target_, ".old")) {  // the new one had arrived
    detail::FileDescriptor lock;
    if (std::filesystem::exists(target_, error) && detail::owner_of(earlier, lock) != detail::Owner::alive)
      detail::remove_earlier(earlier, target_);
  }
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
  if (const int error = detail::sync_directory(temporary_)) fail(detail::reason(error));
  std::error_code ignored;
  std::filesystem::path earlier;
  const bool exists = std::filesystem::exists(target_, ignored);
  int error = exists ? detail::exchange_directories(temporary_, target_) : ENOENT;
  if (error == 0)
    earlier = temporary_;
  else if (error == ENOENT || detail::cannot_exchange(error))
    error = detail::replace_directory(temporary_, target_, earlier);
  if (error) fail(detail::reason(error));
  fd_.close();
  error = detail::sync(target_.parent_path());
  check<FileError>(error == 0, "wrote ", directory_.native(),
                   ", but cannot sync the directory that holds it: ", detail::reason(error));
  // Not before the new one is safe. What cannot be removed now is removed by the next AtomicDirectory.
  if (!earlier.empty()) detail::remove_earlier(earlier, target_);
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
