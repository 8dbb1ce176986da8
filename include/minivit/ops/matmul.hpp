// Batched matrix product.
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y (..., M, N) = a (..., M, K) · b (..., K, N), the leading axes broadcast. With `transpose_a` a is (...,
/// K, M), with `transpose_b` b is (..., N, K). Throws ShapeError for rank below 2 or shapes that do not fit.
[[nodiscard]] Var matmul(const Var& a, const Var& b, bool transpose_a = false, bool transpose_b = false);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::MatrixView;

/// The matrices of a tensor (..., rows, columns), `transposed` swapping the last two.
struct MatrixBatch {
  const float* data;
  std::int64_t rows, columns;
  bool transposed;

  MatrixBatch(const Tensor& t, bool swapped)
      : data(t.data()), rows(t.size(-2)), columns(t.size(-1)), transposed(swapped) {}

  MatrixView at(std::int64_t i) const {
    const MatrixView view = MatrixView::rows(data + i * rows * columns, columns);
    return transposed ? view.transposed() : view;
  }
};

inline Shape batch_shape(const Shape& s) {
  return Shape(std::span(s.begin(), static_cast<std::size_t>(s.rank() - 2)));
}

/// f(i, index of a's matrix, index of b's matrix) for each matrix i of the result, `grain` at a time on one
/// thread; in order if `grain` is 0.
template <class F>
void for_each_matrix(const Shape& out, const Shape& a, const Shape& b, std::int64_t grain, const F& f) {
  const std::int64_t n = out.numel();
  const Broadcast walk(out, a, b);
  const std::int64_t columns = walk.columns();
  const auto last = static_cast<std::size_t>(walk.rank - 1);
  const auto one = [&](std::int64_t i) {
    walk.rows(i / columns, i / columns + 1, [&](std::int64_t, std::int64_t pa, std::int64_t pb) {
      f(i, pa + i % columns * walk.a_stride[last], pb + i % columns * walk.b_stride[last]);
    });
  };
  if (grain > 0 && n > 1)
    parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) one(i);
    });
  else
    for (std::int64_t i = 0; i < n; ++i) one(i);
}

}  // namespace detail

MINIVIT_INLINE Var matmul(const Var& a, const Var& b, bool transpose_a, bool transpose_b) {
  detail::check_defined("matmul", "a", a);
  detail::check_defined("matmul", "b", b);
  check<ShapeError>(a.rank() >= 2 && b.rank() >= 2, "matmul: a is ", a.shape(), " and b is ", b.shape(),
                    ", expected at least two axes each");
  const std::int64_t M = a.size(transpose_a ? -1 : -2), K = a.size(transpose_a ? -2 : -1);
  const std::int64_t N = b.size(transpose_b ? -2 : -1), K_b = b.size(transpose_b ? -1 : -2);
  check<ShapeError>(K == K_b, "matmul: a is ", a.shape(), transpose_a ? " transposed" : "", " and b is ",
                    b.shape(), transpose_b ? " transposed" : "", ": the inner extents are ", K, " and ", K_b,
                    ", expected equal");
  const Shape batch_a = detail::batch_shape(a.shape()), batch_b = detail::batch_shape(b.shape());
  const Shape batch = broadcast_shape("matmul", batch_a, batch_b);
  Shape shape = batch;
  shape.push_back(M);
  shape.push_back(N);
  Tensor y = Tensor::empty(shape);

  const std::int64_t grain =
      grain_for(M * N * K / 8);  // a vector of products costs about as much as a float from memory
  const detail::MatrixBatch all_a(a.value(), transpose_a), all_b(b.value(), transpose_b);
  detail::for_each_matrix(batch, batch_a, batch_b, grain,
                          [&](std::int64_t i, std::int64_t ia, std::int64_t ib) {
                            kernels::gemm(M, N, K, all_a.at(ia), all_b.at(ib), y.data() + i * M * N, N);
                          });

  return Tape::local().record(std::move(y), {&a, &b}, [=](Tape& tape, const Tensor& dy) {
    const detail::MatrixBatch as(a.value(), transpose_a), bs(b.value(), transpose_b), ds(dy, false);
    // y = A B gives dA = dy Bᵀ and dB = Aᵀ dy; of a transposed operand the gradient is transposed too. A
    // matrix that was repeated gets the sum over its uses, one after the other.
    if (Sink da = tape.sink(a)) {
      const bool repeated = batch_a.numel() != batch.numel();
      if (repeated) da.start_from_zero(a.numel());
      detail::for_each_matrix(
          batch, batch_a, batch_b, repeated ? 0 : grain,
          [&](std::int64_t i, std::int64_t ia, std::int64_t ib) {
            float* out = da.data + ia * M * K;
            if (transpose_a)
              kernels::gemm(K, M, N, bs.at(ib), ds.at(i).transposed(), out, M, {.add = da.add});
            else
              kernels::gemm(M, K, N, ds.at(i), bs.at(ib).transposed(), out, K, {.add = da.add});
          });
    }
    if (Sink db = tape.sink(b)) {
      const bool repeated = batch_b.numel() != batch.numel();
      if (repeated) db.start_from_zero(b.numel());
      detail::for_each_matrix(
          batch, batch_a, batch_b, repeated ? 0 : grain,
          [&](std::int64_t i, std::int64_t ia, std::int64_t ib) {
            float* out = db.data + ib * K * N;
            if (transpose_b)
              kernels::gemm(N, K, M, ds.at(i).transposed(), as.at(ia), out, K, {.add = db.add});
            else
              kernels::gemm(K, N, M, as.at(ia).transposed(), ds.at(i), out, N, {.add = db.add});
          });
    }
  });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
