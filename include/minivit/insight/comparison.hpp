// Comparison of two classifiers on the same images: is one really better?
#pragma once

#include <cstdint>
#include <span>

#include "minivit/insight/scores.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Two classifiers on the same images.
struct Comparison {
  std::int64_t images = 0, only_first = 0, only_second = 0;  ///< that only one of the two has right
  double difference = 0;  ///< accuracy of the second less that of the first
  double p = 1;           ///< McNemar's exact test: probability of a difference as large if both are as good
  Interval interval{};    ///< of the difference, bootstrap over the images
};

/// first, second: whether each image was answered right. The interval holds the difference with probability 1
/// - alpha (percentiles of `draws` samples with replacement, drawn from `seed`). Q. McNemar, 1947; B. Efron,
/// 1979. Throws ShapeError if the numbers differ, ConfigError without images or for alpha not in (0, 1).
[[nodiscard]] Comparison compare(std::span<const char> first, std::span<const char> second,
                                 double alpha = 0.05, int draws = 10000, std::uint64_t seed = 0);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/parallel.hpp"
#include "minivit/core/rng.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Twice the probability of at most `least` heads in n throws of a fair coin, at most 1.
inline double two_sided_coin(std::int64_t least, std::int64_t n) {
  double sum = 0;
  const auto N = static_cast<double>(n);
  for (std::int64_t k = 0; k <= least; ++k) {
    const auto K = static_cast<double>(k);
    sum += std::exp(std::lgamma(N + 1) - std::lgamma(K + 1) - std::lgamma(N - K + 1) - N * std::log(2.0));
  }
  return std::min(2 * sum, 1.0);
}

}  // namespace detail

MINIVIT_INLINE Comparison compare(std::span<const char> first, std::span<const char> second, double alpha,
                                  int draws, std::uint64_t seed) {
  check<ShapeError>(first.size() == second.size(), "compare: ", first.size(), " and ", second.size(),
                    " answers, expected those of the same images");
  check<ConfigError>(!first.empty(), "compare: no images");
  check<ConfigError>(alpha > 0 && alpha < 1 && draws >= 1, "compare: alpha is ", alpha, " with ", draws,
                     " draws, expected 0 < alpha < 1 and a draw at least");
  Comparison c{.images = static_cast<std::int64_t>(first.size())};
  for (std::size_t i = 0; i < first.size(); ++i) {
    c.only_first += first[i] && !second[i];
    c.only_second += !first[i] && second[i];
  }
  const auto N = static_cast<std::uint32_t>(first.size());
  c.difference = static_cast<double>(c.only_second - c.only_first) / N;
  c.p = detail::two_sided_coin(std::min(c.only_first, c.only_second), c.only_first + c.only_second);
  std::vector<double> differences(static_cast<std::size_t>(draws));
  parallel_for(draws, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t d = begin; d < end; ++d) {
      Rng rng(seed, static_cast<std::uint64_t>(d));
      std::int64_t sum = 0;
      for (std::uint32_t n = 0; n < N; ++n) {
        const std::size_t i = rng.below(N);
        sum += (second[i] != 0) - (first[i] != 0);
      }
      differences[static_cast<std::size_t>(d)] = static_cast<double>(sum) / N;
    }
  });
  std::ranges::sort(differences);
  const auto at = [&](double part) {
    const double place = part * (draws - 1);
    const auto below = static_cast<std::size_t>(place);
    const double rest = place - static_cast<double>(below);
    const double next = differences[std::min(below + 1, differences.size() - 1)];
    return differences[below] + rest * (next - differences[below]);
  };
  c.interval = {at(alpha / 2), at(1 - alpha / 2)};
  return c;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
