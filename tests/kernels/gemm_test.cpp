// Matrix products of all shapes, layouts and epilogues, against loops in double precision.
#include "minivit/kernels/gemm.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "minivit/core/rng.hpp"

using namespace minivit;
using namespace minivit::kernels;

namespace {

constexpr float kUntouched = 12345.0f;

std::vector<float> random(std::int64_t n, std::uint64_t stream) {
  std::vector<float> x(static_cast<std::size_t>(n));
  Rng rng(1, stream);
  for (float& v : x) v = rng.uniform(-1, 1);
  return x;
}

/// A matrix with `padding` floats behind each row (or column, if stored transposed).
struct Matrix {
  std::vector<float> data;
  MatrixView view;

  Matrix(std::int64_t rows, std::int64_t columns, bool transposed, std::int64_t padding,
         std::uint64_t stream) {
    const std::int64_t stride = (transposed ? rows : columns) + padding;
    data = random((transposed ? columns : rows) * stride + 1, stream);  // + 1: never empty
    view = MatrixView::rows(data.data(), stride);
    if (transposed) view = view.transposed();
  }
  double at(std::int64_t i, std::int64_t j) const {
    return view.data[i * view.row_stride + j * view.column_stride];
  }
};

struct Problem {
  std::int64_t M, N, K;
  bool transpose_a, transpose_b;
  std::int64_t padding;  // of A, B and C
  bool bias, add;
  float scale;

  std::vector<float> run() const {
    const Matrix a(M, K, transpose_a, padding, 1), b(K, N, transpose_b, padding, 2);
    const std::vector<float> row = random(N, 3);
    std::vector<float> c(static_cast<std::size_t>(M * (N + padding)), kUntouched);
    for (std::int64_t i = 0; i < M; ++i)
      for (std::int64_t j = 0; j < N; ++j)  // what is not to be added to must not be read either
        c[static_cast<std::size_t>(i * (N + padding) + j)] =
            add ? before(i, j) : std::numeric_limits<float>::quiet_NaN();
    gemm(M, N, K, a.view, b.view, c.data(), N + padding,
         {.scale = scale, .bias = bias ? row.data() : nullptr, .add = add});
    return c;
  }

  /// The worst error of an element relative to what a sum of that many products may have.
  double error(const std::vector<float>& c) const {
    const Matrix a(M, K, transpose_a, padding, 1), b(K, N, transpose_b, padding, 2);
    const std::vector<float> row = random(N, 3);
    double worst = 0;
    for (std::int64_t i = 0; i < M; ++i) {
      for (std::int64_t j = 0; j < N; ++j) {
        double sum = 0, magnitude = 0;
        for (std::int64_t k = 0; k < K; ++k)
          sum += a.at(i, k) * b.at(k, j), magnitude += std::fabs(a.at(i, k) * b.at(k, j));
        const double extra = (bias ? row[static_cast<std::size_t>(j)] : 0.0) + (add ? before(i, j) : 0.0);
        const double expected = scale * sum + extra, allowed = 1e-6 * (std::fabs(scale) * magnitude + 2);
        const double e = std::fabs(c[static_cast<std::size_t>(i * (N + padding) + j)] - expected) / allowed;
        if (!(e <= worst)) worst = e;  // NaN too
      }
      for (std::int64_t j = N; j < N + padding; ++j)
        if (c[static_cast<std::size_t>(i * (N + padding) + j)] != kUntouched) return HUGE_VAL;
    }
    return worst;
  }

