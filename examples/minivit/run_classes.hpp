// Classes of a run, as class_mapping.json keeps them, against those of the images that are there now.
#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace minivit::cli {

/// Writes class_mapping.json: the number of each class by its name. Throws FileError.
void write_class_mapping(const std::filesystem::path& run, std::span<const std::string> classes);

/// Throws FileError that names the classes which are new or gone since the run in this folder began. Without
/// a class_mapping.json there is nothing to compare.
void check_classes(const std::filesystem::path& run, std::span<const std::string> classes);

}  // namespace minivit::cli
