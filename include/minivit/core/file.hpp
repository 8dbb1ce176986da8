// Files and folders that are either the old ones or the new ones, never half of each.
//
// New content is written beside its destination under a temporary name, forced to the disk, and takes its
// place by one rename. A full disk, an error or a kill in between leaves what was there before. POSIX only.
//
// What a kill can leave behind is a hidden entry `.NAME.minivit-PID-TIME.tmp` beside NAME. The next
// AtomicFile or AtomicFolder for the same NAME removes it. Whether its owner still lives is asked through a
// lock that the system drops with the process: unlike a test of the process number this also holds between
// containers that share a folder.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

static_assert(sizeof(off_t) == 8,
              "files over 2 GiB need 64-bit offsets: compile with -D_FILE_OFFSET_BITS=64");

/// The system's words for an error number, for example "No space left on device".
inline std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

/// Owns an open file; closes it at its end.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() { close(); }

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

/// Calls `call` again as long as a signal interrupts it.
template <class Call>
auto retried(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace detail

/// A regular file opened for reading at any position. Reading is thread-safe.
class InputFile {
 public:
  /// Throws FileError if the file cannot be opened or is not a regular file (a folder, a pipe, a device).
  explicit InputFile(const std::filesystem::path& path) : path_(path) {
    // Non-blocking, since opening a pipe that nobody writes to would wait for ever.
    fd_ = detail::FileDescriptor(
        detail::retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
    struct stat status {};
    if (!fd_ || ::fstat(fd_.get(), &status) != 0) fail(detail::reason(errno));
    if (S_ISDIR(status.st_mode)) fail("expected a file, found a folder");
    if (!S_ISREG(status.st_mode)) fail("expected a regular file, found a device, pipe or socket");
    size_ = static_cast<std::uint64_t>(status.st_size);
  }

  const std::filesystem::path& path() const { return path_; }

  /// Bytes in the file when it was opened.
  std::uint64_t size() const { return size_; }

  /// Reads exactly `bytes` bytes from position `offset` on. Throws FileError if they cannot all be read, for
  /// example because the file has become shorter since it was opened.
  void read_at(std::uint64_t offset, void* into, std::size_t bytes) const {
    char* out = static_cast<char*>(into);
    while (bytes > 0) {
      const std::size_t step = std::min(bytes, kMaxStep);
      const ssize_t n =
          detail::retried([&] { return ::pread(fd_.get(), out, step, static_cast<off_t>(offset)); });
      if (n < 0) fail(detail::reason(errno));
      if (n == 0) fail(concat("it ends at byte ", offset, ", ", bytes, " more were expected"));
      out += n;
      offset += static_cast<std::uint64_t>(n);
      bytes -= static_cast<std::size_t>(n);
    }
  }

 private:
  static constexpr std::size_t kMaxStep = std::size_t{1}
                                          << 30;  // Linux moves at most 2 GiB - 4 KiB at a time

  [[noreturn]] void fail(std::string_view why) const {
    throw FileError(concat("cannot read ", path_.native(), ": ", why));
  }

  std::filesystem::path path_;
  detail::FileDescriptor fd_;
  std::uint64_t size_ = 0;
};

/// The content of a regular file of at most `max_bytes` bytes. Throws FileError if it cannot be read or is
/// larger.
inline std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const InputFile file(path);
  check<FileError>(file.size() <= max_bytes, "cannot read ", path.native(), ": it has ", file.size(),
                   " bytes, at most ", max_bytes, " are accepted");
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read_at(0, text.data(), text.size());
  return text;
}

namespace detail {

/// folder / name. Not inlined: joining paths is a lot of code wherever it happens.
[[gnu::noinline]] inline std::filesystem::path inside(const std::filesystem::path& folder,
                                                      std::string_view name) {
  return folder / name;
}

/// Where `path` leads: absolute, and through symbolic links, so that a link stays one and what it points to
/// is replaced.
inline std::filesystem::path destination(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path target = std::filesystem::canonical(path, error);
  if (error) target = std::filesystem::absolute(path, error);
  if (!target.has_filename()) target = target.parent_path();  // "runs/best/" is "runs/best"
  check<FileError>(target.has_filename(), "cannot write \"", path.native(), "\": it names no file or folder");
  return target;
}

/// How the names of everything temporary that belongs to `target` begin. Cut, since a name has at most 255
/// bytes.
inline std::string temporary_prefix(const std::filesystem::path& target) {
  const std::string_view path = target.native(), name = path.substr(path.rfind('/') + 1);
  return concat(".", name.substr(0, 180), ".minivit-");
}

/// A name beside `target` that no other process or time has used.
inline std::filesystem::path temporary_beside(const std::filesystem::path& target, std::string_view suffix) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return inside(target.parent_path(), concat(temporary_prefix(target), ::getpid(), "-", now, suffix));
}

/// The entries beside `target` that are named like its temporaries and end in `suffix`.
inline std::vector<std::string> temporaries_of(const std::filesystem::path& target, std::string_view suffix) {
  std::vector<std::string> found;
  const std::string prefix = temporary_prefix(target);
  const std::string folder = target.parent_path().string();
  struct Close {
    void operator()(DIR* entries) const { ::closedir(entries); }
  };
  const std::unique_ptr<DIR, Close> entries(::opendir(folder.c_str()));
  while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(prefix) && name.ends_with(suffix)) found.push_back(concat(folder, "/", name));
  }
  return found;
}

