// TensorFlow's record file: u64 length | masked crc32c of it | data | masked crc32c of the data, little
// endian.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "minivit/core/file.hpp"
#include "minivit/experiment/crc32c.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A file of records that is only appended to. Every record is written in one piece, so that a process that
/// is killed leaves none half-written.
class EventFile {
 public:
  /// A new file, or, with keep > 0, an earlier one of which the first `keep` bytes stay. Throws FileError if
  /// it cannot be written, is shorter, or no record ends there.
  EventFile(std::filesystem::path path, std::uint64_t keep) : path_(std::move(path)), size_(keep) {
    if (keep > 0) check_boundary(keep);
    fd_ = detail::FileDescriptor(::open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
    if (!fd_ || !cut()) fail(errno);
  }

  /// Appends a record. Throws FileError; the file then ends with the record before.
  void append(std::string_view data) {
    const auto length = static_cast<std::uint64_t>(data.size());
    char head[12], tail[4];
    std::memcpy(head, &length, 8);
    put_crc(std::string_view(head, 8), head + 8);
    put_crc(data, tail);
    record_.assign(head, 12);
    record_ += data;
    record_.append(tail, 4);
    std::string_view rest = record_;
    while (!rest.empty()) {
      const ssize_t n = detail::retried([&] { return ::write(fd_.get(), rest.data(), rest.size()); });
      if (n < 0) {
        const int error = errno;
        cut();
        fail(error);
      }
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    size_ += record_.size();
  }

  /// Bytes so far.
  std::uint64_t size() const { return size_; }

  /// Forces it to the disk. Throws FileError.
  void sync() {
    if (const int error = detail::sync(fd_.get())) fail(error);
  }

 private:
  static void put_crc(std::string_view bytes, char* out) {
    const std::uint32_t crc = masked_crc32c(bytes);
    std::memcpy(out, &crc, 4);
  }

  void check_boundary(std::uint64_t keep) const {
    const InputFile file(path_);
    check<FileError>(file.size() >= keep, path_.string(), ": has ", file.size(), " bytes, expected at least ",
                     keep);
    std::uint64_t at = 0;
    while (at < keep) {
      std::uint64_t length = 0;
      check<FileError>(keep - at >= 16, path_.string(), ": no record ends at byte ", keep);
      file.read_at(at, &length, sizeof length);
      check<FileError>(length <= keep - at - 16, path_.string(), ": no record ends at byte ", keep);
      at += 16 + length;
    }
  }

  bool cut() {
    return ::ftruncate(fd_.get(), static_cast<off_t>(size_)) == 0 &&
           ::lseek(fd_.get(), static_cast<off_t>(size_), SEEK_SET) >= 0;
  }

  [[noreturn]] void fail(int error) const {
    throw FileError(concat("cannot write ", path_.string(), ": ", std::generic_category().message(error)));
  }

  std::filesystem::path path_;
  std::uint64_t size_;
  detail::FileDescriptor fd_;
  std::string record_;
};

}  // namespace minivit::inline MINIVIT_ABI
