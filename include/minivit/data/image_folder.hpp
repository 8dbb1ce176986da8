// Image folders: one sub-folder of images for each class, as a data set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "minivit/core/rng.hpp"
#include "minivit/data/dataset.hpp"
#include "minivit/data/image.hpp"
#include "minivit/data/transform.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace image::detail {
class ImageCache;
}

/// Settings of an ImageFolder.
struct ImageFolderOptions {
  /// The classes that there may be, in the order of their labels. Empty: those that are found.
  std::vector<std::string> classes{};
  /// Decoded images kept in memory, in bytes; 0: none.
  std::size_t cache_bytes = 0;
  /// Large JPEGs are decoded at a half, a quarter or an eighth of their size where the transform still finds
  /// pixels enough: much faster, and more of them fit into the cache, but not to the bit what the whole image
  /// gives. Off, so that evaluation is exact; for training. Without libjpeg nothing is reduced.
  bool fast_decode = false;
  /// Largest image that is decoded, in pixels: image::DecodeOptions::max_pixels. A larger JPEG is decoded at
  /// a part of its size, with or without fast_decode, where the transform still finds pixels enough; what is
  /// left cannot be decoded.
  std::int64_t max_pixels = image::kDefaultMaxPixels;
};

/// The data set of the images `root/class/**/*.{jpg,jpeg,png,bmp}` (the suffixes of image::image_formats(),
/// in upper or lower case). Labels number the classes in the order of their names (byte by byte); samples are
/// sorted by class, then by path. Hidden files and folders are ignored, linked folders are entered, each
/// folder once. The transform is any image::PlaneTransform. Copies share one cache. Satisfies
/// Dataset.
class ImageFolder {
 public:
  /// Looks for images; reads none of them. Throws FileError if `root` is no folder, cannot be read or holds
  /// no images, if a class holds none, if there is only one class and no list of classes was given, or if a
  /// class is not in that list (classes of the list that are not there are fine).
  explicit ImageFolder(std::filesystem::path root, image::Transform transform = Preprocess{},
                       ImageFolderOptions options = {});

  [[nodiscard]] std::size_t size() const noexcept { return paths_.size(); }

  /// (C, H, W), of the transform.
  [[nodiscard]] Shape sample_shape() const { return transform_.sample_shape(); }

  [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }
  [[nodiscard]] const image::Transform& transform() const noexcept { return transform_; }
  /// Names by label.
  [[nodiscard]] const std::vector<std::string>& classes() const noexcept { return classes_; }
  /// By sample.
  [[nodiscard]] const std::vector<int>& labels() const noexcept { return labels_; }
  /// By sample.
  [[nodiscard]] const std::vector<std::filesystem::path>& paths() const noexcept { return paths_; }
  [[nodiscard]] std::string name(std::size_t index) const { return paths_.at(index).native(); }

  /// Decodes sample `index`, transforms it into (C, H, W) at `out` and returns its label. Thread-safe.
  /// Throws FileError naming the file if it cannot be decoded, Error if there is no such sample.
  int load(std::size_t index, Rng& rng, float* out) const;

 private:
  void add_class(const std::filesystem::path& folder);

  // Decoded, for the draws that `rng` is about to make, and prepared by the transform.
  std::shared_ptr<const image::Decoded> load_image(std::size_t index, const Rng& rng) const;

  std::filesystem::path root_;
  image::Transform transform_;
  std::vector<std::string> classes_;
  std::vector<std::filesystem::path> paths_;
  std::vector<int> labels_;
  bool fast_decode_ = false;
  std::int64_t max_pixels_ = image::kDefaultMaxPixels;
  std::shared_ptr<image::detail::ImageCache> cache_;  // null: nothing is kept
};

static_assert(Dataset<ImageFolder>);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/data/image_cache.hpp"
#include "minivit/data/image_formats.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Entries of a folder without hidden ones, sorted by path. Throws FileError if it cannot be read.
inline std::vector<std::filesystem::path> visible_entries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (!it->path().filename().native().starts_with('.')) entries.push_back(it->path());
  check<FileError>(!error, folder.native(), ": cannot be read: ", error.message());
  std::ranges::sort(entries, {}, &std::filesystem::path::native);
  return entries;
}

