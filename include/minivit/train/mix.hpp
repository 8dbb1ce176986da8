// Mixup and CutMix: the images of a batch mixed with one another, and their labels in the same shares.
//
// H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, arXiv:1710.09412. S. Yun et al.,
// "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019,
// arXiv:1905.04899. Partners, boxes and targets are those of timm's Mixup in mode "batch".
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "minivit/core/rng.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Which batches are mixed, and how.
struct MixOptions {
  double mixup = 0;          ///< a of Beta(a, a), from which Mixup's share is drawn; 0: no Mixup
  double cutmix = 0;         ///< the same for CutMix
  double probability = 1;    ///< of a batch to be mixed
  double cutmix_part = 0.5;  ///< of the mixed batches that CutMix takes, where there are both

  [[nodiscard]] bool any() const noexcept { return (mixup > 0 || cutmix > 0) && probability > 0; }

  /// Throws ConfigError for a value out of range.
  void validate() const;
};

/// How one batch is mixed: every image with the one that is as far from the end as itself from the start.
struct Mix {
  enum class Kind { none, mixup, cutmix };
  Kind kind = Kind::none;
  double share = 1;  ///< of the image itself, in [0, 1]; its partner has the rest
  /// What CutMix takes from the partner: rows top to bottom - 1, columns left to right - 1.
  std::int64_t left = 0, top = 0, right = 0, bottom = 0;

  /// The images (B, C, H, W), mixed. Throws ShapeError for another rank, or a box that lies outside.
  [[nodiscard]] Tensor images(const Tensor& batch) const;

  /// The targets (B, K): the share for the label, the rest for that of the partner. Throws ShapeError for a
  /// label outside of [0, K).
  [[nodiscard]] Tensor targets(std::span<const int> labels, std::int64_t K) const;

  /// Of each image and its partner the label with the larger share.
  [[nodiscard]] std::vector<int> main_labels(std::span<const int> labels) const;
};

/// Draws whether a batch of height x width images is mixed, and how.
[[nodiscard]] Mix draw_mix(const MixOptions& options, std::int64_t height, std::int64_t width, Rng rng);

/// A draw from Beta(a, a), a > 0: G. Marsaglia, W. W. Tsang, "A Simple Method for Generating Gamma
/// Variables", 2000, twice.
[[nodiscard]] double draw_symmetric_beta(double a, Rng& rng);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <numbers>

#include "minivit/core/check.hpp"
#include "minivit/core/parallel.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Uniform in (0, 1).
inline double open_uniform(Rng& rng) { return (rng.next() + 0.5) * 0x1p-32; }

/// The logarithm of a draw from Gamma(a, 1): the draw itself can be too small for a double.
inline double draw_log_gamma(double a, Rng& rng) {
  // For a < 1: Gamma(a) is Gamma(a + 1) · U^(1/a).
  const double boost = a < 1 ? std::log(open_uniform(rng)) / a : 0.0;
  const double d = (a < 1 ? a + 1 : a) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double u = open_uniform(rng), angle = 2 * std::numbers::pi * open_uniform(rng);
    const double x = std::sqrt(-2 * std::log(u)) * std::cos(angle);  // standard normal
    const double v = (1 + c * x) * (1 + c * x) * (1 + c * x);
    if (v > 0 && std::log(open_uniform(rng)) < 0.5 * x * x + d - d * v + d * std::log(v))
      return std::log(d * v) + boost;
  }
}

}  // namespace detail

MINIVIT_INLINE double draw_symmetric_beta(double a, Rng& rng) {
  const double first = detail::draw_log_gamma(a, rng), second = detail::draw_log_gamma(a, rng);
  return 1 / (1 + std::exp(second - first));
}

