// Classes by the nearest neighbors: how good features are, without training anything on them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// How `knn_classify` votes.
struct KnnOptions {
  std::int64_t k = 20;        ///< neighbors that vote
  double temperature = 0.07;  ///< of their votes: the lower, the more the nearest ones count
};

namespace detail {

/// Throws ShapeError unless `features` is (N, C) and finite, and there is a label for each of at least one
/// sample, in [0, classes). `op` begins the message.
void check_samples(const char* op, const Tensor& features, std::span<const int> labels, std::int64_t classes);

}  // namespace detail

/// The classes (M) of `queries` (M, C) by the k nearest of the samples `train` (N, C), whose classes `labels`
/// are: nearest in the cosine between features, each voting for its class with weight exp(cosine /
/// temperature), as M. Caron et al. measure features ("Emerging Properties in Self-Supervised Vision
/// Transformers", arXiv:2104.14294). Of equally near samples the first counts, of equally many votes the
/// lower class. The result does not depend on the number of threads. Needs 8 k M bytes and a few MiB.
///
/// Throws ShapeError if there are no samples, the numbers do not fit, a label is outside of [0, classes) or a
/// feature is not finite; ConfigError unless 1 ≤ k ≤ N and the temperature is positive.
[[nodiscard]] std::vector<int> knn_classify(const Tensor& train, std::span<const int> labels,
                                            const Tensor& queries, std::int64_t classes,
                                            const KnnOptions& options = {});

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <cmath>

#include "minivit/core/parallel.hpp"
#include "minivit/kernels/gemm.hpp"
#include "minivit/kernels/reduce.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// Throws ShapeError unless `features` is (N, C) and finite.
inline void check_features(const char* op, const Tensor& features) {
  check<ShapeError>(features.rank() == 2 && features.size(1) > 0, op, ": features are ", features.shape(),
                    ", expected (N, C)");
  if (std::isfinite(kernels::sum_of_squares(features.numel(), features.data()))) return;
  for (std::int64_t i = 0; i < features.numel(); ++i)
    check<ShapeError>(std::isfinite(features.data()[i]), op, ": feature ", i % features.size(1),
                      " of sample ", i / features.size(1), " is ", features.data()[i],
                      ", expected finite numbers; does the model predict?");
}

/// The same for samples whose classes are known, of which there must be one.
MINIVIT_INLINE void check_samples(const char* op, const Tensor& features, std::span<const int> labels,
                                  std::int64_t classes) {
  check_features(op, features);
  const auto n = static_cast<std::int64_t>(labels.size());
  check<ShapeError>(n > 0, op, ": no samples given, expected at least one");
  check<ShapeError>(features.size(0) == n, op, ": features are ", features.shape(), ", expected (", n,
                    ", C) to match ", n, " labels");
  for (std::size_t i = 0; i < labels.size(); ++i)
    check<ShapeError>(labels[i] >= 0 && labels[i] < classes, op, ": label ", labels[i], " of sample ", i,
                      " is out of range for ", classes, " classes");
}

/// Writes rows [begin, begin + n) of x (N, C) to `out`, each divided by its length; one of zeros stays.
inline void unit_rows(const Tensor& x, std::int64_t begin, std::int64_t n, float* out) {
  const std::int64_t C = x.size(1);
  parallel_for(n, grain_for(3 * C), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const float* const row = x.data() + (begin + i) * C;
      double squares = 0;
      for (std::int64_t c = 0; c < C; ++c) squares += double{row[c]} * row[c];
      const double scale = squares > 0 ? 1.0 / std::sqrt(squares) : 0.0;
      for (std::int64_t c = 0; c < C; ++c) out[i * C + c] = static_cast<float>(row[c] * scale);
    }
  });
}

}  // namespace detail

MINIVIT_INLINE std::vector<int> knn_classify(const Tensor& train, std::span<const int> labels,
                                             const Tensor& queries, std::int64_t classes,
                                             const KnnOptions& options) {
  detail::check_samples("knn", train, labels, classes);
  detail::check_features("knn", queries);
  const std::int64_t N = train.size(0), C = train.size(1), M = queries.size(0), k = options.k;
  check<ShapeError>(queries.size(1) == C, "knn: queries are ", queries.shape(), ", expected (M, ", C,
                    ") to match the samples ", train.shape());
  check<ConfigError>(k >= 1 && k <= N, "knn: k is ", k, ", expected 1 to ", N,
                     ", the number of samples; ask for fewer neighbors or give more samples");
  check<ConfigError>(options.temperature > 0 && std::isfinite(options.temperature), "knn: temperature is ",
                     options.temperature, ", expected a positive number");

  // Samples and queries are compared a block at a time: at no time are there more than kSamples × kQueries
  // similarities, however many there are of both.
  constexpr std::int64_t kSamples = 4096, kQueries = 256;
  struct Neighbor {
    float similarity;
    int label;
  };
  std::vector<Neighbor> nearest(static_cast<std::size_t>(M * k));  // of each query, the nearest first
  const std::int64_t samples = std::min(N, kSamples), at_once = std::min(M, kQueries);
  Tensor sample_block = Tensor::empty({samples, C}), query_block = Tensor::empty({at_once, C}),
         similarity = Tensor::empty({at_once, samples});
  for (std::int64_t first = 0; first < N; first += kSamples) {
    const std::int64_t n = std::min(kSamples, N - first);
    detail::unit_rows(train, first, n, sample_block.data());
    const kernels::PackedMatrix packed(C, n, kernels::MatrixView::rows(sample_block.data(), C).transposed());
    for (std::int64_t query = 0; query < M; query += kQueries) {
      const std::int64_t m = std::min(kQueries, M - query);
      detail::unit_rows(queries, query, m, query_block.data());
      kernels::gemm(m, kernels::MatrixView::rows(query_block.data(), C), packed, similarity.data(), n);
      parallel_for(m, grain_for(n), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          Neighbor* const best = nearest.data() + (query + i) * k;
          for (std::int64_t j = 0; j < n; ++j) {
            const float s = similarity.data()[i * n + j];
            const std::int64_t have = std::min(k, first + j);
            if (have == k && !(s > best[k - 1].similarity)) continue;
            std::int64_t place = std::min(have, k - 1);
            for (; place > 0 && s > best[place - 1].similarity; --place) best[place] = best[place - 1];
            best[place] = {s, labels[static_cast<std::size_t>(first + j)]};
          }
        }
      });
    }
  }

  std::vector<int> result;
  std::vector<double> votes(static_cast<std::size_t>(classes));
  for (std::int64_t i = 0; i < M; ++i) {
    std::ranges::fill(votes, 0.0);
    const Neighbor* const best = nearest.data() + i * k;
    for (std::int64_t j = 0; j < k; ++j)  // relative to the nearest, so that no temperature overflows
      votes[static_cast<std::size_t>(best[j].label)] +=
          std::exp((double{best[j].similarity} - best[0].similarity) / options.temperature);
    result.push_back(static_cast<int>(std::ranges::max_element(votes) - votes.begin()));
  }
  return result;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
