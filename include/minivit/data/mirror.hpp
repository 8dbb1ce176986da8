// Images from right to left.
#pragma once

#include <algorithm>
#include <cstdint>

#include "minivit/core/check.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Images (B, C, H, W) with their columns in reverse order. Throws ShapeError for another rank.
[[nodiscard]] inline Tensor mirrored(const Tensor& images) {
  check<ShapeError>(images.rank() == 4, "mirrored: images are ", images.shape(), ", expected (B, C, H, W)");
  Tensor out = Tensor::empty(images.shape());
  const std::int64_t W = images.size(3);
  for (std::int64_t row = 0; W > 0 && row < images.numel() / W; ++row)
    std::reverse_copy(images.data() + row * W, images.data() + (row + 1) * W, out.data() + row * W);
  return out;
}

/// What `net` says of images and of their mirror images, in the mean: often right where one of the two is
/// not.
template <class Net>
[[nodiscard]] Tensor with_mirrored(const Net& net, const Tensor& images) {
  Tensor logits = net(images);
  const Tensor other = net(mirrored(images));
  logits.array() = (logits.array() + other.array()) * 0.5f;
  return logits;
}

}  // namespace minivit::inline MINIVIT_ABI
