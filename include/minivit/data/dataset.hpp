// The concept of a data set, and data sets in memory.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Labeled samples of one shape that can be loaded in any order, by several threads at once:
///  - `size()`: how many;
///  - `sample_shape()`: the shape of one, (C, H, W);
///  - `load(index, rng, out)`: writes sample `index` to `out` and returns its label, 0 or more; what is
///  random
///    in it is drawn from `rng` alone. Throws FileError if only this sample cannot be read;
///  - `name(index)`: what messages call the sample.
template <class D>
concept Dataset = requires(const D& dataset, std::size_t index, Rng& rng, float* out) {
  { dataset.size() } -> std::convertible_to<std::size_t>;
  { dataset.load(index, rng, out) } -> std::convertible_to<int>;
  { dataset.sample_shape() } -> std::convertible_to<Shape>;
  { dataset.name(index) } -> std::convertible_to<std::string>;
};

/// Samples that are in memory as tensors already.
class TensorDataset {
 public:
  /// images (N, C, H, W), one label ≥ 0 for each. Shares the elements of `images`. Throws ShapeError if the
  /// numbers differ or the rank is not 4, Error for a negative label.
  TensorDataset(Tensor images, std::vector<int> labels)
      : images_(std::move(images)), labels_(std::move(labels)) {
    check<ShapeError>(images_.rank() == 4, "TensorDataset: images are ", images_.shape(),
                      ", expected (N, C, H, W)");
    check<ShapeError>(images_.size(0) == static_cast<std::int64_t>(labels_.size()),
                      "TensorDataset: ", images_.size(0), " images, ", labels_.size(),
                      " labels, expected as many");
    for (const int label : labels_) check(label >= 0, "TensorDataset: label ", label, ", expected 0 or more");
  }

  [[nodiscard]] std::size_t size() const noexcept { return labels_.size(); }
  [[nodiscard]] Shape sample_shape() const { return {images_.size(1), images_.size(2), images_.size(3)}; }
  [[nodiscard]] const std::vector<int>& labels() const noexcept { return labels_; }
  [[nodiscard]] std::string name(std::size_t index) const { return str_cat("sample ", index); }

  /// Copies sample `index` to `out` and returns its label. Throws Error if there is no such sample.
  int load(std::size_t index, Rng&, float* out) const {
    check(index < size(), "TensorDataset: sample ", index, " of ", size());
    const std::int64_t count = images_.numel() / images_.size(0);
    std::copy_n(images_.data() + static_cast<std::int64_t>(index) * count, count, out);
    return labels_[index];
  }

 private:
  Tensor images_;
  std::vector<int> labels_;
};

/// Some samples of another data set, which must outlive it.
template <Dataset D>
class Subset {
 public:
  /// Sample i is sample indices[i] of `dataset`. Throws Error if there is no such sample.
  Subset(const D& dataset, std::vector<std::size_t> indices)
      : dataset_(&dataset), indices_(std::move(indices)) {
    for (const std::size_t index : indices_)
      check(index < static_cast<std::size_t>(dataset.size()), "Subset: sample ", index, " of a data set of ",
            static_cast<std::size_t>(dataset.size()));
  }
  Subset(const D&&, std::vector<std::size_t>) = delete;  // would dangle

  [[nodiscard]] std::size_t size() const noexcept { return indices_.size(); }
  [[nodiscard]] Shape sample_shape() const { return dataset_->sample_shape(); }
  [[nodiscard]] const std::vector<std::size_t>& indices() const noexcept { return indices_; }
  [[nodiscard]] std::string name(std::size_t index) const { return dataset_->name(indices_.at(index)); }

  /// Loads sample indices()[index] of the data set beneath. Throws Error if there is no such sample, and as
  /// that does.
  int load(std::size_t index, Rng& rng, float* out) const {
    check(index < size(), "Subset: sample ", index, " of ", size());
    return dataset_->load(indices_[index], rng, out);
  }

 private:
  const D* dataset_;
  std::vector<std::size_t> indices_;
};

