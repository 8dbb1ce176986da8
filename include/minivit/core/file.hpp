// Open files: closed at their end, read as they are asked for, forced to the disk. POSIX only.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A file that the system does not open or read: no permission, an error of the disk, too many open files, no
/// memory. It says nothing about what is in the file, and may be over when it is tried again.
struct AccessError : FileError {
  using FileError::FileError;
};

}  // namespace minivit::inline MINIVIT_ABI

namespace minivit::inline MINIVIT_ABI::io {

namespace detail {

/// The system's words for an error number, for example "No space left on device".
[[nodiscard]] std::string reason(int error);

/// Owns an open file; closes it at its end.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() { close(); }

  explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int get() const noexcept { return fd_; }
  void close() noexcept;

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

/// Forces a file's content, or a directory's list of names, to the disk. Returns 0 or the error number.
int sync(int fd);
int sync(const std::filesystem::path& path);

}  // namespace detail

/// A regular file opened for reading at any position. Reading is thread-safe.
class InputFile {
 public:
  /// Throws AccessError if the file cannot be opened, FileError if it is a link to nothing or no regular file
  /// (a directory, a pipe, a device).
  explicit InputFile(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// Bytes in the file when it was opened.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// Reads exactly `bytes` bytes from position `offset` on. Throws AccessError if the system does not read
  /// them, FileError if they are not there because the file has become shorter since it was opened.
  void read_at(std::uint64_t offset, void* into, std::size_t bytes) const;

 private:
  template <class E = FileError>
  [[noreturn]] void fail(std::string_view why) const {
    throw E(str_cat("cannot read ", path_.native(), ": ", why));
  }

  std::filesystem::path path_;
  detail::FileDescriptor fd_;
  std::uint64_t size_ = 0;
};

/// The content of a regular file of at most `max_bytes` bytes. Throws FileError if it cannot be read or is
/// larger.
[[nodiscard]] std::string read_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace minivit::inline MINIVIT_ABI::io

#if MINIVIT_DEFINITIONS
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace minivit::inline MINIVIT_ABI::io {

namespace detail {

static_assert(sizeof(off_t) == 8,
              "files over 2 GiB need 64-bit offsets: compile with -D_FILE_OFFSET_BITS=64");

MINIVIT_INLINE std::string reason(int error) {
  return std::error_code(error, std::generic_category()).message();
}

MINIVIT_INLINE void FileDescriptor::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

MINIVIT_INLINE int sync(int fd) {
  if (retried([&] { return ::fsync(fd); }) == 0) return 0;
  // This kind of file, or file system, has nothing to sync.
  return errno == EINVAL || errno == ENOTSUP || errno == ENOSYS ? 0 : errno;
}

MINIVIT_INLINE int sync(const std::filesystem::path& path) {
  const FileDescriptor fd(retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW); }));
  return fd ? sync(fd.get()) : errno;
}

}  // namespace detail

MINIVIT_INLINE InputFile::InputFile(const std::filesystem::path& path) : path_(path) {
  // Non-blocking, since opening a pipe that nobody writes to would wait for ever.
  fd_ = detail::FileDescriptor(
      detail::retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
  struct stat status {};
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) {
    const int error = errno;
    const bool by_link = (error == ENOENT || error == ELOOP) && ::lstat(path.c_str(), &status) == 0;
    by_link ? fail(detail::reason(error)) : fail<AccessError>(detail::reason(error));
  }
  if (S_ISDIR(status.st_mode)) fail("expected a file, found a directory");
  if (!S_ISREG(status.st_mode)) fail("expected a regular file, found a device, pipe or socket");
  size_ = static_cast<std::uint64_t>(status.st_size);
}

MINIVIT_INLINE void InputFile::read_at(std::uint64_t offset, void* into, std::size_t bytes) const {
  constexpr std::size_t kMaxStep = std::size_t{1} << 30;  // Linux moves at most 2 GiB - 4 KiB at a time
  char* out = static_cast<char*>(into);
  while (bytes > 0) {
    const std::size_t step = std::min(bytes, kMaxStep);
    const ssize_t n =
        detail::retried([&] { return ::pread(fd_.get(), out, step, static_cast<off_t>(offset)); });
    if (n < 0) fail<AccessError>(detail::reason(errno));
    if (n == 0) fail(str_cat("it ends at byte ", offset, ", ", bytes, " more were expected"));
    out += n;
    offset += static_cast<std::uint64_t>(n);
    bytes -= static_cast<std::size_t>(n);
  }
}

MINIVIT_INLINE std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const InputFile file(path);
  check<FileError>(file.size() <= max_bytes, "cannot read ", path.native(), ": it has ", file.size(),
                   " bytes, at most ", max_bytes, " are accepted");
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read_at(0, text.data(), text.size());
  return text;
}

}  // namespace minivit::inline MINIVIT_ABI::io
#endif  // MINIVIT_DEFINITIONS
