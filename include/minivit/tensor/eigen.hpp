// Tensors as Eigen sees them: the only place of the library that includes Eigen.
#pragma once

#include <Eigen/Core>

#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

using RowMajorMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixMap = Eigen::Map<RowMajorMatrix>;
using ConstMatrixMap = Eigen::Map<const RowMajorMatrix>;
using ArrayMap = Eigen::Map<Eigen::ArrayXf>;
using ConstArrayMap = Eigen::Map<const Eigen::ArrayXf>;

/// The tensor as a matrix whose rows are the last axis: (..., C) becomes (rows, C). Shares the elements.
/// Throws ShapeError for rank 0.
inline MatrixMap as_matrix(Tensor& t) {
  const std::int64_t columns = t.size(-1);
  return {t.data(), columns ? t.numel() / columns : 0, columns};
}
inline ConstMatrixMap as_matrix(const Tensor& t) {
  const std::int64_t columns = t.size(-1);
  return {t.data(), columns ? t.numel() / columns : 0, columns};
}

/// All elements as one array, for coefficient-wise expressions. Shares the elements.
inline ArrayMap as_array(Tensor& t) { return {t.data(), t.numel()}; }
inline ConstArrayMap as_array(const Tensor& t) { return {t.data(), t.numel()}; }

/// `n` floats at `data` as an array.
inline ArrayMap as_array(float* data, std::int64_t n) { return {data, n}; }
inline ConstArrayMap as_array(const float* data, std::int64_t n) { return {data, n}; }

}  // namespace minivit::inline MINIVIT_ABI
