// Validation images, drawn as the model sees them.
#include "sample_images.hpp"

#include <algorithm>
#include <array>
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
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) picture.pixels[i] = frame[right][i % 3];
  draw_planes(picture, edge, edge, 1, x, H, W, p);
  return picture;
}

}  // namespace

void draw_planes(Image& picture, int left, int top, int zoom, const float* x, int H, int W,
                 const Preprocess& p) {
  const bool gray = p.channels == 1;
  std::array<float, 3> scale = p.std, mean = p.mean;
  if (gray) {  // 0.299 R + 0.587 G + 0.114 B of what is normalized: back to a gray of equal R, G and B
    constexpr std::array<float, 3> kLuma{0.299f, 0.587f, 0.114f};
    float slope = 0, offset = 0;
    for (std::size_t c = 0; c < 3; ++c)
      slope += kLuma[c] / p.std[c], offset += kLuma[c] * p.mean[c] / p.std[c];
    scale.fill(1 / slope), mean.fill(offset / slope);
  }
  for (int i = 0; i < H * zoom; ++i)
    for (int j = 0; j < W * zoom; ++j)
      for (int c = 0; c < 3; ++c) {
        const auto channel = static_cast<std::size_t>(c);
        const float value =
            x[((gray ? 0 : c) * H + i / zoom) * W + j / zoom] * scale[channel] + mean[channel];
        picture.row(top + i)[3 * (left + j) + c] =
            static_cast<std::uint8_t>(std::clamp(value * 255.0f + 0.5f, 0.0f, 255.0f));
      }
}

SampleImages spread_samples(const ImageFolder& images, const std::vector<std::size_t>& samples,
                            std::int64_t count) {
  const auto n = std::min<std::size_t>(static_cast<std::size_t>(count), samples.size());
  if (n == 0) return {};
  const Shape shape = images.sample_shape();
  SampleImages out{Tensor::zeros({static_cast<std::int64_t>(n), shape[0], shape[1], shape[2]}),
                   std::vector<int>(n)};
  for (std::size_t i = 0; i < n; ++i) try {
      Rng none(0);
      out.labels[i] = images.load(samples[i * samples.size() / n], none,
                                  out.images.data() + static_cast<std::int64_t>(i) * shape.numel());
    } catch (const FileError&) { out.labels[i] = -1; }
  return out;
}

void show_samples(io::TensorBoard& board, std::int64_t step, const VisionTransformer& model,
                  const ImageFolder& images, const std::vector<std::size_t>& samples, std::int64_t count,
                  const Preprocess& p) {
  const auto [batch, labels] = spread_samples(images, samples, count);
  if (!batch.defined()) return;
  const std::int64_t H = batch.size(2), W = batch.size(3);
  const NoGrad values_only;
  const Training off(false);
  const Tensor logits = model(batch).value();
  const std::int64_t K = logits.size(1);
  Tensor probabilities = Tensor::empty({K});
  std::string table = "| image | is | taken for | with |\n|---|---|---|---|\n";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    kernels::softmax_row(K, logits.data() + static_cast<std::int64_t>(i) * K, probabilities.data());
    const auto best = std::max_element(probabilities.data(), probabilities.data() + K) - probabilities.data();
    const bool right = best == labels[i];
    board.image(str_cat("samples/", i), step,
                framed(batch.data() + static_cast<std::int64_t>(i) * batch.size(1) * H * W,
                       static_cast<int>(H), static_cast<int>(W), p, right));
    char percent[32];
    std::snprintf(percent, sizeof percent, "%.1f %%", 100.0 * static_cast<double>(probabilities(best)));
    table += str_cat("| ", i, " | ", images.classes()[static_cast<std::size_t>(labels[i])], " | ",
                     images.classes()[static_cast<std::size_t>(best)], " | ", percent, " |\n");
  }
  board.text("samples", step, table);
}

}  // namespace minivit::cli
