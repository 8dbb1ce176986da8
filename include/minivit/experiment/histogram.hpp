// How the numbers of a tensor are distributed, in TensorBoard's buckets.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Counts in buckets whose limits grow by a tenth from 1e-12 to 1e20, on both sides of 0, as TensorFlow's
/// and PyTorch's writers have them. Bucket i has the values above limits[i - 1] up to limits[i]. Infinite
/// values and NaNs are left out of all but `not_finite`.
struct Histogram {
  double min = 0, max = 0, sum = 0, sum_squares = 0;
  std::int64_t count = 0, not_finite = 0;
  std::vector<double> limits, counts;  ///< empty buckets are one with the next

  explicit Histogram(std::span<const float> values) {
    const std::vector<double> positive = positive_limits();
    const auto n = static_cast<int>(positive.size());
    std::vector<double> below(positive.size() + 1), above(positive.size() + 1);  // [i]: |v| up to positive[i]
    double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
    const double per_bucket = 1.0 / std::log(1.1);
    for (const float v : values) {
      if (!std::isfinite(v)) {
        ++not_finite;
        continue;
      }
      const double x = v, size = std::abs(x);
      lowest = std::min(lowest, x), highest = std::max(highest, x);
      sum += x, sum_squares += x * x;
      ++count;
      // The logarithm says where to look, the limits decide.
      int i =
          size <= positive[0] ? 0 : std::clamp(static_cast<int>(std::log(size * 1e12) * per_bucket), 0, n);
      if (x > 0) {
        while (i > 0 && size <= positive[static_cast<std::size_t>(i - 1)]) --i;
        while (i < n && size > positive[static_cast<std::size_t>(i)]) ++i;
        ++above[static_cast<std::size_t>(i)];
      } else {  // a negative bucket is open at the other end; 0 is the last of them
        while (i > 0 && size < positive[static_cast<std::size_t>(i - 1)]) --i;
        while (i < n && size >= positive[static_cast<std::size_t>(i)]) ++i;
        ++below[static_cast<std::size_t>(i)];
      }
    }
    if (count > 0) min = lowest, max = highest;
    // From the most negative to the most positive; below[i] ends at -positive[i - 1], below[0] at 0.
    for (int i = n; i >= 0; --i)
      add(i > 0 ? -positive[static_cast<std::size_t>(i - 1)] : 0.0, below[static_cast<std::size_t>(i)]);
    for (int i = 0; i <= n; ++i)
      add(i < n ? positive[static_cast<std::size_t>(i)] : std::numeric_limits<double>::max(),
          above[static_cast<std::size_t>(i)]);
    // Of empty buckets behind each other one is left, as wide as all of them, and none at the end.
    std::size_t kept = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (kept > 0 && counts[i] == 0 && counts[kept - 1] == 0) --kept;
      limits[kept] = limits[i], counts[kept] = counts[i];
      ++kept;
    }
    if (kept > 0 && counts[kept - 1] == 0) --kept;
    limits.resize(kept), counts.resize(kept);
  }

 private:
  static std::vector<double> positive_limits() {
    std::vector<double> limits;
    for (double v = 1e-12; v < 1e20; v *= 1.1) limits.push_back(v);
    return limits;
  }
  void add(double limit, double number) { limits.push_back(limit), counts.push_back(number); }
};

}  // namespace minivit::inline MINIVIT_ABI
