// Runs moved to the bin.
#include "run_bin.hpp"

#include <stdio.h>

#include <cerrno>
#include <list>
#include <system_error>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "run_folder.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

/// Absolute and without links, . and .. in the folders above it; a link to a run stays one.
fs::path resolved(const fs::path& path) {
  std::error_code error;
  fs::path p = fs::absolute(path, error).lexically_normal();
  if (!p.has_filename()) p = p.parent_path();
  const fs::path above = fs::canonical(p.parent_path(), error);
  return error ? p : above / p.filename();
}

/// The root that `folder` lies in, else the folder above it.
fs::path root_of(const fs::path& folder, std::span<const fs::path> roots) {
  for (const fs::path& root : roots) {
    std::error_code error;
    const fs::path real = fs::canonical(root, error);
    if (error || real == folder) continue;
    const fs::path relative = folder.lexically_relative(real);
    if (!relative.empty() && *relative.begin() != "..") return real;
  }
  return folder.parent_path();
}

/// For file systems in layers, where a folder of a lower one cannot be renamed: a copy takes its place.
void copy_and_remove(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  if (error) {
    std::error_code ignored;
    fs::remove_all(to, ignored);
    throw FileError(str_cat("cannot copy ", from.native(), " to ", to.native(), ": ", error.message()));
  }
  for (const auto& entry : fs::recursive_directory_iterator(to, error))
    if (entry.path().filename() == kLockFile) fs::remove(entry.path(), error);
  fs::remove_all(from, error);
  check<FileError>(!error, "copied ", from.native(), " to ", to.native(),
                   ", but cannot remove it: ", error.message());
}

}  // namespace

fs::path move_to_bin(const fs::path& folder, std::span<const fs::path> roots) {
  const fs::path from = resolved(folder);
  std::error_code error;
  check<FileError>(fs::is_directory(from, error), folder.native(), ": no such folder");
  // Of a sweep every job: none may be training.
  std::list<RunLock> locks;
  locks.emplace_back(from);
  for (const auto& entry : fs::directory_iterator(from, error))
    if (fs::exists(entry.path() / "config.yaml", error)) locks.emplace_back(entry.path());
  const fs::path root = root_of(from, roots);
  const fs::path to = root / kBin / from.lexically_relative(root);
  fs::create_directories(to.parent_path(), error);
  check<FileError>(!error, "cannot make the folder ", to.parent_path().native(), ": ", error.message());
  for (int i = 1;; ++i) {
    fs::path free = to;
    if (i > 1) free += str_cat('_', i);
    if (fs::exists(fs::symlink_status(free, error))) continue;
    if (::rename(from.c_str(), free.c_str()) == 0) return free;
    if (errno == EEXIST || errno == ENOTEMPTY) continue;
    check<FileError>(errno == EXDEV, "cannot move ", from.native(), " to ", free.native(), ": ",
                     io::detail::reason(errno));
    copy_and_remove(from, free);
    return free;
  }
}

}  // namespace minivit::cli
