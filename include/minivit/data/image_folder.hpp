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
#include "minivit/data/image_files.hpp"
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
  /// Folders are no classes: every image in `root` and below it is a sample, all of the one label 0, whose
  /// class has an empty name. For learning without labels.
  bool unlabeled = false;
};

/// The data set of the images `root/class/**/*.{jpg,jpeg,png,bmp}` (the suffixes of image::image_formats(),
/// in upper or lower case). Labels number the classes in the order of their names (byte by byte); samples are
/// sorted by class, then by path. Hidden files and folders are passed over, linked folders are entered, each
/// folder once and for the nearest class: see image::find_image_files. The transform is any
/// image::PlaneTransform. Copies share one cache. Satisfies Dataset.
class ImageFolder {
 public:
  /// Looks for images; reads none of them. Throws FileError if `root` is no folder or holds no images, if a
  /// folder in it cannot be read, if a class holds no images or is the folder of another one, if there is
  /// only one class and no list of classes was given, or if a class is not in that list (classes of the list
  /// that are not there are fine).
  explicit ImageFolder(std::filesystem::path root, image::Transform transform = Preprocess{},
                       ImageFolderOptions options = {});

  /// The same images, transformed in another way; with a cache of its own, as large.
  [[nodiscard]] ImageFolder with_transform(image::Transform transform) const;

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

  /// Largest image that is decoded, in pixels.
  [[nodiscard]] std::int64_t max_pixels() const noexcept { return max_pixels_; }

  /// Image files of formats that are not read, in all classes.
  [[nodiscard]] const image::SuffixCounts& not_read() const noexcept { return not_read_; }
  /// Images beside the folders of the classes: they belong to none.
  [[nodiscard]] std::size_t beside() const noexcept { return beside_; }

  /// Decodes sample `index`, transforms it into (C, H, W) at `out` and returns its label. Thread-safe.
  /// Throws FileError naming the file if its content cannot be decoded, Error if there is no such sample;
  /// what is not the content's fault is another error that names the file: AccessError if the system does not
  /// read it, Error if there is no memory for it.
  int load(std::size_t index, Rng& rng, float* out) const;

 private:
  void add_class(const std::filesystem::path& folder, image::ImageFiles files);
  void add_images(const std::filesystem::path& folder, image::ImageFiles files, int label);

  // Decoded, for the draws that `rng` is about to make, and prepared by the transform.
  std::shared_ptr<const image::Decoded> load_image(std::size_t index, const Rng& rng) const;

  std::filesystem::path root_;
  image::Transform transform_;
  std::vector<std::string> classes_;
  std::vector<std::filesystem::path> paths_;
  std::vector<int> labels_;
  image::SuffixCounts not_read_;
  std::size_t beside_ = 0;
  bool fast_decode_ = false;
  std::int64_t max_pixels_ = image::kDefaultMaxPixels;
  std::size_t cache_bytes_ = 0;
  std::shared_ptr<image::detail::ImageCache> cache_;  // null: nothing is kept
};

static_assert(Dataset<ImageFolder>);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/data/image_cache.hpp"
#include "minivit/data/image_formats.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Throws FileError that names the folders of which the files could not be listed, if there are any.
inline void check_open(std::span<const image::ImageFiles> classes) {
  std::vector<std::string> closed;
  for (const image::ImageFiles& files : classes)
    closed.insert(closed.end(), files.closed.begin(), files.closed.end());
  if (closed.empty()) return;
  constexpr std::size_t kNamed = 10;
  std::string message;
  for (std::size_t i = 0; i < std::min(closed.size(), kNamed); ++i)
    message += str_cat(i == 0 ? "" : "; ", closed[i]);
  if (closed.size() > kNamed) message += str_cat("; and ", closed.size() - kNamed, " more");
  throw FileError(message);
}

/// Throws FileError if two classes are one folder, by way of links.
inline void check_different(std::span<const std::filesystem::path> folders) {
  std::vector<std::pair<std::string, const std::filesystem::path*>> real;
  std::error_code error;
  for (const auto& folder : folders)
    real.emplace_back(std::filesystem::canonical(folder, error).native(), &folder);
  std::ranges::stable_sort(real, {}, [](const auto& entry) { return entry.first; });
  for (std::size_t i = 1; i < real.size(); ++i)
    check<FileError>(real[i].first != real[i - 1].first || real[i].first.empty(), real[i].second->native(),
                     ": is the same folder as ", real[i - 1].second->native(),
                     "; an image has one class, remove one of the two links");
}

/// What to ask if the only class holds folders, as what comes out of an archive often does; else empty.
inline std::string perhaps_deeper(const std::filesystem::path& only) {
  return image::visible_folders(only).size() > 1 ? str_cat("; did you mean ", only.native(), "?") : "";
}

