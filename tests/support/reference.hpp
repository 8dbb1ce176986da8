// A tensor of doubles and nothing else: what the library computes is compared with plain loops over these.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace reference {

using Extents = std::vector<std::int64_t>;

inline std::int64_t count(const Extents& extents) {
  std::int64_t n = 1;
  for (const std::int64_t e : extents) n *= e;
  return n;
}

struct Array {
  Extents shape;
  std::vector<double> values;

  explicit Array(Extents extents, double value = 0)
      : shape(std::move(extents)), values(static_cast<std::size_t>(count(shape)), value) {}

  /// Where `index` is stored. It may have more axes than the array, the ones in front are ignored; along an
  /// axis of extent 1 it does not matter: so an array can be read with the index of what it is broadcast to.
  std::size_t position(const Extents& index) const {
    std::int64_t p = 0;
    const std::size_t skip = index.size() - shape.size();
    for (std::size_t i = 0; i < shape.size(); ++i) p = p * shape[i] + (shape[i] == 1 ? 0 : index[skip + i]);
    return static_cast<std::size_t>(p);
  }
  double& at(const Extents& index) { return values[position(index)]; }
  double at(const Extents& index) const { return values[position(index)]; }

  double& operator[](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }
  double operator[](std::int64_t i) const { return values[static_cast<std::size_t>(i)]; }
};

/// f(index) for every index of an array of these extents, in the order of the elements.
inline void for_each_index(const Extents& extents, const std::function<void(const Extents&)>& f) {
  if (count(extents) == 0) return;
  Extents index(extents.size(), 0);
  while (true) {
    f(index);
    std::size_t axis = extents.size();
    while (axis > 0 && ++index[axis - 1] == extents[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
}

/// f(x) of every element.
inline Array each(const Array& x, const std::function<double(double)>& f) {
  Array y = x;
  for (double& v : y.values) v = f(v);
  return y;
}

/// y (..., M, N) = a · b, leading axes broadcast, the last two swapped beforehand where asked for.
inline Array matmul(const Array& a, const Array& b, bool transpose_a = false, bool transpose_b = false) {
  const std::size_t ra = a.shape.size(), rb = b.shape.size();
  const std::int64_t M = a.shape[ra - (transpose_a ? 1 : 2)], K = a.shape[ra - (transpose_a ? 2 : 1)];
  const std::int64_t N = b.shape[rb - (transpose_b ? 2 : 1)];
  Extents batch(std::max(ra, rb) - 2);
  for (std::size_t i = 1; i <= batch.size(); ++i) {
    const std::int64_t m = i + 2 <= ra ? a.shape[ra - 2 - i] : 1, n = i + 2 <= rb ? b.shape[rb - 2 - i] : 1;
    batch[batch.size() - i] = m == 1 ? n : m;
  }
  Extents shape = batch;
  shape.push_back(M);
  shape.push_back(N);
  Array y(shape);
  std::int64_t out = 0;
  for_each_index(batch, [&](const Extents& index) {
    Extents start = index;
    start.push_back(0);
    start.push_back(0);
    const double *pa = a.values.data() + a.position(start), *pb = b.values.data() + b.position(start);
    for (std::int64_t i = 0; i < M; ++i)
      for (std::int64_t j = 0; j < N; ++j, ++out)
        for (std::int64_t k = 0; k < K; ++k)
          y[out] += pa[transpose_a ? k * M + i : i * K + k] * pb[transpose_b ? j * K + k : k * N + j];
  });
  return y;
}

/// Softmax of one row that starts at x and whose elements are `step` apart, or its logarithm.
inline void softmax_row(std::int64_t n, std::int64_t step, const double* x, double* y, bool logarithm) {
  double largest = -HUGE_VAL, total = 0;
  for (std::int64_t j = 0; j < n; ++j) largest = std::max(largest, x[j * step]);
  for (std::int64_t j = 0; j < n; ++j) total += std::exp(x[j * step] - largest);
  for (std::int64_t j = 0; j < n; ++j) {
    const double log_p = x[j * step] - largest - std::log(total);
    y[j * step] = logarithm ? log_p : std::exp(log_p);
  }
}

/// Softmax along one axis, or its logarithm.
inline Array softmax(const Array& x, std::size_t axis, bool logarithm = false) {
  Array y(x.shape);
  Extents starts = x.shape;
  if (count(starts) == 0) return y;
  starts[axis] = 1;
  std::int64_t step = 1;
  for (std::size_t i = axis + 1; i < x.shape.size(); ++i) step *= x.shape[i];
  for_each_index(starts, [&](const Extents& index) {
    softmax_row(x.shape[axis], step, &x.values[x.position(index)], &y.values[x.position(index)], logarithm);
  });
  return y;
}

/// Layer normalization of the last axis, as its formula says.
inline Array layer_norm(const Array& x, const Array& gamma, const Array& beta, double eps) {
  Array y = x;
  const std::int64_t C = x.shape.back(), rows = C ? count(x.shape) / C : 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    double mean = 0, variance = 0;
    for (std::int64_t c = 0; c < C; ++c) mean += x[i * C + c] / static_cast<double>(C);
    for (std::int64_t c = 0; c < C; ++c)
      variance += (x[i * C + c] - mean) * (x[i * C + c] - mean) / static_cast<double>(C);
    for (std::int64_t c = 0; c < C; ++c)
      y[i * C + c] = (x[i * C + c] - mean) / std::sqrt(variance + eps) * gamma[c] + beta[c];
  }
  return y;
}

}  // namespace reference
