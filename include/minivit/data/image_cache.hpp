// Decoded images kept in memory.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// Decoded images kept in memory up to a limit, of one file perhaps several with different reductions: where
/// another one is needed than what is kept, the file is decoded again, so that a batch is the same with and
/// without a cache. (A half, a quarter and an eighth together are a third of the whole.) Thread-safe.
class ImageCache {
 public:
  explicit ImageCache(std::size_t limit) : room_(limit) {}

  /// Image `index` with the reduction that `choose` asks for, or nothing if that is not kept.
  [[nodiscard]] std::shared_ptr<const Decoded> find(std::size_t index, const ChooseReduction& choose) const;

  /// Keeps `image` if there is room.
  void keep(std::size_t index, const std::shared_ptr<const Decoded>& image);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<std::shared_ptr<const Decoded>>> images_;
  std::size_t room_;
};

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

MINIVIT_INLINE std::shared_ptr<const Decoded> ImageCache::find(std::size_t index,
                                                               const ChooseReduction& choose) const {
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

MINIVIT_INLINE void ImageCache::keep(std::size_t index, const std::shared_ptr<const Decoded>& image) {
  const std::size_t bytes = image->image.pixels.size();
  const std::lock_guard lock(mutex_);
  if (bytes > room_) return;
  auto& kept = images_[index];
  for (const auto& other : kept)
    if (other->reduction == image->reduction) return;  // another thread was faster
  room_ -= bytes;
  kept.push_back(image);
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