/// "a, b, c", of many names the first ten.
inline std::string list_of(std::span<const std::string> names) {
  constexpr std::size_t kNamed = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i)
    text += str_cat(text.empty() ? "" : ", ", names[i]);
  return names.size() > kNamed ? str_cat(text, ", …") : text;
}

/// "12 .heic files" and so on.
inline std::string suffix_text(const image::SuffixCounts& counts) {
  std::string text;
  for (const auto& [suffix, count] : counts)
    text += str_cat(text.empty() ? "" : ", ", count, " ", suffix, count == 1 ? " file" : " files");
  return text;
}

}  // namespace detail

MINIVIT_INLINE ImageFolder::ImageFolder(std::filesystem::path root, image::Transform transform,
                                        ImageFolderOptions options)
    : root_(std::move(root)),
      transform_(std::move(transform)),
      classes_(std::move(options.classes)),
      fast_decode_(options.fast_decode),
      max_pixels_(options.max_pixels),
      cache_bytes_(options.cache_bytes) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(root_, error);
  const bool unknown = status.type() == std::filesystem::file_type::none;  // the system does not say
  check<FileError>(std::filesystem::is_directory(status), root_.native(),
                   unknown                           ? ": cannot be looked at"
                   : std::filesystem::exists(status) ? ": not a folder"
                                                     : ": no such folder",
                   ", expected one ",
                   options.unlabeled ? "of images" : "with a sub-folder of images for each class",
                   unknown ? str_cat(" (", error.message(), ")") : "");
  if (cache_bytes_ > 0) cache_ = std::make_shared<image::detail::ImageCache>(cache_bytes_);
  if (options.unlabeled) {
    std::vector<image::ImageFiles> files{image::find_image_files(root_)};
    detail::check_open(files);
    classes_ = {""};
    add_images(root_, std::move(files[0]), 0);
    return;
  }
  const std::vector<std::filesystem::path> folders = image::visible_folders(root_);
  check<FileError>(!folders.empty(), root_.native(), ": holds no folders, expected one for each class");

  const bool any_class = classes_.empty();
  if (any_class && folders.size() == 1)
    throw FileError(str_cat(root_.native(), ": holds only the class \"", folders.front().filename().native(),
                            "\", expected at least two", detail::perhaps_deeper(folders.front())));
  if (any_class)
    for (const auto& folder : folders) classes_.push_back(folder.filename().native());
  detail::check_different(folders);
  std::vector<image::ImageFiles> files = image::find_image_files(folders);
  detail::check_open(files);
  for (std::size_t i = 0; i < folders.size(); ++i) add_class(folders[i], std::move(files[i]));
  for (const auto& entry : image::detail::visible_entries(root_, error))
    beside_ += image::has_image_suffix(entry.path()) && !entry.is_directory(error);
}

MINIVIT_INLINE ImageFolder ImageFolder::with_transform(image::Transform transform) const {
  ImageFolder other = *this;
  other.transform_ = std::move(transform);
  if (cache_bytes_ > 0) other.cache_ = std::make_shared<image::detail::ImageCache>(cache_bytes_);
  return other;
}

MINIVIT_INLINE int ImageFolder::load(std::size_t index, Rng& rng, float* out) const {
  check(index < size(), "ImageFolder: sample ", index, " of ", size());
  try {
    transform_.finish(*load_image(index, rng), rng, out);
  } catch (const std::bad_alloc&) {
    throw Error(str_cat(paths_[index].native(), ": there is no memory left to decode it"));
  }
  return labels_[index];
}

MINIVIT_INLINE void ImageFolder::add_class(const std::filesystem::path& folder, image::ImageFiles files) {
  const std::string name = folder.filename().native();
  const auto known = std::find(classes_.begin(), classes_.end(), name);
  check<FileError>(known != classes_.end(), folder.native(), ": class \"", name, "\" is not among the ",
                   classes_.size(), " known classes (", detail::list_of(classes_),
                   "); rename or remove the folder, or train with it");
  add_images(folder, std::move(files), static_cast<int>(known - classes_.begin()));
}

MINIVIT_INLINE void ImageFolder::add_images(const std::filesystem::path& folder, image::ImageFiles files,
                                            int label) {
  const std::string& name = classes_[static_cast<std::size_t>(label)];
  check<FileError>(!files.paths.empty(), folder.native(), ": ",
                   name.empty() ? std::string() : str_cat("class \"", name, "\" "), "holds no images (",
                   image::detail::format_suffixes(), ")",
                   files.not_read.empty()
                       ? ""
                       : str_cat(", only ", detail::suffix_text(files.not_read), ", which are not read"),
                   name.empty() ? "" : "; add some or remove the folder");
  for (auto& image : files.paths) {
    paths_.push_back(std::move(image));
    labels_.push_back(label);
  }
  for (const auto& [suffix, count] : files.not_read) not_read_[suffix] += count;
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
