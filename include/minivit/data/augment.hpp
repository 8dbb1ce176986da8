// TrivialAugmentWide: one random operation with a random strength for each image.
//
// S. Müller, F. Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", 2021, arXiv
// 2103.10158; ranges and arithmetic as torchvision 0.14 has them on Pillow images.
#pragma once

#include <array>

#include "minivit/core/rng.hpp"
#include "minivit/data/augment_blur.hpp"
#include "minivit/data/augment_enhance.hpp"
#include "minivit/data/augment_geometry.hpp"
#include "minivit/data/augment_op.hpp"
#include "minivit/data/augment_values.hpp"
#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// Changes nothing.
inline constexpr AugmentOp kIdentity{.name = "identity"};

/// The operations of TrivialAugmentWide. The order is torchvision's, and part of what a seed means: a draw is
/// a place in this table.
inline constexpr std::array kTrivialAugmentWide{
    &kIdentity, &kShearX,   &kShearY,    &kTranslateX, &kTranslateY, &kRotate,       &kBrightness,
    &kColor,    &kContrast, &kSharpness, &kPosterize,  &kSolarize,   &kAutoContrast, &kEqualize};

/// An operation and its strength.
struct Augmentation {
  const AugmentOp* op = &kIdentity;
  float strength = 0;
};

/// `image` (RGB) after one operation; what `strength` means stands with the operation. Throws ShapeError
/// unless the image is valid and has three channels, Error if the strength is out of range.
[[nodiscard]] Image apply(const AugmentOp& op, const Image& image, float strength);

/// Strength number `bin` of 0…30 for `op`, without sign; 0 for operations that have none. Throws Error if
/// there is no such bin.
[[nodiscard]] float augment_strength(const AugmentOp& op, int bin);

/// Draws the operation, the bin of its strength and its sign, each uniformly.
[[nodiscard]] Augmentation draw_trivial_augment(Rng& rng);

/// TrivialAugmentWide on an RGB image. Throws as `apply`.
[[nodiscard]] Image trivial_augment(const Image& image, Rng& rng);

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// Every value of an RGB image looked up in the table of its channel.
inline Image look_up(Image image, const ChannelTables& tables) {
  for (auto it = image.pixels.begin(); it != image.pixels.end(); it += 3)
    for (std::size_t c = 0; c < 3; ++c)
      it[static_cast<std::ptrdiff_t>(c)] = tables[c][it[static_cast<std::ptrdiff_t>(c)]];
  return image;
}

}  // namespace detail

MINIVIT_INLINE Image apply(const AugmentOp& op, const Image& image, float strength) {
  detail::check_image("augment", image);
  check<ShapeError>(image.channels == 3, "augment: image has ", image.channels,
                    " channels, expected 3 (RGB)");
  check(std::isfinite(strength) && std::abs(strength) <= 1e4f, "augment: strength ", strength,
        " is out of range, expected -10000 to 10000");
  if (op.tables) return detail::look_up(image, op.tables(image, strength));
  return op.apply ? op.apply(image, strength) : image;
}

MINIVIT_INLINE float augment_strength(const AugmentOp& op, int bin) {
  check(bin >= 0 && bin < kAugmentBins, "augment: bin ", bin, " is out of range, expected 0 to ",
        kAugmentBins - 1);
  return op.strength ? op.strength(bin) : 0.0f;
}

MINIVIT_INLINE Augmentation draw_trivial_augment(Rng& rng) {
  const AugmentOp* const op = kTrivialAugmentWide[rng.below(kTrivialAugmentWide.size())];
  const float strength = augment_strength(*op, static_cast<int>(rng.below(kAugmentBins)));
  const bool negative = rng.below(2) == 1;
  return {op, op->has_sign && negative ? -strength : strength};
}

MINIVIT_INLINE Image trivial_augment(const Image& image, Rng& rng) {
  const Augmentation augmentation = draw_trivial_augment(rng);
  return apply(*augmentation.op, image, augmentation.strength);
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
