// An operation of data augmentation: an image in, an image out, one strength.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// What each value of each channel becomes.
using ChannelTables = std::array<std::array<std::uint8_t, 256>, 3>;

/// Strengths to choose from, numbered from 0: the bins of TrivialAugmentWide.
inline constexpr int kAugmentBins = 31;

/// An operation on RGB images. To add one: write its file after the pattern of augment_geometry.hpp, and add
/// it to a list, as that of TrivialAugmentWide in augment.hpp. It works in one of two ways: `tables` if all
/// it does is to replace values by others (which costs a training transform nothing), otherwise `apply`; an
/// operation with neither changes nothing.
struct AugmentOp {
  /// What messages call it.
  std::string_view name;
  /// The strength number `bin` of kAugmentBins, without sign; null if the operation has no strength.
  float (*strength)(int bin) = nullptr;
  /// True if the strength is drawn with a sign.
  bool has_sign = false;
  /// True if mirroring before it is not the same as after it.
  bool is_geometric = false;
  /// What it does to values; the image decides, and is not changed.
  ChannelTables (*tables)(const Image& image, float strength) = nullptr;
  /// The image after it.
  Image (*apply)(const Image& image, float strength) = nullptr;
};

namespace detail {

/// The product, rounded before it is used further: Pillow's results hang on that, and compilers like to fuse.
template <class T>
T rounded_product(T a, T b) {
  const volatile T product = a * b;
  return product;
}

/// Strength `bin` of the `bins` from `first` to `last`, in equal steps. Counted from the nearer end, as
/// torch.linspace; there the last bit depends on the machine, here it does not.
inline float strength_between(int bin, float first, float last, int bins = kAugmentBins) {
  const float step = (last - first) / static_cast<float>(bins - 1);
  return bin < bins / 2 ? first + rounded_product(step, static_cast<float>(bin))
                        : last - rounded_product(step, static_cast<float>(bins - 1 - bin));
}

/// The same function of every value of all channels.
template <class F>
ChannelTables same_tables(const F& f) {
  ChannelTables tables;
  for (int v = 0; v < 256; ++v) tables[0][static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(f(v));
  tables[1] = tables[2] = tables[0];
  return tables;
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image