  static float before(std::int64_t i, std::int64_t j) {
    return 0.01f * static_cast<float>((i * 7 + j * 3) % 50);
  }
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check_all_forms(std::int64_t M, std::int64_t N, std::int64_t K) {
  for (int form = 0; form < 4; ++form)
    for (int epilogue = 0; epilogue < 4; ++epilogue) {
      const Problem p{M,
                      N,
                      K,
                      (form & 1) != 0,
                      (form & 2) != 0,
                      form == epilogue ? 0 : 3,
                      (epilogue & 1) != 0,
                      (epilogue & 2) != 0,
                      form == 1 ? -0.5f : 1.0f};
      CAPTURE(M);
      CAPTURE(N);
      CAPTURE(K);
      CAPTURE(form);
      CAPTURE(epilogue);
      CHECK(p.error(p.run()) <= 1);
    }
}

}  // namespace

TEST_CASE("gemm is the sum of products, in every form and with every epilogue") {
  for (const std::int64_t n : {0, 1, 2, 3, 5, 7, 13, 31, kLanes - 1, kLanes, kLanes + 1, 2 * kLanes + 1}) {
    check_all_forms(n, 3, 4);
    check_all_forms(3, n, 4);
    check_all_forms(3, 4, n);
    check_all_forms(n, n, n);
  }
  using kernels::detail::kDepth;
  constexpr std::int64_t kBlock = kernels::detail::kBlockTiles * kTileRows;
  for (const std::int64_t m : {kTileRows - 1, kTileRows, kTileRows + 1, 2 * kTileRows - 1, 8 * kTileRows + 1})
    check_all_forms(m, 5, 6);
  for (const std::int64_t m : {kBlock - 1, kBlock, kBlock + 1, 8 * kBlock + 1}) check_all_forms(m, 5, 6);
  for (const std::int64_t n : {kTileColumns - 1, kTileColumns, kTileColumns + 1, 3 * kTileColumns + 5})
    check_all_forms(9, n, 6);
  for (const std::int64_t k : {kDepth - 1, kDepth, kDepth + 1, 2 * kDepth + 1}) check_all_forms(9, 19, k);
  for (const std::int64_t k : {2 * kDepth, 4 * kDepth - 1, 8 * kDepth + 3}) check_all_forms(17, 35, k);
  check_all_forms(197, 64, 300);
  check_all_forms(65, 129, 257);
}

TEST_CASE("gemm of depth 0 is its epilogue") {
  const float bias[] = {1, 2, 3};
  float c[] = {5, 5, 5, 5, 5, 5};
  gemm(2, 3, 0, MatrixView::rows(bias, 0), MatrixView::rows(bias, 3), c, 3, {.bias = bias, .add = true});
  for (int i = 0; i < 6; ++i) CHECK(c[i] == 5 + bias[i % 3]);
  gemm(2, 3, 0, MatrixView::rows(bias, 0), MatrixView::rows(bias, 3), c, 3);
  for (const float v : c) CHECK(v == 0);
}

TEST_CASE("gemm of nothing touches nothing") {
  float c = 7;
  gemm(0, 3, 2, MatrixView::rows(&c, 2), MatrixView::rows(&c, 3), nullptr, 3);
  gemm(3, 0, 2, MatrixView::rows(&c, 2), MatrixView::rows(&c, 0), nullptr, 0);
  CHECK(c == 7);
}

TEST_CASE("gemm gives the same bits with 1, 2 and 3 threads, and inside a parallel_for") {
  const int before = num_threads();
  for (int form = 0; form < 4; ++form) {
    const Problem p{211, 131, 600, (form & 1) != 0, (form & 2) != 0, 2, true, true, 0.7f};
    set_num_threads(1);
    const std::vector<float> one = p.run();
    for (const int n : {2, 3}) {
      set_num_threads(n);
      CHECK(same_bits(p.run(), one));
    }
    std::vector<std::vector<float>> nested(4);
    parallel_for(
        4, 1, [&](std::int64_t begin, std::int64_t) { nested[static_cast<std::size_t>(begin)] = p.run(); });
    for (const std::vector<float>& c : nested) CHECK(same_bits(c, one));
  }
  set_num_threads(before);
}

TEST_CASE(
    "gemm of a long K, in pieces: sums of rows, mapped rows, the same bits with any number of threads") {
  struct PlusPlace {
    static float of(std::int64_t i, std::int64_t j) { return static_cast<float>(i % 7 + j % 5); }
    static void map(const void*, std::int64_t i, std::int64_t begin, std::int64_t n, const float* x,
                    float* out) {
      for (std::int64_t q = 0; q < n; ++q) out[q] = x[q] + of(i, begin + q);
    }
  };
  const int threads = num_threads();
  struct Case {
    std::int64_t M, N, K, groups;
    float scale;  // 1: A is packed by the tiles that multiply it first
  };
  constexpr std::int64_t kDepth = kernels::detail::kDepth;
  for (const Case& given : {Case{53, 37, 2 * kDepth - 1, 1, 1}, Case{53, 37, 2 * kDepth, 2, 1},
                            Case{53, 37, 4 * kDepth + 1, 4, 0.5f}, Case{53, 37, 8 * kDepth + 104, 4, 1},
                            Case{1100, 37, 2 * kDepth + 5, 2, 1}, Case{53, 613, 2 * kDepth + 5, 2, 1},
                            Case{53, 613, 2 * kDepth, 2, 0.5f}, Case{1027, 1031, 2 * kDepth, 1, 1},
                            Case{1031, 1027, 2 * kDepth + 3, 1, 1}}) {
    const std::int64_t M = given.M, N = given.N, K = given.K;
    CAPTURE(M);
    CAPTURE(N);
    CAPTURE(K);
    CAPTURE(given.scale);
    CHECK(kernels::detail::groups_of(M, N, K) == given.groups);
    const Matrix a(M, K, true, 2, 1), b(K, N, false, 2, 2);
    MatrixView B = b.view;
    B.row_map = {&PlusPlace::map, nullptr};
    const std::vector<float> c_before = random(M * N, 4), before = random(M, 5);
    const auto run = [&](std::vector<float>& c, std::vector<float>& sums) {
      c = c_before, sums = before;
      gemm(M, N, K, a.view, B, c.data(), N, {.scale = given.scale, .add = true, .sums = sums.data()});
    };
    std::vector<float> c, sums, again, sums_again;
    set_num_threads(1);
    run(c, sums);
    for (const int n : {2, 3, 20}) {
      set_num_threads(n);
      run(again, sums_again);
      CHECK(same_bits(again, c));
      CHECK(same_bits(sums_again, sums));
    }
    parallel_for(1, 1, [&](std::int64_t, std::int64_t) { run(again, sums_again); });
    CHECK(same_bits(again, c));
    CHECK(same_bits(sums_again, sums));
    std::vector<float> alone = before;
    add_sums(M, N, K, a.view, alone.data());
    CHECK(same_bits(alone, sums));
    const std::int64_t step = M * N < 100000 ? 1 : 61;  // of a large C some elements
    for (std::int64_t i = 0; i < M; ++i) {
      double row = before[static_cast<std::size_t>(i)];
      for (std::int64_t k = 0; k < K; ++k) row += a.at(i, k);
      CHECK(std::fabs(row - sums[static_cast<std::size_t>(i)]) <= 1e-4);
      for (std::int64_t j = i % step; j < N; j += step) {
        const auto at = static_cast<std::size_t>(i * N + j);
        double sum = 0, magnitude = 2;
        for (std::int64_t k = 0; k < K; ++k) {
          const double product =
              static_cast<double>(given.scale) * a.at(i, k) * (b.at(k, j) + PlusPlace::of(k, j));
          sum += product, magnitude += std::fabs(product);
        }
        CHECK(std::fabs(c[at] - c_before[at] - sum) <= 1e-6 * magnitude);
      }
    }
  }
  set_num_threads(threads);
}

TEST_CASE("gemm of few rows gives the same bits and sums however they are divided") {
  const int before = num_threads();
  // 23 and 29 tiles: 11 and 13 are left over with 12 and 16 threads, more than a block has.
  for (const std::int64_t M : {5, 15, 29, 197, 230, 23 * kTileRows, 29 * kTileRows - 3})
    for (const std::int64_t N : {3, 40, 300})
      for (const bool transposed : {false, true}) {
        CAPTURE(M);
        CAPTURE(N);
        const std::int64_t K = 600;
        const Matrix a(M, K, transposed, 0, 1), b(K, N, true, 0, 2);
        std::vector<float> expected, expected_sums;
        for (const int threads : {1, 2, 3, 8, 12, 16, 20}) {
          set_num_threads(threads);
          std::vector<float> c(static_cast<std::size_t>(M * N)), sums = random(M, 5);
          gemm(M, N, K, a.view, b.view, c.data(), N, {.sums = transposed ? sums.data() : nullptr});
          if (threads == 1) expected = c, expected_sums = sums;
          CHECK(same_bits(c, expected));
          CHECK(same_bits(sums, expected_sums));
        }
      }
  set_num_threads(before);
}

TEST_CASE("gemm with what its epilogue adds, maps and sums, and with rows that go through a map") {
  struct Twice {
    static void map(const void*, std::int64_t i, std::int64_t begin, std::int64_t n, const float* x,
                    float* out) {
      for (std::int64_t q = 0; q < n; ++q) out[q] = 2 * x[q] + static_cast<float>((i + begin + q) % 3 - 1);
    }
  };
  struct Minus {
    static void map(const void* context, const TileMap::Piece& p) {
      for (std::int64_t r = 0; r < p.rows; ++r)
        for (std::int64_t q = 0; q < p.columns; ++q)
          p.c[r * p.c_stride + q] =
              p.tile[r * p.tile_stride + q] -
              *static_cast<const float*>(context) * static_cast<float>((p.i + r + p.j + q) % 5);
    }
  };
  const float factor = 0.25f;
  for (const auto& size :
       {std::array<std::int64_t, 3>{1, 1, 1}, {5, 7, 3}, {29, 67, 40}, {131, 33, 1100}, {15, 40, 513}})
    for (int form = 0; form < 4; ++form) {
      const std::int64_t M = size[0], N = size[1], K = size[2];
      CAPTURE(M);
      CAPTURE(N);
      CAPTURE(K);
      CAPTURE(form);
      const Matrix a(M, K, (form & 1) != 0, 2, 1), b(K, N, (form & 2) != 0, 2, 2);
      // Rows in memory go through the map: rows of a matrix, or columns of one that is stored transposed. A
      // product of dYᵀ packs plain columns, so its left operand has none.
      MatrixView A = a.view, B = b.view;
      if ((form & 1) == 0) A.row_map = {&Twice::map, nullptr};
      B.row_map = {&Twice::map, nullptr};
      const auto at_a = [&](std::int64_t i, std::int64_t k) {
        return (form & 1) ? a.at(i, k) : 2 * a.at(i, k) + static_cast<double>((i + k) % 3 - 1);
      };
      const auto at_b = [&](std::int64_t k, std::int64_t j) {
        return 2 * b.at(k, j) + static_cast<double>((k + j) % 3 - 1);
      };
      const std::vector<float> bias = random(N, 3), plus = random(M * N, 4);
      std::vector<float> c(static_cast<std::size_t>(M * N), std::numeric_limits<float>::quiet_NaN()),
          sums = random(M, 5);
      const std::vector<float> before = sums;
      Epilogue epilogue{
          .bias = bias.data(), .plus = plus.data(), .finish = {&Minus::map, &factor, plus.data()}};
      if (form & 1) epilogue.sums = sums.data();
      gemm(M, N, K, A, B, c.data(), N, epilogue);

      std::vector<float> packed(c.size());
      epilogue.sums = nullptr;
      gemm(M, A, PackedMatrix(K, N, B), packed.data(), N, epilogue);
      CHECK(same_bits(packed, c));

      double worst = 0, worst_sum = 0;
      for (std::int64_t i = 0; i < M; ++i) {
        double row = before[static_cast<std::size_t>(i)];
        for (std::int64_t k = 0; k < K; ++k) row += at_a(i, k);
        if (form & 1) worst_sum = std::max(worst_sum, std::fabs(row - sums[static_cast<std::size_t>(i)]));
        for (std::int64_t j = 0; j < N; ++j) {
          double sum = 0, magnitude = 2;
          for (std::int64_t k = 0; k < K; ++k)
            sum += at_a(i, k) * at_b(k, j), magnitude += std::fabs(at_a(i, k) * at_b(k, j));
          const auto at = static_cast<std::size_t>(i * N + j);
          const double expected =
              sum + bias[static_cast<std::size_t>(j)] + plus[at] - factor * static_cast<double>((i + j) % 5);
          worst = std::max(worst, std::fabs(c[at] - expected) / (1e-6 * magnitude));
        }
      }
      if (form & 1) {
        std::vector<float> alone = before;
        add_sums(M, kernels::detail::kPartialFloats, K, A, alone.data());  // so many columns: not in groups
        CHECK(same_bits(alone, sums));
      }
      CHECK(worst <= 1);
      CHECK(worst_sum <= 1e-4);
    }
}
