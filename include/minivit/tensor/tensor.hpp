// A contiguous block of floats with a shape.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/core/pool.hpp"
#include "minivit/tensor/shape.hpp"

namespace minivit::inline MINIVIT_ABI {

// Tensors as Eigen sees them. Not declared as aligned, though the pool's blocks are: a view may begin at any
// element, and an unaligned load from an aligned address costs nothing.
using RowMajorMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixMap = Eigen::Map<RowMajorMatrix>;
using ConstMatrixMap = Eigen::Map<const RowMajorMatrix>;
using ArrayMap = Eigen::Map<Eigen::ArrayXf>;
using ConstArrayMap = Eigen::Map<const Eigen::ArrayXf>;
using VectorMap = Eigen::Map<Eigen::VectorXf>;
using ConstVectorMap = Eigen::Map<const Eigen::VectorXf>;

/// Float32 elements in row-major order without gaps. A tensor is a handle: copies share the elements,
/// `clone()` makes new ones. A default-constructed tensor holds nothing (`defined()` is false), nor does one
/// that was moved from.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Tensor&) = default;
  Tensor(Tensor&& other) noexcept
      : buffer_(std::move(other.buffer_)), data_(std::exchange(other.data_, nullptr)), shape_(other.shape_) {}
  Tensor& operator=(const Tensor&) = default;
  Tensor& operator=(Tensor&& other) noexcept {
    buffer_ = std::move(other.buffer_);
    data_ = std::exchange(other.data_, nullptr);
    shape_ = other.shape_;
    return *this;
  }
  ~Tensor() = default;

  /// The values of an Eigen expression, as in `Tensor t = a * b + c`: (rows, columns), or (n) for a vector of
  /// either direction. Numbers of other types are converted to float.
  template <class Expression>
  Tensor(const Eigen::DenseBase<Expression>& x);  // NOLINT: implicit, so that it reads as Eigen's own types

  /// Elements undefined. Throws std::bad_alloc.
  [[nodiscard]] static Tensor empty(const Shape& shape);

  /// All elements 0.
  [[nodiscard]] static Tensor zeros(const Shape& shape) { return full(shape, 0.0f); }

  /// All elements `value`.
  [[nodiscard]] static Tensor full(const Shape& shape, float value);

  /// The given elements in row-major order. Throws ShapeError unless there are as many as the shape says.
  static Tensor from(const Shape& shape, std::span<const float> values);
  static Tensor from(const Shape& shape, std::initializer_list<float> values) {
    return from(shape, std::span(values.begin(), values.size()));
  }

  /// One element, rank 0.
  [[nodiscard]] static Tensor scalar(float value) { return full(Shape{}, value); }

  [[nodiscard]] bool defined() const noexcept { return data_ != nullptr; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] int rank() const noexcept { return shape_.rank(); }
  [[nodiscard]] std::int64_t numel() const noexcept { return defined() ? shape_.numel() : 0; }

  /// Extent of `axis`; a negative axis counts from the end. Throws ShapeError if there is no such axis.
  [[nodiscard]] std::int64_t size(int axis) const { return shape_[axis]; }

  [[nodiscard]] float* data() noexcept { return data_; }
  [[nodiscard]] const float* data() const noexcept { return data_; }
  [[nodiscard]] std::span<float> values() noexcept { return {data_, static_cast<std::size_t>(numel())}; }
  [[nodiscard]] std::span<const float> values() const noexcept {
    return {data_, static_cast<std::size_t>(numel())};
  }

  /// The elements as a matrix whose rows are the last axis: (..., C) becomes (rows, C). Shares them. Throws
  /// ShapeError for rank 0.
  [[nodiscard]] MatrixMap matrix() { return {data_, rows_of_last_axis(), size(-1)}; }
  [[nodiscard]] ConstMatrixMap matrix() const { return {data_, rows_of_last_axis(), size(-1)}; }

  /// All elements, for coefficient-wise expressions. Shares them.
  [[nodiscard]] ArrayMap array() noexcept { return {data_, numel()}; }
  [[nodiscard]] ConstArrayMap array() const noexcept { return {data_, numel()}; }

  /// All elements as a column vector. Shares them.
  [[nodiscard]] VectorMap vector() noexcept { return {data_, numel()}; }
  [[nodiscard]] ConstVectorMap vector() const noexcept { return {data_, numel()}; }

  /// The element at these indices, one for each axis. Throws ShapeError for another number of indices, and in
  /// debug builds (without NDEBUG) for an index out of range, negative ones included. Loops over all elements
  /// go through `data()`.
  template <class... Index>
  float& operator()(Index... index) {
    return data_[offset(index...)];
  }
  template <class... Index>
  float operator()(Index... index) const {
    return data_[offset(index...)];
  }

  /// The only element. Throws ShapeError if there is not exactly one.
  float item() const;

  void fill(float value) { std::fill_n(data_, numel(), value); }

  /// A new tensor with the same elements.
  [[nodiscard]] Tensor clone() const;

  /// Overwrites the elements with those of `other`. Throws ShapeError unless the shapes are equal.
  void copy_from(const Tensor& other);

  /// The same elements under another shape; one extent may be -1 and is then computed. Throws ShapeError if
  /// the numbers of elements differ.
  Tensor reshape(std::initializer_list<std::int64_t> extents) const {
    return reshape(std::span(extents.begin(), extents.size()));
  }
  Tensor reshape(std::span<const std::int64_t> extents) const;
  Tensor reshape(const Shape& shape) const;

