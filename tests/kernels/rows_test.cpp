// Softmax of a row, sums whose order is fixed, masks.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "minivit/core/rng.hpp"
#include "minivit/kernels/random.hpp"
#include "minivit/kernels/reduce.hpp"
#include "minivit/kernels/softmax.hpp"

using namespace minivit;
using namespace minivit::kernels;

namespace {

std::vector<float> random(std::int64_t n, float low = -1, float high = 1) {
  std::vector<float> x(static_cast<std::size_t>(n));
  Rng rng(4);
  for (float& v : x) v = rng.uniform(low, high);
  return x;
}

std::vector<std::int64_t> sizes() {
  return {1, 2, 3, 5, 7, 13, 31, kLanes - 1, kLanes, kLanes + 1, 2 * kLanes + 1, 64, 65, 1000};
}

}  // namespace

TEST_CASE("softmax_row: probabilities, in place, too") {
  for (const std::int64_t n : sizes())
    for (const float offset : {0.0f, 1e4f, -1e4f}) {
      const std::vector<float> x = random(n, offset - 5, offset + 5);
      std::vector<float> y(x.size() + 1, 77.0f);
      softmax_row(n, x.data(), y.data());
      double total = 0;
      for (const float v : x) total += std::exp(double{v} - offset);
      double sum_of = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        CHECK(std::fabs(y[i] - std::exp(double{x[i]} - offset) / total) <= 1e-6);
        sum_of += y[i];
      }
      CHECK(std::fabs(sum_of - 1) <= 1e-6);
      CHECK(y.back() == 77.0f);
      std::vector<float> in_place = x;
      softmax_row(n, in_place.data(), in_place.data());
      for (std::size_t i = 0; i < x.size(); ++i) CHECK(in_place[i] == y[i]);
    }
}

TEST_CASE("softmax_row_backward, written and added") {
  for (const std::int64_t n : sizes()) {
    std::vector<float> y(static_cast<std::size_t>(n)), dx(y.size(), 100.0f);
    const std::vector<float> x = random(n), dy = random(n, 0, 2);
    softmax_row(n, x.data(), y.data());
    double dot = 0;
    for (std::size_t i = 0; i < y.size(); ++i) dot += double{y[i]} * dy[i];
    for (const bool add : {false, true}) {
      softmax_row_backward(n, y.data(), dy.data(), dx.data(), add);
      for (std::size_t i = 0; i < y.size(); ++i)
        CHECK(std::fabs(dx[i] - (add ? 2 : 1) * y[i] * (dy[i] - dot)) <= 1e-6);
    }
  }
}

TEST_CASE("row_max passes over NaN") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  for (const std::int64_t n : sizes()) {
    std::vector<float> x = random(n);
    x.back() = 3;
    CHECK(row_max(n, x.data()) == 3);
    if (n > 1) x.front() = kNan;
    CHECK(row_max(n, x.data()) == 3);
  }
  CHECK(row_max(0, nullptr) == -kInf);
}

TEST_CASE("sums of a million elements are exact to the last digits of a double") {
  const std::int64_t n = 1'000'003;
  const std::vector<float> x = random(n, -1, 3);
  long double total = 0, squares = 0;
  for (const float v : x) total += v, squares += static_cast<long double>(v) * v;
  CHECK(std::fabs(static_cast<double>(sum(n, x.data()) - total)) <= 1e-12 * static_cast<double>(total));
  CHECK(std::fabs(static_cast<double>(sum_of_squares(n, x.data()) - squares)) <=
        1e-12 * static_cast<double>(squares));
  CHECK(sum(0, nullptr) == 0);
  CHECK(sum_of_squares(0, nullptr) == 0);
}

