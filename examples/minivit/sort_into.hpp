// Images sorted into a folder for each class.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace minivit::cli {

/// Throws ConfigError if `into` is no folder, or lies in one of the folders `names` whose images are to be
/// sorted.
void check_sort_into(const std::filesystem::path& into, std::span<const std::string> names);

/// Puts copies of images, or links to them, into `folder`/class. What is there is never overwritten: another
/// image of the same name gets _2, _3, … behind it, the same image again stays as it is.
class ImageSorter {
 public:
  /// labels: of the classes, by number. A label becomes the name of a folder: what such a name cannot have is
  /// replaced by _, and where two labels become one name their numbers follow.
  ImageSorter(std::filesystem::path folder, const std::vector<std::string>& labels, bool link);

  /// Throws FileError if it cannot.
  void put(const std::filesystem::path& image, std::size_t label);

  std::size_t count() const { return count_; }

 private:
  std::filesystem::path folder_;
  std::vector<std::string> names_;  // of the classes' folders
  bool link_;
  std::size_t count_ = 0;
};

}  // namespace minivit::cli