/// True if `path` still names what `fd` has open.
inline bool same_file(const FileDescriptor& fd, const std::string& path) {
  struct stat opened {
  }, named{};
  return ::fstat(fd.get(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/// Removes what killed processes left of earlier attempts to write `target`. Never fails: it is only tidying.
inline void remove_stale_temporaries(const std::filesystem::path& target) {
  for (const auto& path : temporaries_of(target, ".tmp")) {
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
inline bool claim(const FileDescriptor& fd, const std::string& path) {
  retried([&] { return ::flock(fd.get(), LOCK_EX); });
  return same_file(fd, path);
}

/// Forces a file's content, or a folder's list of names, to the disk. Returns 0 or the error number.
inline int sync(int fd) {
  if (retried([&] { return ::fsync(fd); }) == 0) return 0;
  return errno == EINVAL ? 0 : errno;  // EINVAL: this kind of file has nothing to sync
}

inline int sync(const std::filesystem::path& path) {
  const FileDescriptor fd(retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW); }));
  return fd ? sync(fd.get()) : errno;
}

}  // namespace detail

/// Writes a file under a temporary name and lets it take its place at `commit`. Without `commit`, and after
/// any failure, the temporary is removed and an earlier file is as it was.
class AtomicFile {
 public:
  /// path: a new or existing regular file in an existing folder; a symbolic link is followed. Throws
  /// FileError if something else is there or the folder cannot be written to.
  explicit AtomicFile(const std::filesystem::path& path) : path_(path), target_(detail::destination(path)) {
    std::error_code error;
    const auto status = std::filesystem::status(target_, error);
    if (!error && !std::filesystem::is_regular_file(status) && std::filesystem::exists(status))
      fail("expected a regular file or nothing of that name, found something else");
    detail::remove_stale_temporaries(target_);
    do {
      temporary_ = detail::temporary_beside(target_, ".tmp");
      fd_ = detail::FileDescriptor(detail::retried(
          [&] { return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
      if (!fd_ && errno != EEXIST) fail(detail::reason(errno));
    } while (!fd_ || !detail::claim(fd_, temporary_.native()));
  }

  AtomicFile(AtomicFile&&) = delete;
  ~AtomicFile() { discard(); }

  /// Appends `bytes` bytes. Throws FileError if they cannot be written.
  void write(const void* data, std::size_t bytes) {
    check_open();
    const char* in = static_cast<const char*>(data);
    while (bytes > 0) {
      const std::size_t step = std::min(bytes, kMaxStep);
      const ssize_t n = detail::retried([&] { return ::write(fd_.get(), in, step); });
      if (n < 0) fail(detail::reason(errno));
      in += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }
  void write(std::string_view text) { write(text.data(), text.size()); }

  /// Writes over what was written before, from byte `offset` on: a header that counts what follows it. What
  /// `write` appends goes on at the end. Throws FileError if it cannot be written.
  void rewrite(std::uint64_t offset, std::string_view text) {
    check_open();
    while (!text.empty()) {
      const ssize_t n = detail::retried([&] {
        return ::pwrite(fd_.get(), text.data(), std::min(text.size(), kMaxStep), static_cast<off_t>(offset));
      });
      if (n < 0) fail(detail::reason(errno));
      text.remove_prefix(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
  }

  /// Forces the file to the disk and renames it. Afterwards nothing more can be written. Throws FileError if
  /// it cannot.
  void commit() {
    check_open();
    if (const int error = detail::sync(fd_.get())) fail(detail::reason(error));
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(detail::reason(errno));
    fd_.close();
    const int error = detail::sync(target_.parent_path());
    check<FileError>(error == 0, "wrote ", path_.native(),
                     ", but cannot sync its folder: ", detail::reason(error));
  }

 private:
  static constexpr std::size_t kMaxStep = std::size_t{1} << 30;

  void check_open() const {
    check<FileError>(bool(fd_), "cannot write ", path_.native(),
                     ": it was committed before, or an earlier write failed");
  }

  void discard() {
    if (!fd_) return;
    ::unlink(temporary_.c_str());
    fd_.close();
  }

  [[noreturn]] void fail(std::string_view why) {
    discard();  // so that nobody can commit a file with a hole
    std::error_code error;
    const bool earlier = std::filesystem::is_regular_file(target_, error);
    throw FileError(
        concat("cannot write ", path_.native(), ": ", why, earlier ? "; the earlier file is untouched" : ""));
  }

  std::filesystem::path path_, target_, temporary_;
  detail::FileDescriptor fd_;
};

/// Makes `content` the content of the file `path`, see AtomicFile. Throws FileError.
inline void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> content) {
  AtomicFile file(path);
  file.write(content.data(), content.size());
  file.commit();
}
inline void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  write_file_atomically(path, std::as_bytes(std::span(content)));
}

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
    throw FileError(concat("cannot write ", folder_.native(), ": ", why,
                           earlier ? "; the earlier folder is untouched" : ""));
  }

  std::filesystem::path folder_, target_, temporary_;
  detail::FileDescriptor fd_;
};

}  // namespace minivit::inline MINIVIT_ABI
