// A trained model for images or patches of another size: positions interpolated, the patch embedding
// resampled, colors summed.
#pragma once

#include <cstdint>

#include "minivit/model/positions.hpp"
#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A number of patches in each direction.
struct PatchGrid {
  std::int64_t rows, columns;
  explicit PatchGrid(const ViTConfig& c)
      : rows(c.image_height / c.patch_size), columns(c.image_width / c.patch_size) {}
  PatchGrid(std::int64_t down, std::int64_t across) : rows(down), columns(across) {}
  std::int64_t patches() const { return rows * columns; }
  friend bool operator==(const PatchGrid&, const PatchGrid&) = default;
};

/// Position embeddings (1, P + N, C) of one grid of patches as those of another, (1, P + N', C); the P of the
/// tokens in front stay. Throws ShapeError if N is not the number of patches of `from`.
[[nodiscard]] Tensor resize_positions(const Tensor& positions, const PatchGrid& from, const PatchGrid& to,
                                      PositionFilter filter);

/// The weight (C, channels, P, P) of a patch embedding for patches of P' x P' pixels: the one whose products
/// with resized patches are closest to those of the old weight with the old patches (L. Beyer et al.,
/// FlexiViT, arXiv:2212.08013: the pseudo-inverse of the transposed bicubic resize).
[[nodiscard]] Tensor resample_patches(const Tensor& weight, std::int64_t patch_size);

/// The weight (C, channels, P, P) of a patch embedding for gray images, (C, 1, P, P): the sum over the
/// channels, which sees a gray image as the old weight saw it in equal channels.
[[nodiscard]] Tensor gray_patches(const Tensor& weight);

/// The same of a stem's first convolution, (N, 3, 3, channels) -> (N, 3, 3, 1).
[[nodiscard]] Tensor gray_windows(const Tensor& weight);

/// The same of shifted patches. Mean and variance of a patch in equal channels are those of one; what the
/// norm multiplies and adds, which differs from channel to channel, becomes part of the projection.
[[nodiscard]] ShiftedPatchEmbedding gray_shifted_patches(const ShiftedPatchEmbedding& color);

/// The model for another image size, patch size, or for gray images: `to` is net.config with image_height,
/// image_width, patch_size or channels (to 1) changed. Throws ConfigError if `to` is invalid or anything else
/// differs.
[[nodiscard]] VisionTransformer resized(VisionTransformer net, const ViTConfig& to, PositionFilter filter);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <utility>

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Not double: with AVX-512 g++ 12 warns, falsely, about Eigen's vector code, which has none for this type.
using SmallMatrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;

/// R. Keys' cubic kernel (IEEE Trans. ASSP 29, 1981).
inline double cubic(double x, double a) {
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/// (out, in): what resizing a line of `in` values to `out` does, as PyTorch does it.
inline SmallMatrix resize_matrix(std::int64_t in, std::int64_t out, PositionFilter filter) {
  SmallMatrix m = SmallMatrix::Zero(out, in);
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  for (std::int64_t i = 0; i < out; ++i) {
    if (filter == PositionFilter::transformers) {  // four neighbors, those outside are the edge
      const double x = (static_cast<double>(i) + 0.5) * scale - 0.5, left = std::floor(x);
      for (std::int64_t k = -1; k <= 2; ++k) {
        const std::int64_t at = std::clamp<std::int64_t>(static_cast<std::int64_t>(left) + k, 0, in - 1);
        m(i, at) += cubic(x - left - static_cast<double>(k), -0.75);
      }
      continue;
    }
    // All in reach of a kernel that is as wide as a step, those outside left out.
    const double wide = std::max(scale, 1.0), reach = 2 * wide;
    const double center = scale * (static_cast<double>(i) + 0.5);
    const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(center - reach + 0.5), 0),
               last = std::min<std::int64_t>(static_cast<std::int64_t>(center + reach + 0.5), in);
    for (std::int64_t k = first; k < last; ++k)
      m(i, k) = cubic((static_cast<double>(k) - center + 0.5) / wide, -0.5);
    m.row(i) /= m.row(i).sum();
  }
  return m;
}

