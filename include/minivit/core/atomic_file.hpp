// Files that are either the old ones or the new ones, never half of each.
//
// New content is written beside its destination under a temporary name, forced to the disk, and takes its
// place by one rename. A full disk, an error or a kill in between leaves what was there before. POSIX only.
//
// A kill can leave behind a hidden entry `.NAME.minivit-PID-TIME.tmp` beside NAME. The next
// AtomicFile or AtomicDirectory for the same NAME removes it, and remove_stale_temporaries does. Whether its
// owner still lives is asked through a lock that the system drops with the process: unlike a test of the
// process number this also holds between containers that share a directory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "minivit/core/file.hpp"

namespace minivit::inline MINIVIT_ABI::io {

/// Writes a file under a temporary name and lets it take its place at `commit`. Without `commit`, and after
/// any failure, the temporary is removed and an earlier file is as it was.
class AtomicFile {
 public:
  /// path: a new or existing regular file in an existing directory; a symbolic link is followed. Throws
  /// FileError if something else is there or the directory cannot be written to.
  explicit AtomicFile(const std::filesystem::path& path);

  AtomicFile(AtomicFile&&) = delete;
  ~AtomicFile() { discard(); }

  /// Appends `bytes` bytes. Throws FileError if they cannot be written.
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }

  /// Writes over what was written before, from byte `offset` on: a header that counts what follows it. What
  /// `write` appends goes on at the end. Throws FileError if it cannot be written.
  void rewrite(std::uint64_t offset, std::string_view text);

  /// Forces the file to the disk and renames it. Afterwards nothing more can be written. Throws FileError if
  /// it cannot.
  void commit();

  /// The same under the name `path`, on the same file system, unless something has that name: then nothing
  /// happens, another name can be tried, and false is returned.
  [[nodiscard]] bool commit_new(const std::filesystem::path& path);

 private:
  void finish(const std::filesystem::path& renamed_to);
  void check_open() const;
  void discard() noexcept;
  [[noreturn]] void fail(std::string_view why);

  std::filesystem::path path_, target_, temporary_;
  detail::FileDescriptor fd_;
};

/// Makes `content` the content of the file `path`, see AtomicFile. Throws FileError.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> content);
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// Removes what killed processes left in `folder` of files and directories that they were writing there. What
/// a living process writes stays; on file systems without locks nobody knows, and everything stays.
void remove_stale_temporaries(const std::filesystem::path& folder);

}  // namespace minivit::inline MINIVIT_ABI::io

#if MINIVIT_DEFINITIONS
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>
#include <vector>

namespace minivit::inline MINIVIT_ABI::io {

namespace detail {

/// Where `path` leads: absolute, and through symbolic links, so that a link stays one and what it points to
/// is replaced.
inline std::filesystem::path resolved(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path target = std::filesystem::canonical(path, error);
  if (error) target = std::filesystem::absolute(path, error);
  return target.has_filename() ? target : target.parent_path();  // "runs/best/" is "runs/best"
}

/// The same for something to be written. Throws FileError if it has no name.
inline std::filesystem::path destination(const std::filesystem::path& path) {
  std::filesystem::path target = resolved(path);
  check<FileError>(target.has_filename(), "cannot write \"", path.native(),
                   "\": it names no file or directory");
  return target;
}

/// How the names of everything temporary that belongs to `target` begin. Cut, since a name has at most 255
/// bytes.
inline std::string temporary_prefix(const std::filesystem::path& target) {
  return str_cat(".", target.filename().string().substr(0, 180), ".minivit-");
}

/// A name beside `target` that no other process or time has used.
inline std::filesystem::path temporary_beside(const std::filesystem::path& target, std::string_view suffix) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return target.parent_path() / str_cat(temporary_prefix(target), ::getpid(), "-", now, suffix);
}

/// The entries of `folder` whose names begin with `prefix`, have `part` in them and end in `suffix`.
inline std::vector<std::filesystem::path> entries_named(const std::filesystem::path& folder,
                                                        std::string_view prefix, std::string_view part,
                                                        std::string_view suffix) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix) && name.find(part) != name.npos && name.ends_with(suffix))
      found.push_back(entry->path());
  }
  return found;
}

/// The entries beside `target` that are named like its temporaries and end in `suffix`.
inline std::vector<std::filesystem::path> temporaries_of(const std::filesystem::path& target,
                                                         std::string_view suffix) {
  return entries_named(target.parent_path(), temporary_prefix(target), "", suffix);
}

