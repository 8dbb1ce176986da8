// The random transform for training: cut out, mirror, augment, normalize.
#pragma once

#include "minivit/core/rng.hpp"
#include "minivit/data/augment_policy.hpp"
#include "minivit/data/image_type.hpp"
#include "minivit/data/preprocess.hpp"
#include "minivit/tensor/shape.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// A part of an image.
struct Box {
  int left = 0, top = 0, width = 0, height = 0;
};

/// The transform for training: a random part of the image at the model's size, mirrored at random, augmented,
/// normalized. A transform in the sense of transform.hpp.
struct TrainTransform {
  Preprocess base{};                                ///< size, filter and normalization
  double scale_min = 0.8, scale_max = 1.0;          ///< share of the area; both 1: the geometry of `base`
  double ratio_min = 3.0 / 4, ratio_max = 4.0 / 3;  ///< width : height of the part
  double hflip = 0.5;                               ///< probability of mirroring
  bool alternate = false;  ///< unless that is 0: mirrored in every second epoch, half of the images in the
                           ///< first; a loader's generator knows epoch and image (K. Jordan, "94% on CIFAR-10
                           ///< in 3.29 Seconds on a Single GPU", arXiv:2404.00498)
  AugmentOptions augment{};  ///< the operations after mirroring
  double erase = 0;          ///< probability of random erasing, see draw_erasure

  /// (channels, height, width).
  [[nodiscard]] Shape sample_shape() const { return base.sample_shape(); }

  /// Throws ConfigError for a value out of range.
  void validate() const;

  /// True if every image is cut as for evaluation.
  [[nodiscard]] bool fixed_geometry() const noexcept { return scale_min == 1.0 && scale_max == 1.0; }

  /// The part that RandomResizedCrop takes of an image, as torchvision: ten tries at a part of random area
  /// and random (logarithmically uniform) shape, then the largest centered part within the shapes.
  [[nodiscard]] Box draw_box(int width, int height, Rng& rng) const;

  /// The part of the normalized image that random erasing sets to 0: of 2 to 33 % of the area and a width to
  /// height of 0.3 to 3.3; empty if ten tries give none. Z. Zhong et al., "Random Erasing Data Augmentation",
  /// 2017, arXiv:1708.04896; the draws are torchvision's.
  [[nodiscard]] Box draw_erasure(Rng& rng) const;

  /// The reduction with which an image of width x height pixels may be decoded for the draws that `rng` is
  /// about to make: the largest (of 1, 2, 4 and 8) that leaves the part which is cut out at least as many
  /// pixels as the model sees. The result differs a little from that of the whole image: libjpeg averages the
  /// first factor of two, four or eight, the filter does the rest. Throws as `fit_image`.
  [[nodiscard]] int decode_reduction(int width, int height, Rng rng) const;

  /// Writes (channels, base.height, base.width). What is drawn depends on the size of the file alone, not on
  /// the reduction. Throws as `fit_image`.
  void operator()(const Decoded& decoded, Rng& rng, float* out) const {
    transform(decoded.image, decoded.width, decoded.height, decoded.reduction, rng, out);
  }
  void operator()(const Image& image, Rng& rng, float* out) const {
    transform(image, image.width, image.height, 1, rng, out);
  }

  /// The geometry of `base`, where it is fixed.
  [[nodiscard]] Image to_size(const Decoded& decoded) const { return fit_image(decoded, base); }

  /// The part after the geometry, for an image that has the size of `base` already. Throws ShapeError if it
  /// has not.
  void finish(const Image& image, Rng& rng, float* out) const;

 private:
  void mirror_and_augment(const Image& image, Rng& rng, float* out) const;
  void finish_with(const Augmentation& a, const Image& image, bool mirrored, float* out) const;
  void transform(const Image& image, int width, int height, int reduction, Rng& rng, float* out) const;
};

}  // namespace minivit::inline MINIVIT_ABI::image

namespace minivit::inline MINIVIT_ABI {
using image::TrainTransform;
}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "minivit/core/check.hpp"
#include "minivit/data/augment.hpp"
#include "minivit/data/resize.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {
inline constexpr std::uint64_t kFlipSeed = 0x666C697000000000;  // "flip"
}

MINIVIT_INLINE void TrainTransform::validate() const {
  base.validate();
  augment.validate();
  check<ConfigError>(0 < scale_min && scale_min <= scale_max && scale_max <= 1, "transform: scale is ",
                     scale_min, " to ", scale_max, ", expected 0 < scale_min <= scale_max <= 1");
  check<ConfigError>(0 < ratio_min && ratio_min <= ratio_max && ratio_max <= 1e3, "transform: ratio is ",
                     ratio_min, " to ", ratio_max, ", expected 0 < ratio_min <= ratio_max <= 1000");
  check<ConfigError>(0 <= hflip && hflip <= 1, "transform: hflip is ", hflip,
                     ", expected a probability, 0 to 1");
  check<ConfigError>(0 <= erase && erase <= 1, "transform: erase is ", erase,
                     ", expected a probability, 0 to 1");
}