namespace detail {

// Sets apart the draws of this folder from others that use the same seed (initial weights, dropout).
inline constexpr std::uint64_t kSplitSeed = 0x73706C6974000000;    // "split"
inline constexpr std::uint64_t kShuffleSeed = 0x73687566666C6500;  // "shuffle"
inline constexpr std::uint64_t kAugmentSeed = 0x6175676D656E7400;  // "augment"
inline constexpr std::uint64_t kMixSeed = 0x6D69780000000000;      // "mix"

/// Puts `items` in random order (Fisher and Yates). Throws Error for 2^32 items or more.
template <class T>
void shuffle(std::vector<T>& items, Rng rng) {
  check(items.size() < (1ull << 32), "shuffle: ", items.size(), " items, expected fewer than 2^32");
  for (std::size_t i = items.size(); i > 1; --i)
    std::swap(items[i - 1], items[rng.below(static_cast<std::uint32_t>(i))]);
}

}  // namespace detail

/// Splits samples with these labels into (training, validation), both in ascending order. Of a class of n
/// samples, round(fraction · n) are for validation, at least one on either side if n ≥ 2; a single one is for
/// training. Which ones depends on labels and seed alone. Throws ConfigError unless 0 < fraction < 1.
[[nodiscard]] std::pair<std::vector<std::size_t>, std::vector<std::size_t>> stratified_split(
    const std::vector<int>& labels, double fraction, std::uint64_t seed);

/// The same for cross-validation: part `fold` of `folds` equal parts is for validation, the rest for
/// training. Of each class every part has as many samples, or one more. Throws ConfigError unless 2 ≤ folds
/// and 0 ≤ fold < folds.
[[nodiscard]] std::pair<std::vector<std::size_t>, std::vector<std::size_t>> stratified_fold(
    const std::vector<int>& labels, std::size_t folds, std::size_t fold, std::uint64_t seed);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cmath>
#include <map>
#include <numeric>

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE std::pair<std::vector<std::size_t>, std::vector<std::size_t>> stratified_split(
    const std::vector<int>& labels, double fraction, std::uint64_t seed) {
  check<ConfigError>(fraction > 0 && fraction < 1, "stratified_split: fraction is ", fraction,
                     ", expected more than 0 and less than 1");
  std::vector<std::size_t> by_class(labels.size());
  std::iota(by_class.begin(), by_class.end(), std::size_t{0});
  std::ranges::stable_sort(by_class, {}, [&](std::size_t i) { return labels[i]; });
  std::vector<char> held_out(labels.size());
  std::vector<std::size_t> samples;  // of one class
  for (std::size_t i = 0; i < by_class.size();) {
    const int label = labels[by_class[i]];
    samples.clear();
    for (; i < by_class.size() && labels[by_class[i]] == label; ++i) samples.push_back(by_class[i]);
    detail::shuffle(samples, Rng(seed ^ detail::kSplitSeed, static_cast<std::uint32_t>(label)));
    const std::size_t n = samples.size();
    const auto wanted = static_cast<std::size_t>(std::round(fraction * static_cast<double>(n)));
    const std::size_t cut = n < 2 ? 0 : std::clamp<std::size_t>(wanted, 1, n - 1);
    for (std::size_t k = 0; k < cut; ++k) held_out[samples[k]] = 1;
  }
  std::pair<std::vector<std::size_t>, std::vector<std::size_t>> split;
  for (std::size_t i = 0; i < labels.size(); ++i) (held_out[i] ? split.second : split.first).push_back(i);
  return split;
}

MINIVIT_INLINE std::pair<std::vector<std::size_t>, std::vector<std::size_t>> stratified_fold(
    const std::vector<int>& labels, std::size_t folds, std::size_t fold, std::uint64_t seed) {
  check<ConfigError>(folds >= 2 && fold < folds, "stratified_fold: part ", fold, " of ", folds,
                     ", expected a part below the number of parts, which is 2 or more");
  std::map<int, std::vector<std::size_t>> by_class;
  for (std::size_t i = 0; i < labels.size(); ++i) by_class[labels[i]].push_back(i);
  std::vector<char> held_out(labels.size());
  std::size_t next = 0;  // goes on from class to class, so that the parts are equal
  for (auto& [label, samples] : by_class) {
    detail::shuffle(samples, Rng(seed ^ detail::kSplitSeed, static_cast<std::uint32_t>(label)));
    for (const std::size_t sample : samples) held_out[sample] = next++ % folds == fold;
  }
  std::pair<std::vector<std::size_t>, std::vector<std::size_t>> split;
  for (std::size_t i = 0; i < labels.size(); ++i) (held_out[i] ? split.second : split.first).push_back(i);
  return split;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
