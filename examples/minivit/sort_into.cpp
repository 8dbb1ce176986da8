// Copies of images and links to them, by class.
#include "sort_into.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "escaped.hpp"
#include "minivit/core/atomic_file.hpp"
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

/// The content of a file, some of it at a time.
void copy(const fs::path& source, io::AtomicFile& out) {
  const auto fail = [&](int error) {
    throw FileError(str_cat("cannot read ", source.native(), ": ", std::strerror(error)));
  };
  const io::detail::FileDescriptor in(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) fail(errno);
  std::string piece(65536, '\0');
  for (;;) {
    const ssize_t n = io::detail::retried([&] { return ::read(in.get(), piece.data(), piece.size()); });
    if (n < 0) fail(errno);
    if (n == 0) return;
    out.write(piece.data(), static_cast<std::size_t>(n));
  }
}

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

void check_sort_into(const fs::path& into, std::span<const std::string> names) {
  std::error_code error;
  check<ConfigError>(!fs::exists(into, error) || fs::is_directory(into, error), "--sort-into ", into.native(),
                     ": is a file, expected a folder, which may be new");
  const fs::path target = fs::weakly_canonical(into, error);
  for (const std::string& name : names) {
    if (!fs::is_directory(name, error)) continue;
    const fs::path source = fs::weakly_canonical(name, error);
    const fs::path below = target.lexically_relative(source);
    check<ConfigError>(
        error || below.empty() || *below.begin() == "..", "--sort-into ", into.native(),
        ": is in the folder ", name,
        " whose images are sorted, so the next time they would be found twice; choose a folder "
        "beside it");
  }
}

void ImageSorter::put(const fs::path& image, std::size_t label) {
  const fs::path into = folder_ / names_.at(label);
  std::error_code error;
  fs::create_directories(into, error);
  check<FileError>(!error, "cannot make the folder ", into.native(), ": ", error.message());
  const fs::path source = fs::absolute(image, error).lexically_normal();
  check<FileError>(!error, image.native(), ": ", error.message());
  // Beside the folders of the classes, where an earlier one that a kill left is soon found.
  std::optional<io::AtomicFile> copied;
  if (!link_) copy(source, copied.emplace(folder_ / ".image"));
  for (int i = 1;; ++i) {
    const fs::path to =
        into / (i == 1 ? source.filename().native()
                       : str_cat(source.stem().native(), '_', i, source.extension().native()));
    if (link_ ? ::symlink(source.c_str(), to.c_str()) == 0 : copied->commit_new(to)) break;
    check<FileError>(!link_ || errno == EEXIST, "cannot write ", to.native(), ": ", std::strerror(errno));
    if (same_content(source, to)) break;  // it is there already
  }
  ++count_;
}

}  // namespace minivit::cli
