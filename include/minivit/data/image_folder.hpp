// A folder of images, one sub-folder for each class.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/core/sort.hpp"
#include "minivit/data/dataset.hpp"
#include "minivit/data/image.hpp"
#include "minivit/data/image_formats.hpp"
#include "minivit/data/transform.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

inline void sort_paths(std::vector<std::filesystem::path>& paths) {
  stable_sort(paths, [](const auto& a, const auto& b) { return a.native() < b.native(); });
}

/// Entries of a folder without hidden ones, sorted by path. Throws FileError if it cannot be read.
inline std::vector<std::filesystem::path> visible_entries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (!it->path().filename().native().starts_with('.')) entries.push_back(it->path());
  check<FileError>(!error, folder.native(), ": cannot be read: ", error.message());
  sort_paths(entries);
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
    else if (has_image_suffix(entry))
      images.push_back(entry);  // also what turns out to be unreadable: it is named when it is loaded
  }
}

/// Decoded images kept in memory up to a limit, of one file perhaps several with different reductions: where
/// another one is needed than what is kept, the file is decoded again, so that a batch is the same with and
/// without a cache. (A half, a quarter and an eighth together are a third of the whole.) Thread-safe.
class ImageCache {
 public:
  explicit ImageCache(std::size_t limit) : room_(limit) {}

  /// Image `index` with the reduction that `choose` asks for, or nothing if that is not kept.
  std::shared_ptr<const Decoded> find(std::size_t index, const ChooseReduction& choose) const {
    std::shared_ptr<const Decoded> any;
    {
      const std::lock_guard lock(mutex_);
      const auto kept = images_.find(index);
      if (kept == images_.end()) return nullptr;
      any = kept->second.front();
    }
    const int wanted = any->reducible ? choose(any->width, any->height) : any->reduction;
    if (any->reduction == wanted) return any;
    const std::lock_guard lock(mutex_);
    for (const auto& image : images_.at(index))
      if (image->reduction == wanted) return image;
    return nullptr;
  }

  /// Keeps `image` if there is room.
  void keep(std::size_t index, const std::shared_ptr<const Decoded>& image) {
    const std::size_t bytes = image->image.pixels.size();
    const std::lock_guard lock(mutex_);
    if (bytes > room_) return;
    auto& kept = images_[index];
    for (const auto& other : kept)
      if (other->reduction == image->reduction) return;  // another thread was faster
    room_ -= bytes;
    kept.push_back(image);
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<std::shared_ptr<const Decoded>>> images_;
  std::size_t room_;
};

}  // namespace detail

/// What happens to an image once it is decoded.
using Transform = std::variant<Preprocess, TrainTransform>;

struct ImageFolderOptions {
  /// The classes that there may be, in the order of their labels. Empty: those that are found.
  std::vector<std::string> classes{};
  /// Decoded images kept in memory, in bytes; 0: none.
  std::size_t cache_bytes = 0;
  /// Large JPEGs are decoded at a half, a quarter or an eighth of their size where the transform still finds
  /// pixels enough: much faster, and more of them fit into the cache, but not to the bit what the whole image
  /// gives. Off, so that evaluation is exact; for training. Without libjpeg nothing is reduced.
  bool fast_decode = false;
};

/// The data set of the images `root/class/**/*.{jpg,jpeg,png,bmp}` (upper or lower case). Labels number the
/// classes in the order of their names (byte by byte); samples are sorted by class, then by path. Hidden
/// files and folders are ignored, linked folders are entered, each folder once. Satisfies Dataset.
class ImageFolder {
 public:
  /// Looks for images; reads none of them. Throws FileError if `root` is no folder, cannot be read or holds
  /// no images, if a class holds none, if there is only one class and no list of classes was given, or if a
  /// class is not in that list (classes of the list that are not there are fine). Throws ConfigError for
  /// invalid settings of the transform.
  explicit ImageFolder(std::filesystem::path root, Transform transform = Preprocess{},
                       ImageFolderOptions options = {})
      : root_(std::move(root)),
        transform_(std::move(transform)),
        classes_(std::move(options.classes)),
        fast_decode_(options.fast_decode) {
    if (const auto* train = std::get_if<TrainTransform>(&transform_))
      train->validate();
    else
      base().validate();
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
    if (options.cache_bytes > 0) cache_ = std::make_unique<detail::ImageCache>(options.cache_bytes);
  }

