// Image files, found in folders.
#include "images.hpp"

#include <algorithm>
#include <system_error>

#include "minivit/core/check.hpp"

namespace minivit::cli {

std::vector<std::filesystem::path> find_images(const std::vector<std::string>& names) {
  namespace fs = std::filesystem;
  const auto is_image = [](const fs::path& path) {
    std::string ending = path.extension().string();
    std::ranges::transform(ending, ending.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return ending == ".jpg" || ending == ".jpeg" || ending == ".png" || ending == ".bmp";
  };
  std::vector<fs::path> found;
  for (const fs::path name : names) {
    std::error_code error;
    if (!fs::is_directory(name, error)) {
      check<FileError>(fs::exists(name, error), name.string(), ": no such file or folder");
      found.push_back(name);
      continue;
    }
    std::vector<fs::path> inside;
    for (const auto& entry :
         fs::recursive_directory_iterator(name, fs::directory_options::skip_permission_denied, error))
      if (is_image(entry.path()) && !entry.is_directory(error)) inside.push_back(entry.path());
    check<FileError>(!error, name.string(), ": ", error.message());
    check<FileError>(!inside.empty(), name.string(), ": holds no images (.jpg, .jpeg, .png, .bmp)");
    std::ranges::sort(inside);
    found.insert(found.end(), inside.begin(), inside.end());
  }
  return found;
}

}  // namespace minivit::cli
