// Images, their visible patches and their reconstructions, side by side.
#include "reconstructions.hpp"

#include <algorithm>

#include "sample_images.hpp"

namespace minivit::cli {

Image reconstructions(const MaskedAutoencoder& model, const ImageFolder& images,
                      const std::vector<std::size_t>& samples, std::int64_t count, const Preprocess& p) {
  const auto [batch, labels] = spread_samples(images, samples, count);
  if (!batch.defined()) return {};
  const PatchMask mask = measured_mask(model, batch.size(0), 0);
  const Tensor columns[] = {batch, hide_patches(batch, mask, model.encoder.config.patch_size),
                            model.reconstruct(batch, mask)};
  std::vector<std::int64_t> readable;
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) readable.push_back(static_cast<std::int64_t>(i));
  if (readable.empty()) return {};
  const int n = static_cast<int>(readable.size()), H = static_cast<int>(batch.size(2)),
            W = static_cast<int>(batch.size(3));
  constexpr int kGap = 4, kLeast = 96;  // pixels
  const int zoom = std::max(1, kLeast / std::max(H, W)), groups = n > 1 ? 2 : 1;
  const int rows = (n + groups - 1) / groups, high = H * zoom + kGap, wide = W * zoom + kGap;
  Image picture = image::make_image(groups * 3 * wide + (groups + 1) * kGap, rows * high + kGap);
  std::fill(picture.pixels.begin(), picture.pixels.end(), std::uint8_t{255});
  for (int i = 0; i < n; ++i)
    for (int column = 0; column < 3; ++column)
      draw_planes(
          picture, kGap + i % groups * (3 * wide + kGap) + column * wide, kGap + i / groups * high, zoom,
          columns[column].data() + readable[static_cast<std::size_t>(i)] * batch.numel() / batch.size(0), H,
          W, p);
  return picture;
}

}  // namespace minivit::cli