/// Appends the images in `folder` and below. `seen` holds the folders entered so far: none is entered twice,
/// so that links may point anywhere.
inline void collect_images(const std::filesystem::path& folder, std::set<std::string>& seen,
                           std::vector<std::filesystem::path>& images) {
  std::error_code error;
  const auto real = std::filesystem::canonical(folder, error);
  check<FileError>(!error, folder.native(), ": cannot be read: ", error.message());
  if (!seen.insert(real.native()).second) return;
  for (const auto& entry : visible_entries(folder)) {
    if (std::filesystem::is_directory(entry, error))
      collect_images(entry, seen, images);
    else if (image::has_image_suffix(entry))
      images.push_back(entry);  // also what turns out to be unreadable: it is named when it is loaded
  }
}

}  // namespace detail

MINIVIT_INLINE ImageFolder::ImageFolder(std::filesystem::path root, image::Transform transform,
                                        ImageFolderOptions options)
    : root_(std::move(root)),
      transform_(std::move(transform)),
      classes_(std::move(options.classes)),
      fast_decode_(options.fast_decode),
      max_pixels_(options.max_pixels) {
  std::error_code error;
  check<FileError>(std::filesystem::is_directory(root_, error), root_.native(),
                   ": not a folder, expected one with a sub-folder of images for each class",
                   error ? str_cat(" (", error.message(), ")") : "");
  std::vector<std::filesystem::path> folders;
  for (auto& entry : detail::visible_entries(root_))
    if (std::filesystem::is_directory(entry, error)) folders.push_back(std::move(entry));
  check<FileError>(!folders.empty(), root_.native(), ": holds no folders, expected one for each class");

  const bool any_class = classes_.empty();
  check<FileError>(!any_class || folders.size() > 1, root_.native(), ": holds only the class \"",
                   folders.front().filename().string(), "\", expected at least two");
  if (any_class)
    for (const auto& folder : folders) classes_.push_back(folder.filename().string());
  for (const auto& folder : folders) add_class(folder);
  if (options.cache_bytes > 0) cache_ = std::make_shared<image::detail::ImageCache>(options.cache_bytes);
}

MINIVIT_INLINE int ImageFolder::load(std::size_t index, Rng& rng, float* out) const {
  check(index < size(), "ImageFolder: sample ", index, " of ", size());
  transform_.finish(*load_image(index, rng), rng, out);
  return labels_[index];
}

MINIVIT_INLINE void ImageFolder::add_class(const std::filesystem::path& folder) {
  const auto known = std::find(classes_.begin(), classes_.end(), folder.filename().string());
  check<FileError>(known != classes_.end(), folder.native(), ": class \"", folder.filename().string(),
                   "\" is not among the ", classes_.size(),
                   " known classes; remove the folder or train with it");
  std::set<std::string> seen;
  std::vector<std::filesystem::path> images;
  detail::collect_images(folder, seen, images);
  check<FileError>(!images.empty(), folder.native(), ": class \"", folder.filename().string(),
                   "\" holds no images (", image::detail::format_suffixes(),
                   "); add some or remove the folder");
  std::ranges::sort(images, {}, &std::filesystem::path::native);
  for (auto& image : images) {
    paths_.push_back(std::move(image));
    labels_.push_back(static_cast<int>(known - classes_.begin()));
  }
}

MINIVIT_INLINE std::shared_ptr<const image::Decoded> ImageFolder::load_image(std::size_t index,
                                                                             const Rng& rng) const {
  const auto reduction = [&](int width, int height) {
    const bool reduced = fast_decode_ || std::int64_t{width} * height > max_pixels_;
    return reduced ? transform_.decode_reduction(width, height, rng) : 1;
  };
  if (cache_)
    if (auto kept = cache_->find(index, reduction)) return kept;
  auto loaded = std::make_shared<image::Decoded>();
  try {
    *loaded = decode_image(
        paths_[index],
        DecodeOptions{.choose = reduction, .choose_if_too_large = reduction, .max_pixels = max_pixels_});
    transform_.prepare(*loaded);
  } catch (const ShapeError& error) {  // a property of this file, so this sample alone is at fault
    throw FileError(str_cat(paths_[index].native(), ": ", error.what()));
  }
  if (cache_) cache_->keep(index, loaded);
  return loaded;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
