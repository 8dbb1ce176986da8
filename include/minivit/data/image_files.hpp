// The image files in folders and below them, by the same rules for everything that looks for images.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// Image files of formats that are not read: how many, by suffix in lower case (".jxl").
using SuffixCounts = std::map<std::string, std::size_t>;

/// What is in one folder and below it.
struct ImageFiles {
  /// Files with a suffix of image_formats(), sorted byte by byte.
  std::vector<std::filesystem::path> paths;
  /// Other image files.
  SuffixCounts not_read;
  /// What could not be looked into, each with the reason: "photos/x: cannot be read: Permission denied".
  std::vector<std::string> closed;
};

/// True if files and folders of this name are passed over: hidden ones (._photo.jpg, .ipynb_checkpoints) and
/// what systems leave behind (__MACOSX, Thumbs.db, @eaDir, …).
[[nodiscard]] bool is_passed_over(std::string_view name);

/// What is in each of `folders` and below it. Linked folders are entered. A folder is entered once, whatever
/// its names, and for the nearest of `folders`: for the one that it is, then for one that it is inside of,
/// then for one that links to it. A link to a folder that it is itself below, or that `folders` are below, is
/// not followed: what is there belongs to others. Throws nothing but std::bad_alloc; see ImageFiles::closed.
[[nodiscard]] std::vector<ImageFiles> find_image_files(std::span<const std::filesystem::path> folders);

/// What is in one folder and below it.
[[nodiscard]] ImageFiles find_image_files(const std::filesystem::path& folder);

/// The folders in `folder` that are not passed over, linked ones included, sorted byte by byte. Throws
/// FileError if it cannot be read.
[[nodiscard]] std::vector<std::filesystem::path> visible_folders(const std::filesystem::path& folder);

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/data/image_formats.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// The entries of a folder that are not passed over, sorted by name; `error` if it cannot be read.
inline std::vector<std::filesystem::directory_entry> visible_entries(const std::filesystem::path& folder,
                                                                     std::error_code& error) {
  std::vector<std::filesystem::directory_entry> entries;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (!is_passed_over(it->path().filename().native())) entries.push_back(*it);
  std::ranges::sort(entries, {},
                    [](const auto& entry) -> const std::string& { return entry.path().native(); });
  return entries;
}

inline std::string cannot_be_read(const std::filesystem::path& path, const std::error_code& error) {
  return str_cat(path.native(), ": cannot be read: ", error.message());
}

/// Looks through folders: first those that are really there, then by way of ever more links.
class ImageFinder {
 public:
  explicit ImageFinder(std::span<const std::filesystem::path> folders) : found_(folders.size()) {
    std::vector<std::filesystem::path> real(folders.size());
    for (std::size_t i = 0; i < folders.size(); ++i) {
      std::error_code error;
      real[i] = std::filesystem::canonical(folders[i], error);
      if (error) {
        found_[i].closed.push_back(cannot_be_read(folders[i], error));
      } else {
        tops_.push_back(real[i]);
        if (!seen_.insert(real[i].native()).second) real[i].clear();  // another of them is this very folder
      }
    }
    for (std::size_t i = 0; i < folders.size(); ++i)
      if (!real[i].empty()) enter({folders[i], real[i], i});
    while (!links_.empty()) {
      const std::vector<Folder> links = std::exchange(links_, {});
      for (const Folder& link : links) follow(link);
    }
    for (ImageFiles& files : found_) std::ranges::sort(files.paths, {}, &std::filesystem::path::native);
  }

  std::vector<ImageFiles> take() { return std::move(found_); }

 private:
  struct Folder {
    std::filesystem::path path, real;  // of a link: where the link is
    std::size_t owner;
  };

  void enter(const Folder& folder) {
    ImageFiles& files = found_[folder.owner];
    std::error_code error;
    const auto entries = visible_entries(folder.path, error);
    if (error) return files.closed.push_back(cannot_be_read(folder.path, error));
    for (const auto& entry : entries) {
      std::error_code ignored;
      const bool directory = entry.is_directory(error), link = entry.is_symlink(ignored);
      if (directory && link) {
        links_.push_back({entry.path(), folder.real, folder.owner});
      } else if (directory) {
        Folder below{entry.path(), folder.real / entry.path().filename(), folder.owner};
        if (seen_.insert(below.real.native()).second) enter(below);
      } else if (has_image_suffix(entry.path())) {
        files.paths.push_back(entry.path());  // also what turns out to be unreadable: it is named then
      } else if (has_unread_image_suffix(entry.path())) {
        ++files.not_read[lower_suffix(entry.path())];
      } else if (link && error && error != std::errc::no_such_file_or_directory &&
                 error != std::errc::too_many_symbolic_link_levels) {
        files.closed.push_back(cannot_be_read(entry.path(), error));  // perhaps a folder
      }
    }
  }

  void follow(const Folder& link) {
    std::error_code error;
    const auto real = std::filesystem::canonical(link.path, error);
    if (error) return found_[link.owner].closed.push_back(cannot_be_read(link.path, error));
    const auto is_above = [&](const std::filesystem::path& below) {
      return std::mismatch(real.begin(), real.end(), below.begin(), below.end()).first == real.end();
    };
    if (is_above(link.real) || std::ranges::any_of(tops_, is_above)) return;
    if (seen_.insert(real.native()).second) enter({link.path, real, link.owner});
  }

  std::vector<ImageFiles> found_;
  std::vector<std::filesystem::path> tops_;  // the folders that were asked for, without links
  std::set<std::string> seen_;
  std::vector<Folder> links_;  // to be followed
};

}  // namespace detail

MINIVIT_INLINE bool is_passed_over(std::string_view name) {
  constexpr std::string_view kLeftBehind[] = {"__MACOSX",  "Thumbs.db",    "desktop.ini",
                                              "@eaDir",    "$RECYCLE.BIN", "System Volume Information",
                                              "lost+found"};
  return name.starts_with('.') || std::ranges::find(kLeftBehind, name) != std::end(kLeftBehind);
}

MINIVIT_INLINE std::vector<ImageFiles> find_image_files(std::span<const std::filesystem::path> folders) {
  return detail::ImageFinder(folders).take();
}

MINIVIT_INLINE ImageFiles find_image_files(const std::filesystem::path& folder) {
  return std::move(find_image_files(std::span(&folder, 1))[0]);
}

MINIVIT_INLINE std::vector<std::filesystem::path> visible_folders(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> folders;
  const auto entries = detail::visible_entries(folder, error);
  check<FileError>(!error, detail::cannot_be_read(folder, error));
  for (const auto& entry : entries)
    if (entry.is_directory(error)) folders.push_back(entry.path());
  return folders;
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
