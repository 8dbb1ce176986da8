// Faithfulness of a map: does the answer really rest on what it shows?
#pragma once

#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Scores of a map, each a mean probability in [0, 1] of the class while the image changes patch by patch,
/// the largest of the map first (V. Petsiuk et al., RISE, arXiv:1806.07421).
struct Faithfulness {
  double deletion = 0;   ///< patches are made the mean color: the lower, the better the map
  double insertion = 0;  ///< patches of the image are put on the mean color: the higher, the better
};

/// Deletion and insertion of a map of patches (rows, columns) for class `target` of an image (1, channels,
/// height, width), in at most `steps` steps. Throws ShapeError for images or maps of another shape,
/// ConfigError for a class that is not there and for fewer than one step.
[[nodiscard]] Faithfulness faithfulness(const VisionTransformer& net, const Tensor& image, int target,
                                        const Tensor& map, int steps = 32);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "minivit/insight/attention_trace.hpp"
#include "minivit/insight/scores.hpp"
#include "minivit/model/visible_patches.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Faithfulness faithfulness(const VisionTransformer& net, const Tensor& image, int target,
                                         const Tensor& map, int steps) {
  detail::check_target(net, target);
  const ViTConfig& c = net.config;
  const std::int64_t P = c.patch_size, rows = c.image_height / P, columns = c.image_width / P,
                     N = c.patches();
  check<ShapeError>(map.shape() == Shape{rows, columns}, "faithfulness: the map is ", map.shape(),
                    ", expected (", rows, ", ", columns, ")");
  check<ConfigError>(steps >= 1, "faithfulness: in ", steps, " steps, expected 1 or more");
  std::vector<int> order(static_cast<std::size_t>(N));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) { return map.data()[a] > map.data()[b]; });
  const NoGrad values_only;
  const Training off(false);
  // Probability of the class without the patches [begin, end) of that order.
  const auto without = [&](std::int64_t begin, std::int64_t end) {
    const PatchMask mask{
        .images = 1, .patches = N, .visible = {}, .hidden = {order.begin() + begin, order.begin() + end}};
    return probabilities(net(hide_patches(image, mask, P)).value())[static_cast<std::size_t>(target)];
  };
  const auto count = std::min<std::int64_t>(steps, N);
  Faithfulness f;
  for (std::int64_t s = 0; s <= count; ++s) {  // trapezoids over equal steps
    const double part = (s == 0 || s == count ? 0.5 : 1) / static_cast<double>(count);
    const std::int64_t done = s * N / count;
    f.deletion += part * without(0, done), f.insertion += part * without(done, N);
  }
  return f;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