MINIVIT_INLINE Box TrainTransform::draw_box(int width, int height, Rng& rng) const {
  const double area = static_cast<double>(width) * height;
  const double log_min = std::log(ratio_min), log_max = std::log(ratio_max);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * (scale_min + (scale_max - scale_min) * rng.uniform());
    const double ratio = std::exp(log_min + (log_max - log_min) * rng.uniform());
    const double w = std::nearbyint(std::sqrt(target * ratio)), h = std::nearbyint(std::sqrt(target / ratio));
    if (0 < w && w <= width && 0 < h && h <= height) {
      Box box{0, 0, static_cast<int>(w), static_cast<int>(h)};
      box.top = static_cast<int>(rng.below(static_cast<std::uint32_t>(height - box.height + 1)));
      box.left = static_cast<int>(rng.below(static_cast<std::uint32_t>(width - box.width + 1)));
      return box;
    }
  }
  const double shape = static_cast<double>(width) / height;
  Box box{0, 0, width, height};
  if (shape < ratio_min)
    box.height = std::clamp(static_cast<int>(std::nearbyint(width / ratio_min)), 1, height);
  if (shape > ratio_max)
    box.width = std::clamp(static_cast<int>(std::nearbyint(height * ratio_max)), 1, width);
  box.left = (width - box.width) / 2;
  box.top = (height - box.height) / 2;
  return box;
}

MINIVIT_INLINE Box TrainTransform::draw_erasure(Rng& rng) const {
  const double area = static_cast<double>(base.width) * base.height;
  const double log_min = std::log(0.3), log_max = std::log(3.3);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * (0.02 + (0.33 - 0.02) * rng.uniform());
    const double ratio = std::exp(log_min + (log_max - log_min) * rng.uniform());  // height : width
    const int h = static_cast<int>(std::nearbyint(std::sqrt(target * ratio)));
    const int w = static_cast<int>(std::nearbyint(std::sqrt(target / ratio)));
    if (h >= base.height || w >= base.width) continue;
    Box box{0, 0, w, h};
    box.top = static_cast<int>(rng.below(static_cast<std::uint32_t>(base.height - h + 1)));
    box.left = static_cast<int>(rng.below(static_cast<std::uint32_t>(base.width - w + 1)));
    return box;
  }
  return {};
}

MINIVIT_INLINE int TrainTransform::decode_reduction(int width, int height, Rng rng) const {
  if (fixed_geometry() || base.filter == Filter::nearest) return image::decode_reduction(width, height, base);
  const Box box = draw_box(width, height, rng);
  return detail::reduction_for(box.width, box.height, base.width, base.height);
}

MINIVIT_INLINE void TrainTransform::finish(const Image& image, Rng& rng, float* out) const {
  detail::check_size("transform", image, base, "");
  mirror_and_augment(image, rng, out);
  if (erase <= 0 || rng.uniform() >= erase) return;
  const Box box = draw_erasure(rng);
  for (int row = 0; row < base.channels * base.height; ++row)
    if (row % base.height >= box.top && row % base.height < box.top + box.height)
      std::fill_n(out + std::int64_t{row} * base.width + box.left, box.width, 0.0f);
}

MINIVIT_INLINE void TrainTransform::mirror_and_augment(const Image& image, Rng& rng, float* out) const {
  bool mirrored = rng.uniform() < hflip;
  if (alternate && hflip > 0) {
    const auto [epoch, index] = rng.keys();
    mirrored = (Rng(detail::kFlipSeed, index).next() + epoch) % 2 == 1;
  }
  const AugmentPlan plan = draw_augment(augment, image.width, image.height, rng);
  if (plan.size < 2)
    return finish_with(plan.size == 1 ? plan.steps[0] : Augmentation{}, image, mirrored, out);
  Image changed = mirrored ? flip(image) : image;
  for (std::size_t i = 0; i + 1 < plan.size; ++i)
    changed = apply(*plan.steps[i].op, changed, plan.steps[i].strength);
  finish_with(plan.steps[plan.size - 1], changed, false, out);
}

MINIVIT_INLINE void TrainTransform::finish_with(const Augmentation& a, const Image& image, bool mirrored,
                                                float* out) const {
  // One pass from the image to the floats: it mirrors, and what an operation does to values is in its
  // tables.
  if (a.op->tables)
    return detail::look_up_planes(image, detail::normal_tables(base, a.op->tables(image, a.strength)),
                                  mirrored, base.channels, out);
  const detail::NormalTables normal = detail::normal_tables(base);
  if (!a.op->apply) return detail::look_up_planes(image, normal, mirrored, base.channels, out);
  if (a.op->is_geometric && mirrored)
    return detail::look_up_planes(a.op->apply(flip(image), a.strength), normal, false, base.channels, out);
  detail::look_up_planes(a.op->apply(image, a.strength), normal, mirrored, base.channels, out);
}

MINIVIT_INLINE void TrainTransform::transform(const Image& image, int width, int height, int reduction,
                                              Rng& rng, float* out) const {
  if (fixed_geometry()) return finish(detail::fit_image(image, width, height, reduction, base), rng, out);
  validate();
  detail::check_rgb("transform", image);
  const Box box = draw_box(width, height, rng);
  const double by = reduction;
  finish(resize(image, Region{box.left / by, box.top / by, box.width / by, box.height / by}, base.width,
                base.height, base.filter),
         rng, out);
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