  std::size_t size() const { return paths_.size(); }

  /// (channels, H, W), of the transform.
  Shape sample_shape() const { return {base().channels, base().height, base().width}; }

  const std::filesystem::path& root() const { return root_; }
  const Transform& transform() const { return transform_; }
  const std::vector<std::string>& classes() const { return classes_; }        ///< by label
  const std::vector<int>& labels() const { return labels_; }                  ///< by sample
  const std::vector<std::filesystem::path>& paths() const { return paths_; }  ///< by sample
  std::string name(std::size_t index) const { return paths_.at(index).native(); }

  /// Decodes sample `index`, transforms it into (channels, H, W) at `out` and returns its label. Thread-safe.
  /// Throws FileError naming the file if it cannot be decoded, Error if there is no such sample.
  int load(std::size_t index, Rng& rng, float* out) const {
    check(index < size(), "ImageFolder: sample ", index, " of ", size());
    const std::shared_ptr<const Decoded> decoded = load_image(index, rng);
    if (const auto* train = std::get_if<TrainTransform>(&transform_)) {
      if (train->fixed_geometry())
        train->finish(decoded->image, rng, out);
      else
        (*train)(*decoded, rng, out);
    } else {
      to_tensor(decoded->image, base(), out);
    }
    return labels_[index];
  }

 private:
  const Preprocess& base() const {
    const auto* train = std::get_if<TrainTransform>(&transform_);
    return train ? train->base : std::get<Preprocess>(transform_);
  }

  void add_class(const std::filesystem::path& folder) {
    const auto known = std::find(classes_.begin(), classes_.end(), folder.filename().string());
    check<FileError>(known != classes_.end(), folder.native(), ": class \"", folder.filename().string(),
                     "\" is not among the ", classes_.size(),
                     " known classes; remove the folder or train with it");
    std::set<std::string> seen;
    std::vector<std::filesystem::path> images;
    detail::collect_images(folder, seen, images);
    check<FileError>(!images.empty(), folder.native(), ": class \"", folder.filename().string(),
                     "\" holds no images (", detail::format_suffixes(), "); add some or remove the folder");
    detail::sort_paths(images);
    for (auto& image : images) {
      paths_.push_back(std::move(image));
      labels_.push_back(static_cast<int>(known - classes_.begin()));
    }
  }

  // Decoded, for the draws that `rng` is about to make, and brought to its final size where that is the same
  // every time.
  std::shared_ptr<const Decoded> load_image(std::size_t index, const Rng& rng) const {
    const auto* train = std::get_if<TrainTransform>(&transform_);
    const bool fixed = !train || train->fixed_geometry();
    if (cache_)
      if (auto kept = cache_->find(index, [&](int w, int h) { return reduction(w, h, rng); })) return kept;
    auto loaded = std::make_shared<Decoded>();
    try {
      *loaded = decode_image(paths_[index], [&](int w, int h) { return reduction(w, h, rng); });
      if (fixed) loaded->image = fit_image(*loaded, base());
    } catch (const ShapeError& error) {  // a property of this file, so this sample alone is at fault
      throw FileError(str_cat(paths_[index].native(), ": ", error.what()));
    }
    if (cache_) cache_->keep(index, loaded);
    return loaded;
  }

  int reduction(int width, int height, const Rng& rng) const {
    if (!fast_decode_) return 1;
    if (const auto* train = std::get_if<TrainTransform>(&transform_))
      return train->decode_reduction(width, height, rng);
    return decode_reduction(width, height, base());
  }

  std::filesystem::path root_;
  Transform transform_;
  std::vector<std::string> classes_;
  std::vector<std::filesystem::path> paths_;
  std::vector<int> labels_;
  bool fast_decode_ = false;
  std::unique_ptr<detail::ImageCache> cache_;
};

static_assert(Dataset<ImageFolder>);

}  // namespace minivit::inline MINIVIT_ABI
