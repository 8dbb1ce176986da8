// The eight ways in which an image can be stored, and how it is set upright.
//
// Cameras and phones store the picture as the sensor lay and note how it is to be turned: the tag Orientation
// of EXIF (JEITA CP-3451, 4.6.4 A; the same as TIFF's).
#pragma once

#include "minivit/data/image_type.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// `image`, which is stored in orientation 1 to 8, as it is to be seen, as Pillow's `ImageOps.exif_transpose`
/// has it: 1 as it is, 2 mirrored, 3 turned by 180 degrees, 4 upside down, 5 transposed, 6 turned by 90
/// degrees clockwise, 7 transposed along the other diagonal, 8 turned by 90 degrees counterclockwise. Throws
/// ShapeError for an invalid image, Error for another orientation.
[[nodiscard]] Image upright(Image image, int orientation);

namespace detail {

/// True if an image in this orientation is as wide as it will be high.
inline bool swaps_sides(int orientation) { return orientation >= 5; }

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::image

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::image {

MINIVIT_INLINE Image upright(Image image, int orientation) {
  detail::check_image("upright", image);
  check(orientation >= 1 && orientation <= 8, "upright: orientation is ", orientation, ", expected 1 to 8");
  if (orientation == 1) return image;
  const bool swaps = detail::swaps_sides(orientation);
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out =
      make_image(swaps ? image.height : image.width, swaps ? image.width : image.height, image.channels);
  // One step to the right in the result is a step of so many bytes in what is stored, one step down another.
  const std::ptrdiff_t channels = image.channels, stride = static_cast<std::ptrdiff_t>(image.stride());
  const std::ptrdiff_t along_row = from_right ? -channels : channels,
                       along_column = from_below ? -stride : stride;
  const std::ptrdiff_t right = swaps ? along_column : along_row, down = swaps ? along_row : along_column;
  const std::ptrdiff_t start =
      (from_right ? stride - channels : 0) + (from_below ? (image.height - 1) * stride : 0);
  // In squares: rows of one and columns of the other stay in the cache.
  constexpr int kSide = 64;
  for (int top = 0; top < out.height; top += kSide)
    for (int left = 0; left < out.width; left += kSide)
      for (int y = top; y < std::min(top + kSide, out.height); ++y) {
        const int end = std::min(left + kSide, out.width);
        std::ptrdiff_t at = start + y * down + left * right;
        std::uint8_t* to = out.row(y) + left * channels;
        for (int x = left; x < end; ++x, at += right, to += channels)
          for (std::ptrdiff_t c = 0; c < channels; ++c)
            to[c] = image.pixels[static_cast<std::size_t>(at + c)];
      }
  return out;
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
