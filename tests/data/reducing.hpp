// Decoding at a part of the size: whether this build can, and a choice of it.
#pragma once

#include "minivit/data/image_type.hpp"

namespace fixture {

#if defined(MINIVIT_WITH_LIBJPEG)
inline constexpr bool kReduces = true;
#else
inline constexpr bool kReduces = false;
#endif

/// Chooses this reduction for every image, and counts in `asked`, if it is given, how often it was asked.
inline minivit::image::ChooseReduction always(int reduction, int* asked = nullptr) {
  return [=](int, int) {
    if (asked) ++*asked;
    return reduction;
  };
}

}  // namespace fixture
