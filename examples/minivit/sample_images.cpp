// Framed validation images for TensorBoard.
#include "sample_images.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

#include "minivit/kernels/softmax.hpp"

namespace minivit::cli {

namespace {

/// A normalized image (channels, H, W) as a picture with a frame.
Image framed(const float* x, int H, int W, const Preprocess& p, bool right) {
  const int edge = std::max(1, std::max(H, W) / 32);
  Image picture = image::make_image(W + 2 * edge, H + 2 * edge);
  const std::uint8_t frame[2][3] = {{213, 94, 0}, {0, 158, 115}};  // red, green for everybody's eyes
  for (int row = 0; row < picture.height; ++row)
    for (int column = 0; column < picture.width; ++column)
      for (int c = 0; c < 3; ++c) {
        std::uint8_t& pixel = picture.row(row)[3 * column + c];
        const int i = row - edge, j = column - edge;
        if (i < 0 || j < 0 || i >= H || j >= W) {
          pixel = frame[right][c];
          continue;
        }
        const auto channel = static_cast<std::size_t>(c);
        const float value = x[((p.channels == 1 ? 0 : c) * H + i) * W + j] * p.std[channel] + p.mean[channel];
        pixel = static_cast<std::uint8_t>(std::clamp(value * 255.0f + 0.5f, 0.0f, 255.0f));
      }
  return picture;
}

}  // namespace

void show_samples(io::TensorBoard& board, std::int64_t step, const VisionTransformer& model,
                  const ImageFolder& images, const std::vector<std::size_t>& samples, std::int64_t count,
                  const Preprocess& p) {
  const auto n = std::min<std::size_t>(static_cast<std::size_t>(count), samples.size());
  if (n == 0) return;
  const Shape shape = images.sample_shape();
  const std::int64_t H = shape[1], W = shape[2];
  Tensor batch = Tensor::zeros({static_cast<std::int64_t>(n), shape[0], H, W});
  std::vector<int> labels(n);
  // Spread over all, since they are ordered by class.
  for (std::size_t i = 0; i < n; ++i) try {
      Rng none(0);
      labels[i] = images.load(samples[i * samples.size() / n], none,
                              batch.data() + static_cast<std::int64_t>(i) * shape[0] * H * W);
    } catch (const FileError&) { labels[i] = -1; }  // the evaluation has said so
  const NoGrad values_only;
  const Training off(false);
  const Tensor logits = model(batch).value();
  const std::int64_t K = logits.size(1);
  Tensor probabilities = Tensor::empty({K});
  std::string table = "| image | is | taken for | with |\n|---|---|---|---|\n";
  for (std::size_t i = 0; i < n; ++i) {
    if (labels[i] < 0) continue;
    kernels::softmax_row(K, logits.data() + static_cast<std::int64_t>(i) * K, probabilities.data());
    const auto best = std::max_element(probabilities.data(), probabilities.data() + K) - probabilities.data();
    const bool right = best == labels[i];
    board.image(str_cat("samples/", i), step,
                framed(batch.data() + static_cast<std::int64_t>(i) * shape[0] * H * W, static_cast<int>(H),
                       static_cast<int>(W), p, right));
    char percent[32];
    std::snprintf(percent, sizeof percent, "%.1f %%", 100.0 * static_cast<double>(probabilities(best)));
    table += str_cat("| ", i, " | ", images.classes()[static_cast<std::size_t>(labels[i])], " | ",
                     images.classes()[static_cast<std::size_t>(best)], " | ", percent, " |\n");
  }
  board.text("samples", step, table);
}

}  // namespace minivit::cli
