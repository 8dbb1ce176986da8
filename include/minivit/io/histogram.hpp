// Histogram of the values of a tensor, as TensorBoard shows it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI::io {

/// A histogram. Bucket i holds the values in [limits[i - 1], limits[i]); neighbors without values are one
/// bucket, those before the first value and behind the last are not there.
struct Histogram {
  std::uint64_t count = 0;                            ///< values that are in it
  std::uint64_t left_out = 0;                         ///< values that are not: infinite or not a number
  double min = 0, max = 0, sum = 0, sum_squares = 0;  ///< of those in it
  std::vector<double> limits, counts;
};

namespace detail {

/// Where the buckets end, and a quick way to the one of a number.
class HistogramBuckets {
 public:
  static const HistogramBuckets& get() {
    static const HistogramBuckets buckets;
    return buckets;
  }

  const std::vector<double>& limits() const { return limits_; }

  /// The bucket of a finite number whose bits are `bits`.
  std::size_t find(float value, std::uint32_t bits) const {
    std::size_t bucket = first_[bits >> kShift];
    while (static_cast<double>(value) >= limits_[bucket]) ++bucket;
    return bucket;
  }

 private:
  // Numbers that share sign, exponent and four bits of the mantissa differ by up to 6 %, so at most one limit
  // is between them.
  static constexpr int kShift = 19;

  /// TensorFlow's limits: from 1e-12 to 1e20 in steps of 10 %, the same below zero, zero, the largest
  /// numbers.
  HistogramBuckets() {
    std::vector<double> positive;
    for (double limit = 1e-12; limit < 1e20; limit *= 1.1) positive.push_back(limit);
    positive.push_back(std::numeric_limits<double>::max());
    limits_.assign(positive.rbegin(), positive.rend());
    for (double& limit : limits_) limit = -limit;
    limits_.push_back(0);
    limits_.insert(limits_.end(), positive.begin(), positive.end());

    first_.resize(std::size_t{1} << (32 - kShift));
    for (std::uint32_t i = 0; i < first_.size(); ++i) {
      const bool negative = i >= first_.size() / 2;
      const std::uint32_t lowest = (i << kShift) | (negative ? (1u << kShift) - 1 : 0);
      const double value = std::bit_cast<float>(lowest);
      const auto above = std::upper_bound(limits_.begin(), limits_.end(), value);
      first_[i] = static_cast<std::uint16_t>(above - limits_.begin());
    }
  }

  std::vector<double> limits_;
  std::vector<std::uint16_t> first_;
};

}  // namespace detail

/// The histogram of `values`, with the limits that TensorFlow and PyTorch give to TensorBoard: steps of 10 %.
/// Infinite values and those that are not numbers have no place in it and are only counted, in `left_out`.
inline Histogram histogram_of(std::span<const float> values) {
  const auto& buckets = detail::HistogramBuckets::get();
  const std::vector<double>& limits = buckets.limits();
  std::vector<std::uint64_t> counts(limits.size());
  Histogram result;
  double min = std::numeric_limits<double>::max(), max = -min, sum = 0, sum_squares = 0;
  for (const float value : values) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7F800000u) == 0x7F800000u) {  // by its bits, which the compiler's options do not change
      ++result.left_out;
      continue;
    }
    ++counts[buckets.find(value, bits)];
    const double x = value;
    min = std::min(min, x), max = std::max(max, x);
    sum += x, sum_squares += x * x;
  }
  result.count = values.size() - result.left_out;
  if (result.count > 0)
    result.min = min, result.max = max, result.sum = sum, result.sum_squares = sum_squares;
  // TensorBoard puts min in the place of the first bucket's lower limit, max in that of the last one's upper
  // limit: if these were empty, they could go backwards.
  std::size_t begin = 0, end = limits.size();
  while (begin + 1 < end && counts[begin] == 0) ++begin;
  while (begin + 1 < end && counts[end - 1] == 0) --end;
  for (std::size_t i = begin; i < end; ++i) {
    const bool extends = !result.counts.empty() && result.counts.back() == 0 && counts[i] == 0;
    if (extends)
      result.limits.back() = limits[i];
    else
      result.limits.push_back(limits[i]), result.counts.push_back(static_cast<double>(counts[i]));
  }
  return result;
}

}  // namespace minivit::inline MINIVIT_ABI::io