/// True if `path` still names what `fd` has open.
inline bool same_file(const FileDescriptor& fd, const std::filesystem::path& path) {
  struct stat opened {
  }, named{};
  return ::fstat(fd.get(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/// Removes those of these temporaries whose owners are dead. Never fails: it is only tidying.
inline void remove_stale(const std::vector<std::filesystem::path>& temporaries) {
  for (const auto& path : temporaries) {
    const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    // The owner holds the lock as long as it lives. It may just have renamed its work, hence the second
    // question.
    if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 || !same_file(fd, path)) continue;
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
}

/// Takes the lock that says "in use" for the new temporary `path`; false if another process, seeing it
/// unlocked for a moment, has tidied it away. File systems without locks are fine: nothing can be found stale
/// there either.
inline bool claim(const FileDescriptor& fd, const std::filesystem::path& path) {
  retried([&] { return ::flock(fd.get(), LOCK_EX); });
  return same_file(fd, path);
}

/// Renames a file unless something has the new name. Returns 0, or what went wrong: EEXIST for that.
inline int rename_to_new(const std::filesystem::path& from, const std::filesystem::path& to) {
#if defined(RENAME_NOREPLACE)
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
#endif
  // Some network file systems. A new empty file is ours alone, and ours may take its place.
  const FileDescriptor fresh(::open(to.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666));
  if (!fresh) return errno;
  if (::rename(from.c_str(), to.c_str()) == 0) return 0;
  const int error = errno;
  ::unlink(to.c_str());
  return error;
}

inline constexpr std::size_t kMaxWrite = std::size_t{1} << 30;  // in one call

}  // namespace detail

MINIVIT_INLINE AtomicFile::AtomicFile(const std::filesystem::path& path)
    : path_(path), target_(detail::destination(path)) {
  std::error_code error;
  const auto status = std::filesystem::status(target_, error);
  if (!error && !std::filesystem::is_regular_file(status) && std::filesystem::exists(status))
    fail("expected a regular file or nothing of that name, found something else");
  detail::remove_stale(detail::temporaries_of(target_, ".tmp"));
  do {
    temporary_ = detail::temporary_beside(target_, ".tmp");
    fd_ = detail::FileDescriptor(detail::retried(
        [&] { return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
    if (!fd_ && errno != EEXIST) fail(detail::reason(errno));
  } while (!fd_ || !detail::claim(fd_, temporary_));
}

MINIVIT_INLINE void AtomicFile::write(const void* data, std::size_t bytes) {
  check_open();
  const char* in = static_cast<const char*>(data);
  while (bytes > 0) {
    const std::size_t step = std::min(bytes, detail::kMaxWrite);
    const ssize_t n = detail::retried([&] { return ::write(fd_.get(), in, step); });
    if (n < 0) fail(detail::reason(errno));
    in += n;
    bytes -= static_cast<std::size_t>(n);
  }
}

MINIVIT_INLINE void AtomicFile::rewrite(std::uint64_t offset, std::string_view text) {
  check_open();
  while (!text.empty()) {
    const std::size_t step = std::min(text.size(), detail::kMaxWrite);
    const ssize_t n =
        detail::retried([&] { return ::pwrite(fd_.get(), text.data(), step, static_cast<off_t>(offset)); });
    if (n < 0) fail(detail::reason(errno));
    text.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

MINIVIT_INLINE void AtomicFile::commit() {
  check_open();
  if (const int error = detail::sync(fd_.get())) fail(detail::reason(error));
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(detail::reason(errno));
  finish(target_);
}

MINIVIT_INLINE bool AtomicFile::commit_new(const std::filesystem::path& path) {
  check_open();
  path_ = path;
  if (const int error = detail::sync(fd_.get())) fail(detail::reason(error));
  const int error = detail::rename_to_new(temporary_, path);
  if (error == EEXIST) return false;
  if (error != 0) fail(detail::reason(error));
  finish(path);
  return true;
}

MINIVIT_INLINE void AtomicFile::finish(const std::filesystem::path& renamed_to) {
  fd_.close();
  const int error = detail::sync(renamed_to.parent_path());
  check<FileError>(error == 0, "wrote ", path_.native(),
                   ", but cannot sync its directory: ", detail::reason(error));
}

MINIVIT_INLINE void AtomicFile::check_open() const {
  check<FileError>(bool(fd_), "cannot write ", path_.native(),
                   ": it was committed before, or an earlier write failed");
}

MINIVIT_INLINE void AtomicFile::discard() noexcept {
  if (!fd_) return;
  ::unlink(temporary_.c_str());
  fd_.close();
}

MINIVIT_INLINE void AtomicFile::fail(std::string_view why) {
  discard();  // so that nobody can commit a file with a hole
  std::error_code error;
  const bool earlier = std::filesystem::is_regular_file(target_, error);
  throw FileError(
      str_cat("cannot write ", path_.native(), ": ", why, earlier ? "; the earlier file is untouched" : ""));
}

MINIVIT_INLINE void write_file_atomically(const std::filesystem::path& path,
                                          std::span<const std::byte> content) {
  AtomicFile file(path);
  file.write(content.data(), content.size());
  file.commit();
}

MINIVIT_INLINE void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  write_file_atomically(path, std::as_bytes(std::span(content)));
}

MINIVIT_INLINE void remove_stale_temporaries(const std::filesystem::path& folder) {
  detail::remove_stale(detail::entries_named(folder, ".", ".minivit-", ".tmp"));
}

}  // namespace minivit::inline MINIVIT_ABI::io
#endif  // MINIVIT_DEFINITIONS