MINIVIT_INLINE void MixOptions::validate() const {
  const auto in_range = [](const char* name, double value, double most) {
    check<ConfigError>(value >= 0 && value <= most, "mix: ", name, " is ", value, ", expected 0 to ", most);
  };
  in_range("mixup", mixup, 1000);
  in_range("cutmix", cutmix, 1000);
  in_range("probability", probability, 1);
  in_range("cutmix_part", cutmix_part, 1);
}

MINIVIT_INLINE Mix draw_mix(const MixOptions& options, std::int64_t height, std::int64_t width, Rng rng) {
  options.validate();
  if (!options.any() || rng.uniform() >= options.probability) return {};
  const bool cuts = options.cutmix > 0 && (options.mixup <= 0 || rng.uniform() < options.cutmix_part);
  Mix mix{.kind = cuts ? Mix::Kind::cutmix : Mix::Kind::mixup,
          .share = draw_symmetric_beta(cuts ? options.cutmix : options.mixup, rng)};
  if (!cuts) return mix;
  // A box with the partner's share of the area around a random point; what lies outside of the image is lost.
  const double side = std::sqrt(1 - mix.share);
  const auto stretch = [&](std::int64_t size, std::int64_t& first, std::int64_t& end) {
    const auto half = static_cast<std::int64_t>(static_cast<double>(size) * side) / 2;
    const std::int64_t center = rng.below(static_cast<std::uint32_t>(size));
    first = std::max<std::int64_t>(center - half, 0), end = std::min(center + half, size);
  };
  stretch(height, mix.top, mix.bottom);
  stretch(width, mix.left, mix.right);
  const auto area = static_cast<double>((mix.right - mix.left) * (mix.bottom - mix.top));
  mix.share = 1 - area / static_cast<double>(height * width);
  return mix;
}

MINIVIT_INLINE Tensor Mix::images(const Tensor& batch) const {
  if (kind == Kind::none) return batch;
  check<ShapeError>(batch.rank() == 4, "mix: images are ", batch.shape(), ", expected (B, C, H, W)");
  const std::int64_t B = batch.size(0), C = batch.size(1), H = batch.size(2), W = batch.size(3);
  check<ShapeError>(0 <= top && top <= bottom && bottom <= H && 0 <= left && left <= right && right <= W,
                    "mix: the box of rows ", top, " to ", bottom, " and columns ", left, " to ", right,
                    " is not in images of ", H, " x ", W);
  Tensor out = batch.clone();
  const std::int64_t size = C * H * W;
  const auto own = static_cast<float>(share), rest = static_cast<float>(1 - share);
  parallel_for(B, grain_for(size), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* const partner = batch.data() + (B - 1 - i) * size;
      float* const to = out.data() + i * size;
      if (kind == Kind::mixup)
        for (std::int64_t k = 0; k < size; ++k) to[k] = to[k] * own + partner[k] * rest;
      else
        for (std::int64_t row = 0; row < C * H; ++row)
          if (row % H >= top && row % H < bottom)
            std::copy(partner + row * W + left, partner + row * W + right, to + row * W + left);
    }
  });
  return out;
}

MINIVIT_INLINE Tensor Mix::targets(std::span<const int> labels, std::int64_t K) const {
  const auto B = static_cast<std::int64_t>(labels.size());
  Tensor out = Tensor::zeros({B, K});
  for (std::int64_t i = 0; i < B; ++i) {
    const int own = labels[static_cast<std::size_t>(i)], other = labels[static_cast<std::size_t>(B - 1 - i)];
    check<ShapeError>(own >= 0 && own < K, "mix: label ", own, " is out of range for ", K, " classes");
    check<ShapeError>(other >= 0 && other < K, "mix: label ", other, " is out of range for ", K, " classes");
    out(i, own) += static_cast<float>(share);
    out(i, other) += static_cast<float>(1 - share);
  }
  return out;
}

MINIVIT_INLINE std::vector<int> Mix::main_labels(std::span<const int> labels) const {
  if (share < 0.5) return {labels.rbegin(), labels.rend()};
  return {labels.begin(), labels.end()};
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