/// out (rows', columns', depth) = vertical · x · horizontalᵀ for x (rows, columns, depth), each matrix (to,
/// from).
inline void apply_separable(const SmallMatrix& vertical, const SmallMatrix& horizontal, std::int64_t depth,
                            const float* x, float* out) {
  const std::int64_t rows = vertical.cols(), columns = horizontal.cols();
  SmallMatrix plane(rows, columns), result;
  for (std::int64_t d = 0; d < depth; ++d) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j)
        plane(i, j) = static_cast<long double>(x[(i * columns + j) * depth + d]);
    result.noalias() = vertical * plane * horizontal.transpose();
    for (std::int64_t i = 0; i < result.rows(); ++i)
      for (std::int64_t j = 0; j < result.cols(); ++j)
        out[(i * result.cols() + j) * depth + d] = static_cast<float>(result(i, j));
  }
}

/// (to, from): what resample_patches does to the weights of a line of a patch. Resizing a patch is R x Rᵀ;
/// its pseudo-inverse, transposed, is the same with R's.
inline SmallMatrix patch_matrix(std::int64_t from, std::int64_t to) {
  return resize_matrix(from, to, PositionFilter::timm)
      .completeOrthogonalDecomposition()
      .pseudoInverse()
      .transpose();
}

}  // namespace detail

MINIVIT_INLINE Tensor resize_positions(const Tensor& positions, const PatchGrid& from, const PatchGrid& to,
                                       PositionFilter filter) {
  check<ShapeError>(positions.rank() == 3 && positions.size(0) == 1 && positions.size(1) >= from.patches(),
                    "resize_positions: positions are ", positions.shape(), ", expected (1, ", from.patches(),
                    " or more, C)");
  constexpr std::int64_t kMostEdge = 1024;  // a matrix of edge by edge is made
  const std::int64_t edge = std::max({from.rows, from.columns, to.rows, to.columns});
  check<ConfigError>(edge <= kMostEdge, "resize_positions: a grid has ", edge,
                     " patches in one direction, at most ", kMostEdge, " are supported");
  const std::int64_t P = positions.size(1) - from.patches(), C = positions.size(2);
  Tensor out = Tensor::empty({1, P + to.patches(), C});
  std::copy_n(positions.data(), P * C, out.data());
  detail::apply_separable(detail::resize_matrix(from.rows, to.rows, filter),
                          detail::resize_matrix(from.columns, to.columns, filter), C,
                          positions.data() + P * C, out.data() + P * C);
  return out;
}

MINIVIT_INLINE Tensor resample_patches(const Tensor& weight, std::int64_t patch_size) {
  check<ShapeError>(weight.rank() == 4 && weight.size(2) == weight.size(3) && patch_size >= 1,
                    "resample_patches: weight is ", weight.shape(), ", expected (C, channels, P, P)");
  const std::int64_t P = weight.size(3), planes = weight.size(0) * weight.size(1);
  Tensor out = Tensor::empty({weight.size(0), weight.size(1), patch_size, patch_size});
  const detail::SmallMatrix inverse = detail::patch_matrix(P, patch_size);
  for (std::int64_t i = 0; i < planes; ++i)
    detail::apply_separable(inverse, inverse, 1, weight.data() + i * P * P,
                            out.data() + i * patch_size * patch_size);
  return out;
}

