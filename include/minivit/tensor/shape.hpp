// The extents of a tensor.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// As "(8, 65, 384)", for any number of extents.
[[nodiscard]] std::string extents_text(std::span<const std::int64_t> extents);

}  // namespace detail

/// Extents of a tensor of rank 0 to 6, outermost first. Rank 0 is a scalar. An extent may be 0.
class Shape {
 public:
  static constexpr int kMaxRank = 6;
  static constexpr std::int64_t kMaxElements = std::int64_t{1} << 60;  ///< their bytes can be counted, too

  constexpr Shape() = default;

  /// Throws ShapeError if there are more than six extents, one is negative, or their product exceeds 2^60.
  Shape(std::initializer_list<std::int64_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const std::int64_t> extents);

  [[nodiscard]] int rank() const noexcept { return rank_; }

  /// Extent of `axis`; a negative axis counts from the end. Throws ShapeError if there is no such axis.
  [[nodiscard]] std::int64_t operator[](int axis) const {
    return extents_[static_cast<std::size_t>(this->axis(axis))];
  }

  /// Number of elements: the product of the extents, 1 for a scalar.
  [[nodiscard]] std::int64_t numel() const noexcept {
    std::int64_t n = 1;
    for (const std::int64_t extent : *this) n *= extent;
    return n;
  }

  /// `axis` as a number in [0, rank); a negative one counts from the end. Throws ShapeError if it is out of
  /// range.
  int axis(int axis) const;

  [[nodiscard]] const std::int64_t* begin() const noexcept { return extents_.data(); }
  [[nodiscard]] const std::int64_t* end() const noexcept { return extents_.data() + rank_; }

  /// Appends an extent. Throws ShapeError as the constructor does.
  void push_back(std::int64_t extent);

  /// A copy with the extent of `axis` replaced.
  Shape with(int axis, std::int64_t extent) const;

  friend bool operator==(const Shape& a, const Shape& b) noexcept = default;  // extents behind the last are 0

  /// As "(8, 65, 384)".
  [[nodiscard]] std::string str() const { return detail::extents_text(*this); }

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Shape::Shape(std::span<const std::int64_t> extents) {
  check<ShapeError>(extents.size() <= kMaxRank, "shape: rank is ", extents.size(),
                    ", at most 6 is supported");
  for (const std::int64_t extent : extents) push_back(extent);
}

MINIVIT_INLINE int Shape::axis(int axis) const {
  const int resolved = axis < 0 ? axis + rank_ : axis;
  check<ShapeError>(resolved >= 0 && resolved < rank_, "axis ", axis, " is out of range for shape ", *this);
  return resolved;
}

MINIVIT_INLINE void Shape::push_back(std::int64_t extent) {
  check<ShapeError>(rank_ < kMaxRank, "shape: at most 6 extents are supported");
  check<ShapeError>(extent >= 0, "shape: extent is ", extent, ", must not be negative");
  // The product of the extents that are not 0, so that a 0 cannot hide an overflow.
  std::int64_t product = std::max<std::int64_t>(extent, 1);
  bool fits = product <= kMaxElements;
  for (const std::int64_t e : *this)
    fits = fits && (e == 0 || (!__builtin_mul_overflow(product, e, &product) && product <= kMaxElements));
  check<ShapeError>(fits, "shape: too many elements");
  extents_[static_cast<std::size_t>(rank_++)] = extent;
}

MINIVIT_INLINE Shape Shape::with(int axis, std::int64_t extent) const {
  Shape out;
  const int resolved = this->axis(axis);
  for (int i = 0; i < rank_; ++i) out.push_back(i == resolved ? extent : (*this)[i]);
  return out;
}

MINIVIT_INLINE std::string detail::extents_text(std::span<const std::int64_t> extents) {
  std::string out = "(";
  for (const std::int64_t extent : extents) out += str_cat(out.size() > 1 ? ", " : "", extent);
  return out + ')';
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
