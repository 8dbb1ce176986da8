// A run folder in the hands of one process.
#pragma once

#include <filesystem>

#include "minivit/core/file.hpp"

namespace minivit::cli {

/// Says, on file systems without locks, who has the folder that it is in.
inline constexpr const char* kLockFile = ".minivit-lock";

/// Keeps a run folder for this process alone, as long as this object lives. A process that is killed lets
/// go, too. On file systems without locks kLockFile in the folder says who has it; one that a killed process
/// of this machine left is taken over.
class RunLock {
 public:
  /// Throws FileError if another process has it, or if that cannot be known.
  explicit RunLock(const std::filesystem::path& run);
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  ~RunLock();

 private:
  io::detail::FileDescriptor fd_;
  bool by_file_ = false;  // and not by the system
};

/// Whether a process has the run folder. Changes nothing in it, and keeps nobody else from asking.
bool in_use(const std::filesystem::path& run);

}  // namespace minivit::cli