MINIVIT_INLINE Tensor gray_patches(const Tensor& weight) {
  check<ShapeError>(weight.rank() == 4, "gray_patches: weight is ", weight.shape(),
                    ", expected (C, channels, P, P)");
  const std::int64_t C = weight.size(0), channels = weight.size(1), size = weight.size(2) * weight.size(3);
  Tensor out = Tensor::zeros({C, 1, weight.size(2), weight.size(3)});
  for (std::int64_t c = 0; c < C; ++c)
    for (std::int64_t k = 0; k < channels; ++k)
      for (std::int64_t i = 0; i < size; ++i)
        out.data()[c * size + i] += weight.data()[(c * channels + k) * size + i];
  return out;
}

MINIVIT_INLINE Tensor gray_windows(const Tensor& weight) {
  check<ShapeError>(weight.rank() == 4, "gray_windows: weight is ", weight.shape(),
                    ", expected (N, 3, 3, channels)");
  Tensor out = Tensor::empty(weight.shape().with(-1, 1));
  out.matrix() = weight.matrix().rowwise().sum();
  return out;
}

MINIVIT_INLINE ShiftedPatchEmbedding gray_shifted_patches(const ShiftedPatchEmbedding& color) {
  const Tensor &weight = color.proj.weight.value, &gamma = color.norm.weight.value,
               &beta = color.norm.bias.value;
  const std::int64_t P = color.patch, C = weight.size(0), inputs = weight.size(1),
                     channels = inputs / (5 * P * P);
  const SkipInit values_come_from_the_old_one;
  ShiftedPatchEmbedding gray(1, P, C, color.norm.eps);
  gray.norm.weight.value.fill(1.0f), gray.norm.bias.value.fill(0.0f), gray.proj.weight.value.fill(0.0f);
  for (std::int64_t c = 0; c < C; ++c) {
    double bias = color.proj.bias.value(c);
    for (std::int64_t i = 0; i < inputs; ++i) {  // of copy, channel, pixel
      const std::int64_t copy = i / (P * P) / channels, pixel = i % (P * P);
      gray.proj.weight.value(c, copy * P * P + pixel) += weight(c, i) * gamma(i);
      bias += double{weight(c, i)} * beta(i);
    }
    gray.proj.bias.value(c) = static_cast<float>(bias);
  }
  return gray;
}

MINIVIT_INLINE VisionTransformer resized(VisionTransformer net, const ViTConfig& to, PositionFilter filter) {
  const ViTConfig& from = net.config;
  if (to.channels != from.channels)
    check<ConfigError>(to.channels == 1, "resized: the model has ", from.channels,
                       " input channels, it can be changed to 1, not to ", to.channels);
  if (to.channels != from.channels && from.stem == Stem::shifted)
    net.shifted_stem = gray_shifted_patches(net.shifted_stem);
  const SkipInit values_come_from_the_old_one;
  VisionTransformer out(to);
  const std::vector<NamedParameter> old = named_parameters(net), fresh = named_parameters(out);
  check<ConfigError>(old.size() == fresh.size(), "resized: the models have ", old.size(), " and ",
                     fresh.size(), " parameters; only the size of images and patches may differ");
  for (std::size_t i = 0; i < old.size(); ++i) {
    Tensor value = old[i].parameter->value;
    if (old[i].name == "pos_embed") {
      if (!fresh[i].parameter->trainable) continue;  // fixed ones are made for any size
      if (PatchGrid(from) != PatchGrid(to))
        value = resize_positions(value, PatchGrid(from), PatchGrid(to), filter);
    } else if (old[i].name == "patch_embed.proj.weight") {
      if (to.channels != from.channels) value = gray_patches(value);
      if (to.patch_size != from.patch_size) value = resample_patches(value, to.patch_size);
    } else if (old[i].name == "stem.convs.0.weight" && to.channels != from.channels) {
      value = gray_windows(value);
    }
    check<ConfigError>(old[i].name == fresh[i].name && value.shape() == fresh[i].parameter->value.shape(),
                       "resized: ", old[i].name, " is ", value.shape(), ", expected ",
                       fresh[i].parameter->value.shape(), "; only the size of images and patches may differ");
    fresh[i].parameter->value = value;
  }
  return out;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
