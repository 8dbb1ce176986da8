// Tensors and plain memory as Eigen's maps, by functions: shorter where a pointer is what there is.
#pragma once

#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// `t.matrix()` and `t.array()`.
[[nodiscard]] inline MatrixMap as_matrix(Tensor& t) { return t.matrix(); }
[[nodiscard]] inline ConstMatrixMap as_matrix(const Tensor& t) { return t.matrix(); }
[[nodiscard]] inline ArrayMap as_array(Tensor& t) noexcept { return t.array(); }
[[nodiscard]] inline ConstArrayMap as_array(const Tensor& t) noexcept { return t.array(); }

/// `n` floats at `data` as an array.
[[nodiscard]] inline ArrayMap as_array(float* data, std::int64_t n) noexcept { return {data, n}; }
[[nodiscard]] inline ConstArrayMap as_array(const float* data, std::int64_t n) noexcept { return {data, n}; }

}  // namespace minivit::inline MINIVIT_ABI
