// Comparison of two classifiers: the exact test against SciPy's, the interval against the normal one.
#include "minivit/insight/comparison.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "support/message_of.hpp"

using namespace minivit;

namespace {

/// So many images that both, only the first, only the second, and none of them has right.
std::pair<std::vector<char>, std::vector<char>> answers_of(int both, int first, int second, int none) {
  std::pair<std::vector<char>, std::vector<char>> out;
  const auto add = [&](int count, bool a, bool b) {
    for (int i = 0; i < count; ++i) out.first.push_back(a), out.second.push_back(b);
  };
  add(both, true, true), add(first, true, false), add(second, false, true), add(none, false, false);
  return out;
}

}  // namespace

TEST_CASE("McNemar's test is SciPy's binomial test of the images that only one has right") {
  const auto [a, b] = answers_of(100, 7, 18, 20);
  const Comparison c = compare(a, b);
  CHECK(c.images == 145);
  CHECK(c.only_first == 7);
  CHECK(c.only_second == 18);
  CHECK(c.difference == doctest::Approx(11.0 / 145));
  CHECK(std::fabs(c.p - 0.043285250663757324) < 1e-9);
  const auto [same, other] = answers_of(50, 3, 3, 4);
  CHECK(compare(same, other).p == 1);
  const auto [equal, too] = answers_of(50, 0, 0, 4);
  CHECK(compare(equal, too).p == 1);
  CHECK(compare(equal, too).interval.low == 0);
  CHECK(compare(equal, too).interval.high == 0);
}

TEST_CASE("the bootstrap interval is near the normal one of many images, and repeats itself") {
  const auto [a, b] = answers_of(3000, 300, 500, 200);
  const Comparison c = compare(a, b);
  const double n = 4000, mean = 200 / n, deviation = std::sqrt((800 / n - mean * mean) / n);
  CHECK(std::fabs(c.interval.low - (mean - 1.96 * deviation)) < 0.001);
  CHECK(std::fabs(c.interval.high - (mean + 1.96 * deviation)) < 0.001);
  const Comparison again = compare(a, b), other = compare(a, b, 0.05, 10000, 1);
  CHECK(again.interval.low == c.interval.low);
  CHECK(again.interval.high == c.interval.high);
  CHECK(std::fabs(other.interval.low - c.interval.low) < 0.001);
}

TEST_CASE("what cannot be compared") {
  CHECK(message_of<ShapeError>([] {
          (void)compare(std::vector<char>{1}, std::vector<char>{1, 0});
        }) == "compare: 1 and 2 answers, expected those of the same images");
  CHECK(message_of<ConfigError>([] { (void)compare({}, {}); }) == "compare: no images");
}