TEST_CASE("sums of columns") {
  for (const std::int64_t columns : sizes())
    for (const std::int64_t rows : {0, 1, 3, 63, 64, 65, 1000}) {
      const std::vector<float> x = random(rows * columns, 0, 1);
      std::vector<float> out(static_cast<std::size_t>(columns) + 1, 0.5f);
      column_sums(rows, columns, x.data(), out.data(), true);
      double worst = 0;
      for (std::int64_t j = 0; j < columns; ++j) {
        double expected = 0.5;
        for (std::int64_t i = 0; i < rows; ++i) expected += x[static_cast<std::size_t>(i * columns + j)];
        worst = std::max(worst, std::fabs(out[static_cast<std::size_t>(j)] - expected) / expected);
      }
      CHECK(worst <= 1e-6);
      CHECK(out.back() == 0.5f);
    }
  // Of very many rows: the error must not grow with them.
  const std::int64_t rows = 250'000;
  const std::vector<float> x = random(rows * 4, 0, 1);
  float out[4];
  column_sums(rows, 4, x.data(), out, false);
  for (std::int64_t j = 0; j < 4; ++j) {
    long double expected = 0;
    for (std::int64_t i = 0; i < rows; ++i) expected += x[static_cast<std::size_t>(i * 4 + j)];
    CHECK(std::fabs(static_cast<double>(out[j] - expected)) <= 1e-5 * static_cast<double>(expected));
  }
}

TEST_CASE("sums over a middle axis") {
  for (const std::int64_t outer : {0, 1, 2, 5})
    for (const std::int64_t n : {0, 1, 3, 70})
      for (const std::int64_t inner : {1, 2, kLanes + 1}) {
        const std::vector<float> x = random(outer * n * inner, 0, 1);
        std::vector<float> out(static_cast<std::size_t>(outer * inner), 2.0f);
        for (const bool add : {true, false}) {
          sum_middle(outer, n, inner, x.data(), out.data(), add);
          for (std::int64_t o = 0; o < outer; ++o)
            for (std::int64_t i = 0; i < inner; ++i) {
              double expected = add ? 2 : 0;
              for (std::int64_t j = 0; j < n; ++j)
                expected += x[static_cast<std::size_t>((o * n + j) * inner + i)];
              CHECK(std::fabs(out[static_cast<std::size_t>(o * inner + i)] - expected) <=
                    1e-6 * (expected + 1));
            }
        }
      }
}

TEST_CASE("sums have the same bits with 1, 2 and 3 threads") {
  const int before = num_threads();
  const std::vector<float> x = random(300 * 997);
  double first = 0;
  std::vector<float> first_columns, columns(997);
  for (const int n : {1, 2, 3}) {
    set_num_threads(n);
    const double total = sum(300 * 997, x.data());
    column_sums(300, 997, x.data(), columns.data(), false);
    if (n == 1) first = total, first_columns = columns;
    CHECK(total == first);
    CHECK(columns == first_columns);
  }
  set_num_threads(before);
}

TEST_CASE("dropout_apply: an element's fate is a function of its position") {
  const Rng stream(3, 1, 4);
  const std::int64_t n = 1003;
  const std::vector<float> x = random(n, 1, 2);
  std::vector<float> y(x.size() + 1, 9.0f);
  for (const float p : {0.0f, 0.25f, 0.7f}) {
    dropout_apply(stream, 0, n, p, x.data(), y.data());
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const bool dropped = stream.at(at / 4)[at % 4] < p * 0x1p32;
      CHECK(y[at] == (dropped ? 0.0f : x[at] * (1.0f / (1.0f - p))));
    }
    CHECK(y.back() == 9.0f);
    // In pieces, at their positions; and added.
    std::vector<float> pieces(x.size(), 1.0f);
    for (std::int64_t first = 0; first < n; first += 52)
      dropout_apply(stream, first, std::min<std::int64_t>(52, n - first), p, x.data() + first,
                    pieces.data() + first, true);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(pieces[i] == doctest::Approx(1.0f + y[i]).epsilon(1e-6));
    std::vector<float> in_place = x;
    dropout_apply(stream, 0, n, p, in_place.data(), in_place.data());
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(in_place[i] == y[i]);
  }
}
