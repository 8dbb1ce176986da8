// The images that a program is given: files, and folders with all images in them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace minivit::cli {

/// Files as they are named; of a folder all images below it, sorted. Throws FileError for a name
/// that does not exist or a folder without images.
std::vector<std::filesystem::path> find_images(const std::vector<std::string>& names);

}  // namespace minivit::cli
