// The images that a program is given: files, and folders with all images in them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "minivit/data/image_folder.hpp"

namespace minivit::cli {

/// Images by name, and what there is to say of the folders that they are from.
struct FoundImages {
  std::vector<std::filesystem::path> paths;
  std::vector<std::string> closed;  ///< sub-folders that cannot be read, with the reason: exit code 1
  std::vector<std::string> notes;   ///< files that are left out on purpose

  /// Says both on standard error, behind the program's name. Returns true if something could not be read.
  bool say(const char* program) const;
};

/// Files as they are named, ~ as a home folder; of a folder all images below it, sorted, see
/// image::find_image_files. Throws FileError for a name that does not exist or a folder without images.
FoundImages find_images(const std::vector<std::string>& names);

/// Lines about files of a data set that are no samples: image files that are not read, by suffix, and images
/// beside the folders of the classes.
std::vector<std::string> left_out_of(const ImageFolder& images);

/// Says a line of `left_out_of` or of FoundImages on standard error, behind the program's name.
void say_line(const char* program, const std::string& line);

}  // namespace minivit::cli
