// Image files, found in folders.
#include "images.hpp"

#include <cstdio>
#include <iterator>
#include <system_error>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/data/image_formats.hpp"
#include "printable.hpp"
#include "user_path.hpp"

namespace minivit::cli {

namespace {

/// A line for each suffix.
std::vector<std::string> not_read(const std::filesystem::path& folder, const image::SuffixCounts& counts) {
  std::vector<std::string> lines;
  for (const auto& [suffix, count] : counts)
    lines.push_back(str_cat(folder.native(), ": ", count, " ", suffix, count == 1 ? " file is" : " files are",
                            " not read; convert ", count == 1 ? "it" : "them", " to .jpg or .png"));
  return lines;
}

}  // namespace

void say_line(const char* program, const std::string& line) {
  std::fprintf(stderr, "%s: %s\n", program, printable(line).c_str());
}

bool FoundImages::say(const char* program) const {
  for (const auto* lines : {&closed, &notes})
    for (const std::string& line : *lines) say_line(program, line);
  return !closed.empty();
}

FoundImages find_images(const std::vector<std::string>& names) {
  namespace fs = std::filesystem;
  FoundImages found;
  for (const std::string& typed : names) {
    const fs::path name = expand_home(typed);
    std::error_code error;
    if (!fs::is_directory(name, error)) {
      const bool there = fs::exists(name, error);
      check<FileError>(there, name.native(), ": ", error ? error.message() : "no such file or folder");
      found.paths.push_back(name);
      continue;
    }
    image::ImageFiles files = image::find_image_files(name);
    const std::vector<std::string> others = not_read(name, files.not_read);
    if (files.paths.empty()) {
      std::string why = str_cat(name.native(), ": holds no images (", image::detail::format_suffixes(), ")");
      for (const std::string& line : files.closed) why += str_cat("; ", line);
      for (const std::string& line : others) why += str_cat("; ", line);
      throw FileError(why);
    }
    found.notes.insert(found.notes.end(), others.begin(), others.end());
    std::ranges::move(files.paths, std::back_inserter(found.paths));
    std::ranges::move(files.closed, std::back_inserter(found.closed));
  }
  return found;
}

std::vector<std::string> left_out_of(const ImageFolder& images) {
  std::vector<std::string> lines = not_read(images.root(), images.not_read());
  if (images.beside() > 0)
    lines.push_back(str_cat(images.root().native(), ": ", images.beside(),
                            images.beside() == 1 ? " image lies" : " images lie",
                            " beside the folders of the classes and ",
                            images.beside() == 1 ? "belongs" : "belong", " to none of them"));
  return lines;
}

}  // namespace minivit::cli
