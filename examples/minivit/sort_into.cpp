// Copies of images and links to them, by class.
#include "sort_into.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "escaped.hpp"
#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/core/utf8.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

/// A label as the name of a folder.
std::string folder_name(std::string_view label) {
  constexpr std::size_t kLongest = 200;  // bytes; a name may have 255
  std::string name;
  while (!label.empty()) {
    const std::size_t length = detail::utf8_length(label);
    const std::string_view c = label.substr(0, std::max<std::size_t>(length, 1));
    if (name.size() + c.size() > kLongest) break;
    if (length == 0 || c == "/" || detail::steers_terminal(c) || (c == "." && name.empty()))
      name += '_';  // also at the front, where a dot would hide it
    else
      name += c;
    label.remove_prefix(c.size());
  }
  return name.empty() ? "_" : name;
}

bool same_content(const fs::path& a, const fs::path& b) {
  std::error_code error;
  if (fs::file_size(a, error) != fs::file_size(b, error) || error) return false;
  std::ifstream one(a, std::ios::binary), two(b, std::ios::binary);
  std::string x(65536, '\0'), y(65536, '\0');
  while (one && two) {
    one.read(x.data(), static_cast<std::streamsize>(x.size()));
    two.read(y.data(), static_cast<std::streamsize>(y.size()));
    if (one.gcount() != two.gcount() ||
        std::memcmp(x.data(), y.data(), static_cast<std::size_t>(one.gcount())) != 0)
      return false;
  }
  return one.eof() && two.eof();
}

[[noreturn]] void fail(const fs::path& path, int error) {
  throw FileError(str_cat("cannot write ", path.native(), ": ", io::detail::reason(error)));
}

/// Renames a file unless something has the new name; returns whether it did.
bool rename_to_new(const fs::path& from, const fs::path& to) {
#if defined(RENAME_NOREPLACE)
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
  if (errno != EINVAL && errno != ENOSYS) fail(to, errno);
#endif
  // Some network file systems. A new empty file is ours alone, and ours may take its place.
  const io::detail::FileDescriptor fresh(::open(to.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666));
  if (!fresh) {
    if (errno == EEXIST) return false;
    fail(to, errno);
  }
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    ::unlink(to.c_str());
    fail(to, error);
  }
  return true;
}

/// A file that is removed at the end unless it was renamed.
struct Temporary {
  fs::path path;
  ~Temporary() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
};

}  // namespace

ImageSorter::ImageSorter(fs::path folder, const std::vector<std::string>& labels, bool link)
    : folder_(std::move(folder)), link_(link) {
  std::map<std::string, int> count;
  for (const std::string& label : labels) ++count[folder_name(label)];
  std::set<std::string> taken;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    std::string name = folder_name(labels[i]);
    if (count[name] > 1) name += str_cat('_', i);
    while (!taken.insert(name).second) name += str_cat('_', i);
    names_.push_back(std::move(name));
  }
}

void ImageSorter::put(const fs::path& image, std::size_t label) {
  const fs::path into = folder_ / names_.at(label);
  std::error_code error;
  fs::create_directories(into, error);
  check<FileError>(!error, "cannot make the folder ", into.native(), ": ", error.message());
  const fs::path source = fs::absolute(image, error).lexically_normal();
  check<FileError>(!error, image.native(), ": ", error.message());
  const Temporary temporary{link_ ? fs::path() : into / str_cat(".minivit-", ::getpid(), ".tmp")};
  if (!link_) {
    fs::copy_file(source, temporary.path, fs::copy_options::overwrite_existing, error);
    check<FileError>(!error, "cannot copy ", image.native(), " to ", into.native(), ": ", error.message());
  }
  for (int i = 1;; ++i) {
    const fs::path to =
        into / (i == 1 ? source.filename().native()
                       : str_cat(source.stem().native(), '_', i, source.extension().native()));
    if (link_ ? ::symlink(source.c_str(), to.c_str()) == 0 : rename_to_new(temporary.path, to)) break;
    if (link_ && errno != EEXIST) fail(to, errno);
    const bool there = link_ ? fs::read_symlink(to, error) == source : same_content(temporary.path, to);
    if (there) break;
  }
  ++count_;
}

}  // namespace minivit::cli
