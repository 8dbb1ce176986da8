// A file of records that grows while it is read, in TensorFlow's format (TFRecord).
//
// Each record: its length (8 bytes, little-endian), the masked CRC-32C of these 8 bytes, the data, the masked
// CRC-32C of the data. A reader can tell a record that is not complete yet and looks again later.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/io/crc32c.hpp"

namespace minivit::inline MINIVIT_ABI::io {

/// Appends records to a file. Each goes to the system in one piece as it comes, so that a kill loses none;
/// a write that fails, for example on a full disk, leaves none half-written. Holds a lock: a file has one
/// writer.
class RecordFile {
 public:
  /// Makes the empty file `path`. Throws FileError if it is there already or cannot be made.
  static RecordFile create(const std::filesystem::path& path) {
    RecordFile file(path, O_CREAT | O_EXCL);
    // The name is to survive a power cut as well as what `sync` writes.
    if (const int error = detail::sync(path.has_parent_path() ? path.parent_path() : "."))
      file.fail(detail::reason(error));
    return file;
  }

  /// Opens `path` to go on behind its first `size` bytes; what follows them, records that are taken back or
  /// one that a power cut has torn, is removed. Reads the file up to there: throws FileError, and changes
  /// nothing, if it is shorter, if no record ends at `size`, if a record before it is damaged, if another
  /// process writes the file, or if it cannot be read and written.
  static RecordFile resume(const std::filesystem::path& path, std::uint64_t size) {
    RecordFile file(path, 0);
    file.check_records(size);
    file.size_ = size;
    file.cut();
    return file;
  }

  const std::filesystem::path& path() const { return path_; }

  /// Bytes written so far; a record ends there.
  std::uint64_t size() const { return size_; }

  /// Appends a record. Throws FileError if it cannot be written; the file is then as it was before.
  void append(std::string_view data) {
    if (torn_) cut();
    record_.clear();
    put(data.size(), 8);
    put(masked_crc(crc32c(record_)), 4);
    record_ += data;
    put(masked_crc(crc32c(data)), 4);

    std::string_view rest = record_;
    while (!rest.empty()) {  // once, but for the disk that is full in the middle, which says so at the second
      const ssize_t n = detail::retried([&] { return ::write(fd_.get(), rest.data(), rest.size()); });
      if (n < 0) {
        const int error = errno;
        torn_ = rest.size() < record_.size();
        if (torn_ && ::ftruncate(fd_.get(), static_cast<off_t>(size_)) == 0) torn_ = false;
        fail(detail::reason(error));
      }
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    size_ += record_.size();
  }

  /// Forces what was written to the disk. Throws FileError if that fails.
  void sync() {
    if (detail::retried([&] { return ::fdatasync(fd_.get()); }) != 0 && errno != EINVAL)
      fail(detail::reason(errno));
  }

 private:
  RecordFile(const std::filesystem::path& path, int flags)
      : path_(path),
        fd_(detail::retried([&] {  // non-blocking, since opening a pipe that nobody reads would wait for ever
          return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags, 0666);
        })) {
    if (!fd_) fail(detail::reason(errno));
    // File systems without locks do without.
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      fail("another process is writing it; wait for its end");
  }

  void put(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) record_ += static_cast<char>(value >> (8 * i) & 0xFF);
  }

  void cut() {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) fail(detail::reason(errno));
    torn_ = false;
  }

  /// Goes through the records up to `end`, where one must end.
  void check_records(std::uint64_t end) const {
    const InputFile file(path_);
    check<FileError>(file.size() >= end, "cannot go on with ", path_.string(), ": it has ", file.size(),
                     " bytes, at least ", end,
                     " were expected; it was cut or replaced since its size was noted");
    std::uint64_t at = 0;
    while (at < end) {
      char head[12];
      check_end(at, end, sizeof head);
      file.read_at(at, head, sizeof head);
      check_crc(at, crc32c({head, 8}), head + 8);
      const std::uint64_t length = number(head, 8);
      check_end(at, end, length);
      check_end(at, end, length + 16);
      std::uint32_t crc = 0;
      char buffer[16384];
      for (std::uint64_t done = 0; done < length;) {
        const std::size_t step =
            static_cast<std::size_t>(std::min<std::uint64_t>(sizeof buffer, length - done));
        file.read_at(at + 12 + done, buffer, step);
        crc = crc32c({buffer, step}, crc);
        done += step;
      }
      file.read_at(at + 12 + length, buffer, 4);
      check_crc(at, crc, buffer);
      at += length + 16;
    }
  }

  void check_end(std::uint64_t at, std::uint64_t end, std::uint64_t bytes) const {
    check<FileError>(bytes <= end - at, "cannot go on with ", path_.string(), " at byte ", end,
                     ": no record ends there, the last one before ends at byte ", at,
                     "; the size is that of another file");
  }

  void check_crc(std::uint64_t at, std::uint32_t crc, const char* stored) const {
    check<FileError>(masked_crc(crc) == number(stored, 4), "cannot go on with ", path_.string(),
                     ": the record at byte ", at, " is damaged, its checksum is wrong");
  }

  static std::uint64_t number(const char* bytes, int count) {
    std::uint64_t value = 0;
    for (int i = 0; i < count; ++i)
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return value;
  }

  [[noreturn]] void fail(std::string_view why) const {
    throw FileError(str_cat("cannot write ", path_.string(), ": ", why,
                            size_ > 0 ? "; the records before are untouched" : ""));
  }

  std::filesystem::path path_;
  detail::FileDescriptor fd_;
  std::uint64_t size_ = 0;
  std::string record_;  // kept for its memory
  bool torn_ = false;   // part of a record could not be taken back
};

}  // namespace minivit::inline MINIVIT_ABI::io
