// Answers of a model on labeled images, all of them in memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "minivit/data/loader.hpp"
#include "minivit/insight/scores.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What a model says of N images.
struct Answers {
  Tensor logits{};                     ///< (N, K)
  std::vector<int> labels{};           ///< N
  std::vector<std::size_t> samples{};  ///< N, of the data set

  [[nodiscard]] std::size_t images() const noexcept { return labels.size(); }

  /// The class with the largest logit of image i, of equal ones the first.
  [[nodiscard]] int answer(std::size_t i) const;

  /// Whether each image was answered right.
  [[nodiscard]] std::vector<char> right() const;

  [[nodiscard]] ConfusionMatrix confusion() const;
};

/// What `logits_of(images)` (B, C, H, W) -> (B, K) says of every batch of `batches`, a range of Batch.
template <class Batches, class Logits>
[[nodiscard]] Answers collect_answers(Batches&& batches, const Logits& logits_of) {
  std::vector<float> values;
  Answers all;
  std::int64_t K = 0;
  for (const Batch& batch : batches) {
    const Tensor logits = logits_of(batch.images);
    K = logits.size(1);
    const std::span<const float> row = logits.values();
    values.insert(values.end(), row.begin(), row.end());
    all.labels.insert(all.labels.end(), batch.labels.begin(), batch.labels.end());
    all.samples.insert(all.samples.end(), batch.indices.begin(), batch.indices.end());
  }
  all.logits = Tensor::empty({static_cast<std::int64_t>(all.labels.size()), K});
  std::ranges::copy(values, all.logits.data());
  return all;
}

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE int Answers::answer(std::size_t i) const {
  const std::int64_t K = logits.size(1);
  const float* const row = logits.data() + static_cast<std::int64_t>(i) * K;
  return static_cast<int>(std::max_element(row, row + K) - row);
}

MINIVIT_INLINE std::vector<char> Answers::right() const {
  std::vector<char> out;
  for (std::size_t i = 0; i < images(); ++i) out.push_back(answer(i) == labels[i]);
  return out;
}

MINIVIT_INLINE ConfusionMatrix Answers::confusion() const {
  ConfusionMatrix m(static_cast<std::size_t>(logits.size(1)));
  for (std::size_t i = 0; i < images(); ++i) m.add(labels[i], answer(i));
  return m;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