  /// Rows [begin, end) of the first axis, sharing the elements. Throws ShapeError if they are out of range.
  Tensor rows(std::int64_t begin, std::int64_t end) const;

  /// A tensor of `shape` over the elements from `offset` on, sharing them. Throws ShapeError if they do not
  /// suffice.
  Tensor view(std::int64_t offset, const Shape& shape) const;

  /// True if no other tensor shares the memory.
  [[nodiscard]] bool unique() const noexcept { return buffer_.unique(); }

  /// Tensors that share the memory, this one included; 0 for an empty one.
  [[nodiscard]] std::int64_t use_count() const noexcept { return buffer_.use_count(); }

  /// Where the memory begins: the same for all tensors that share it.
  [[nodiscard]] const void* storage() const noexcept { return buffer_.data(); }

 private:
  std::int64_t rows_of_last_axis() const {
    const std::int64_t columns = size(-1);
    return columns > 0 ? numel() / columns : 0;
  }

  template <class... Index>
  std::int64_t offset(Index... index) const {
    const std::array<std::int64_t, sizeof...(Index)> indices{static_cast<std::int64_t>(index)...};
    check<ShapeError>(defined(), "tensor: an element was asked of an empty tensor");
    check<ShapeError>(indices.size() == static_cast<std::size_t>(rank()), "tensor: ", indices.size(),
                      " indices given for shape ", shape_, ", expected ", rank());
    std::int64_t position = 0;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const std::int64_t extent = shape_.begin()[i];
#if !defined(NDEBUG)
      check<ShapeError>(indices[i] >= 0 && indices[i] < extent, "tensor: index ", indices[i], " of axis ", i,
                        " is out of range for shape ", shape_);
#endif
      position = position * extent + indices[i];
    }
    return position;
  }

  Buffer buffer_;
  float* data_ = nullptr;
  Shape shape_;
};

/// A tensor and its name, as in a file.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

template <class Expression>
Tensor::Tensor(const Eigen::DenseBase<Expression>& x) {
  *this = empty(Expression::IsVectorAtCompileTime ? Shape{x.size()} : Shape{x.rows(), x.cols()});
  const auto& values = x.derived().template cast<float>();
  // Fresh memory is not part of the expression: products may be written straight into it.
  if constexpr (Expression::ColsAtCompileTime == 1)
    vector().noalias() = values.matrix();
  else if constexpr (Expression::RowsAtCompileTime == 1)
    vector().transpose().noalias() = values.matrix();
  else
    matrix().noalias() = values.matrix();
}

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cstring>

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE Tensor Tensor::empty(const Shape& shape) {
  Tensor t;
  t.buffer_ = Buffer(static_cast<std::size_t>(shape.numel()) * sizeof(float));
  t.data_ = static_cast<float*>(t.buffer_.data());
  t.shape_ = shape;
  return t;
}

MINIVIT_INLINE Tensor Tensor::full(const Shape& shape, float value) {
  Tensor t = empty(shape);
  t.fill(value);
  return t;
}

MINIVIT_INLINE Tensor Tensor::from(const Shape& shape, std::span<const float> values) {
  check<ShapeError>(static_cast<std::int64_t>(values.size()) == shape.numel(), "tensor: ", values.size(),
                    " values given, shape ", shape, " needs ", shape.numel());
  Tensor t = empty(shape);
  std::copy(values.begin(), values.end(), t.data());
  return t;
}

MINIVIT_INLINE float Tensor::item() const {
  check<ShapeError>(numel() == 1, "item: tensor of shape ", shape_, " does not have exactly one element");
  return *data_;
}

MINIVIT_INLINE Tensor Tensor::clone() const {
  if (!defined()) return {};
  Tensor t = empty(shape_);
  t.copy_from(*this);
  return t;
}

MINIVIT_INLINE void Tensor::copy_from(const Tensor& other) {
  check<ShapeError>(shape_ == other.shape_, "copy_from: shape is ", other.shape_, ", expected ", shape_);
  if (numel() > 0) std::memcpy(data_, other.data_, static_cast<std::size_t>(numel()) * sizeof(float));
}

MINIVIT_INLINE Tensor Tensor::reshape(std::span<const std::int64_t> extents) const {
  Shape given;  // without the one to compute; also checks the extents
  for (const std::int64_t e : extents)
    if (e != -1) given.push_back(e);
  const std::int64_t known = given.numel();
  Shape shape;
  for (const std::int64_t e : extents) shape.push_back(e == -1 && known > 0 ? numel() / known : e);
  return reshape(shape);
}

MINIVIT_INLINE Tensor Tensor::reshape(const Shape& shape) const {
  check<ShapeError>(shape.numel() == numel(), "reshape: ", shape_, " has ", numel(), " elements, ", shape,
                    " has ", shape.numel());
  Tensor t = *this;
  t.shape_ = shape;
  return t;
}

MINIVIT_INLINE Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  check<ShapeError>(rank() > 0 && 0 <= begin && begin <= end && end <= size(0), "rows: [", begin, ", ", end,
                    ") is out of range for shape ", shape_);
  Tensor t = *this;
  t.shape_ = shape_.with(0, end - begin);
  if (size(0) > 0) t.data_ += begin * (numel() / size(0));
  return t;
}

MINIVIT_INLINE Tensor Tensor::view(std::int64_t offset, const Shape& shape) const {
  check<ShapeError>(offset >= 0 && shape.numel() <= numel() - offset, "view: ", shape, " at element ", offset,
                    " does not fit into ", shape_);
  Tensor t = *this;
  t.data_ += offset;
  t.shape_ = shape;
  return t;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
