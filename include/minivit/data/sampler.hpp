// Orders of the samples: every class equally often; epochs of any length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Draws each epoch's samples so that every class comes equally often, for data sets whose classes have very
/// different numbers of samples; for `LoaderOptions::order`. An epoch is as long as the data set. Of a class
/// that is too large for its share other samples come in every epoch, none of them twice; those of a small
/// one come again once all have come. What is drawn depends on (seed, epoch) alone.
class BalancedSampler {
 public:
  /// labels: the class of each sample, 0 or more. Throws ConfigError if there are none, or one is negative.
  explicit BalancedSampler(const std::vector<int>& labels, std::uint64_t seed = 0);

  /// The numbers of the samples of an epoch, in order.
  [[nodiscard]] std::vector<std::size_t> operator()(std::uint64_t epoch) const;

 private:
  std::vector<std::vector<std::size_t>> classes_;  // the samples of each class that has any
  std::size_t size_ = 0;
  std::uint64_t seed_ = 0;
};

/// Cuts passes over the data set, one behind the other, into epochs of any length: epochs that are long
/// enough to be worth an evaluation however few samples there are, and short enough however many. For
/// `LoaderOptions::order` with `epoch_size`.
class EpochSampler {
 public:
  /// The samples of a pass, in order: as many in each.
  using Pass = std::function<std::vector<std::size_t>(std::uint64_t pass)>;

  /// pass: of `samples` samples. epoch_size: samples in an epoch. Throws ConfigError if one of the two is 0.
  EpochSampler(Pass pass, std::size_t samples, std::size_t epoch_size);

  /// The numbers of the samples of an epoch, in order.
  [[nodiscard]] std::vector<std::size_t> operator()(std::uint64_t epoch) const;

  /// All samples in random order, another in every pass.
  [[nodiscard]] static Pass shuffled(std::size_t samples, std::uint64_t seed);

  /// Of each pass the first samples, each `times` times in a row, as many in all: repeated augmentation (E.
  /// Hoffer et al., arXiv:1901.09335), as timm's RepeatAugSampler.
  [[nodiscard]] static Pass repeated(Pass pass, std::size_t times);

 private:
  Pass pass_;
  std::size_t samples_, epoch_size_;
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/data/dataset.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

// Sets the draws apart from those of shuffling and augmentation with the same seed.
inline constexpr std::uint64_t kBalanceSeed = 0x62616C616E636500;  // "balance"

}  // namespace detail

MINIVIT_INLINE BalancedSampler::BalancedSampler(const std::vector<int>& labels, std::uint64_t seed)
    : size_(labels.size()), seed_(seed ^ detail::kBalanceSeed) {
  check<ConfigError>(!labels.empty(), "BalancedSampler: there are no samples");
  check<ConfigError>(std::ranges::all_of(labels, [](int label) { return label >= 0; }),
                     "BalancedSampler: a label is negative");
  std::map<int, std::vector<std::size_t>> by_class;
  for (std::size_t i = 0; i < labels.size(); ++i) by_class[labels[i]].push_back(i);
  for (auto& [label, samples] : by_class) classes_.push_back(std::move(samples));
}

MINIVIT_INLINE std::vector<std::size_t> BalancedSampler::operator()(std::uint64_t epoch) const {
  // What is left of size / classes goes to classes that change from epoch to epoch.
  std::vector<std::size_t> turn(classes_.size());
  std::iota(turn.begin(), turn.end(), std::size_t{0});
  detail::shuffle(turn, Rng(seed_, epoch, 0));
  std::vector<std::size_t> order;
  order.reserve(size_);
  for (std::size_t i = 0; i < turn.size(); ++i) {
    std::size_t wanted = size_ / turn.size() + (i < size_ % turn.size());
    const std::vector<std::size_t>& samples = classes_[turn[i]];
    for (; wanted >= samples.size(); wanted -= samples.size())
      order.insert(order.end(), samples.begin(), samples.end());
    std::vector<std::size_t> rest = samples;
    detail::shuffle(rest, Rng(seed_, epoch, turn[i] + 1));
    order.insert(order.end(), rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(wanted));
  }
  detail::shuffle(order, Rng(seed_ ^ detail::kShuffleSeed, epoch));
  return order;
}

MINIVIT_INLINE EpochSampler::EpochSampler(Pass pass, std::size_t samples, std::size_t epoch_size)
    : pass_(std::move(pass)), samples_(samples), epoch_size_(epoch_size) {
  check<ConfigError>(samples > 0 && epoch_size > 0, "EpochSampler: ", samples, " samples, ", epoch_size,
                     " in an epoch, expected 1 or more of both");
}

MINIVIT_INLINE std::vector<std::size_t> EpochSampler::operator()(std::uint64_t epoch) const {
  std::vector<std::size_t> order;
  order.reserve(epoch_size_);
  const std::uint64_t begin = epoch * epoch_size_, end = begin + epoch_size_;
  for (std::uint64_t pass = begin / samples_; pass * samples_ < end; ++pass) {
    const std::vector<std::size_t> all = pass_(pass);
    const std::uint64_t first = pass * samples_;
    const auto from = static_cast<std::ptrdiff_t>(begin > first ? begin - first : 0),
               to = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(end - first, samples_));
    order.insert(order.end(), all.begin() + from, all.begin() + to);
  }
  return order;
}

MINIVIT_INLINE EpochSampler::Pass EpochSampler::shuffled(std::size_t samples, std::uint64_t seed) {
  return [=](std::uint64_t pass) {
    std::vector<std::size_t> order(samples);
    std::iota(order.begin(), order.end(), std::size_t{0});
    detail::shuffle(order, Rng(seed ^ detail::kShuffleSeed, pass));
    return order;
  };
}

MINIVIT_INLINE EpochSampler::Pass EpochSampler::repeated(Pass pass, std::size_t times) {
  check<ConfigError>(times > 0, "EpochSampler: samples are repeated 0 times, expected 1 or more");
  return [pass = std::move(pass), times](std::uint64_t number) {
    std::vector<std::size_t> order = pass(number);
    const std::vector<std::size_t> all = order;
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = all[i / times];
    return order;
  };
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
