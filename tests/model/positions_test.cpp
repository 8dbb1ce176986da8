// Fixed position embeddings against the formula of the paper, written as its own code writes it.
#include "minivit/model/positions.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

using namespace minivit;

TEST_CASE("sines and cosines of column and row, a quarter of the channels each") {
  struct Case {
    std::int64_t rows, columns, C, prefix;
  };
  for (const Case& c : {Case{1, 1, 8, 0}, Case{2, 3, 8, 1}, Case{3, 2, 64, 5}, Case{14, 14, 384, 1}}) {
    const std::int64_t rows = c.rows, columns = c.columns, C = c.C, prefix = c.prefix;
    CAPTURE(rows);
    CAPTURE(C);
    const Tensor t = sincos_positions(rows, columns, C, prefix);
    REQUIRE(t.shape() == Shape{1, prefix + rows * columns, C});
    CHECK(std::ranges::all_of(t.values().first(static_cast<std::size_t>(prefix * C)),
                              [](float v) { return v == 0.0f; }));
    // omega = 1 / 10000^(linspace(0, 1, C/4)); str_cat(sin(x omega), cos(x omega), sin(y omega), cos(y
    // omega))
    double worst = 0;
    for (std::int64_t patch = 0; patch < rows * columns; ++patch)
      for (std::int64_t i = 0; i < C; ++i) {
        const std::int64_t block = i / (C / 4), k = i % (C / 4);
        const double omega = 1 / std::pow(10000.0, static_cast<double>(k) / static_cast<double>(C / 4 - 1));
        const double angle = static_cast<double>(block < 2 ? patch % columns : patch / columns) * omega;
        const double expected = block % 2 == 0 ? std::sin(angle) : std::cos(angle);
        worst = std::max(worst, std::fabs(t(0, prefix + patch, i) - expected));
      }
    CHECK(worst < 1e-6);
  }
}

TEST_CASE("no two patches have the same position") {
  const Tensor t = sincos_positions(5, 4, 16, 0);
  for (std::int64_t a = 0; a < 20; ++a)
    for (std::int64_t b = 0; b < a; ++b)
      CHECK_FALSE(std::equal(t.data() + a * 16, t.data() + a * 16 + 16, t.data() + b * 16));
}
