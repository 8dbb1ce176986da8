// A model with the names of its classes and its preprocessing, to train or to predict.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "minivit/data/image.hpp"
#include "minivit/data/transform.hpp"
#include "minivit/model/packed_vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Everything that a model directory holds, as it is trained, changed and exported.
struct ModelBundle {
  VisionTransformer net;
  std::vector<std::string> labels;  ///< name of each class
  Preprocess preprocess;
  bool multi_label = false;  ///< classes do not exclude each other: the probability of each is its sigmoid
};

/// One class and how probable it is.
struct Prediction {
  int label;          ///< number of the class
  std::string name;   ///< of the class
  float probability;  ///< 0 to 1
};

/// Classifies images. Immutable: it is made from a model once, and many threads can use it at once.
class ImageClassifier {
 public:
  /// Packs the weights. Throws ConfigError unless there is a label for each class and the preprocessing gives
  /// images of the network's size and channels. multi_label: the classes do not exclude each other, so the
  /// probability of each is the sigmoid of its logit, not its part of the softmax.
  ImageClassifier(const VisionTransformer& net, std::vector<std::string> labels, Preprocess preprocess,
                  bool multi_label = false);
  explicit ImageClassifier(const ModelBundle& model);

  const PackedViT& net() const noexcept { return net_; }
  const ViTConfig& config() const noexcept { return net_.config(); }
  const std::vector<std::string>& labels() const noexcept { return labels_; }
  const Preprocess& preprocess() const noexcept { return preprocess_; }
  bool multi_label() const noexcept { return multi_label_; }

  /// Images as the network takes them: (B, channels, height, width).
  [[nodiscard]] Tensor prepare(std::span<const Image> images) const;

  /// Logits (B, num_classes) of images.
  [[nodiscard]] Tensor logits(std::span<const Image> images) const { return net_(prepare(images)); }

  /// The `top` most probable classes of an image, the best first. Throws ConfigError for a model without
  /// classes, Error as `ranked`.
  [[nodiscard]] std::vector<Prediction> classify(const Image& image, std::size_t top = 5) const;

  /// The same given an image's logits; equally probable classes come by number. Throws ShapeError unless
  /// there is a logit for each class, Error that names the first that is infinite or no number.
  [[nodiscard]] std::vector<Prediction> ranked(std::span<const float> logits, std::size_t top = 5) const;

 private:
  PackedViT net_;
  std::vector<std::string> labels_;
  Preprocess preprocess_;
  bool multi_label_;
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "minivit/kernels/softmax.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE ImageClassifier::ImageClassifier(const VisionTransformer& net, std::vector<std::string> labels,
                                                Preprocess preprocess, bool multi_label)
    : net_(net), labels_(std::move(labels)), preprocess_(preprocess), multi_label_(multi_label) {
  const ViTConfig& c = net.config;
  check<ConfigError>(static_cast<std::int64_t>(labels_.size()) == c.num_classes,
                     "classifier: ", labels_.size(), " labels given for a model of ", c.num_classes,
                     " classes, expected one for each");
  preprocess_.validate();
  check<ConfigError>(preprocess_.channels == c.channels && preprocess_.height == c.image_height &&
                         preprocess_.width == c.image_width,
                     "classifier: the preprocessing gives ", preprocess_.channels, " channels of ",
                     preprocess_.height, "x", preprocess_.width, ", the model takes ", c.channels,
                     " channels of ", c.image_height, "x", c.image_width);
}

MINIVIT_INLINE ImageClassifier::ImageClassifier(const ModelBundle& model)
    : ImageClassifier(model.net, model.labels, model.preprocess, model.multi_label) {}

MINIVIT_INLINE Tensor ImageClassifier::prepare(std::span<const Image> images) const {
  const ViTConfig& c = config();
  Tensor batch =
      Tensor::empty({static_cast<std::int64_t>(images.size()), c.channels, c.image_height, c.image_width});
  const auto size = static_cast<std::size_t>(c.channels * c.image_height * c.image_width);
  for (std::size_t i = 0; i < images.size(); ++i)
    image::to_tensor(image::fit_image(images[i], preprocess_), preprocess_,
                     std::span(batch.data(), images.size() * size).subspan(i * size, size));
  return batch;
}

MINIVIT_INLINE std::vector<Prediction> ImageClassifier::classify(const Image& image, std::size_t top) const {
  check<ConfigError>(config().num_classes > 0,
                     "classifier: the model has no classes; net().features gives what it computes");
  return ranked(logits({&image, 1}).values(), top);
}

MINIVIT_INLINE std::vector<Prediction> ImageClassifier::ranked(std::span<const float> logits,
                                                               std::size_t top) const {
  check<ShapeError>(logits.size() == labels_.size(), "classifier: ", logits.size(), " logits given for ",
                    labels_.size(), " classes");
  for (std::size_t i = 0; i < logits.size(); ++i)
    check(std::isfinite(logits[i]), "classifier: the logit of class \"", labels_[i], "\" is ", logits[i],
          ", not a finite number; the weights, or the numbers that the image becomes, are out of range");
  std::vector<float> p(logits.size());
  if (multi_label_)
    std::ranges::transform(logits, p.begin(), [](float z) { return 1.0f / (1.0f + std::exp(-z)); });
  else if (!p.empty())
    kernels::softmax_row(static_cast<std::int64_t>(p.size()), logits.data(), p.data());
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  std::vector<Prediction> best;
  for (const std::size_t i : std::span(order).first(std::min(top, order.size())))
    best.push_back({static_cast<int>(i), labels_[i], p[i]});
  return best;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
