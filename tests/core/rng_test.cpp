#include "minivit/core/rng.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <thread>
#include <vector>

using namespace minivit;

// The vectors that Random123 publishes for philox4x32-10 (its file kat_vectors).
TEST_CASE("Philox gives the published numbers") {
  using Counter = std::array<std::uint32_t, 4>;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t kOnes = 0xffffffff;
  CHECK(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  // The digits of pi.
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream is a function of its keys and the position") {
  Rng rng(0x0123456789abcdef, 5, 6);
  const Rng fixed = rng;
  for (std::uint64_t i = 0; i < 100; ++i) CHECK(rng.next() == fixed.at(i / 4)[i % 4]);
  CHECK(fixed.at(3) == philox4x32({3, 0, 5, 6}, {0x89abcdef, 0x01234567}));
  CHECK(fixed.at(1ull << 32 | 2) == philox4x32({2, 1, 5, 6}, {0x89abcdef, 0x01234567}));
  for (const Rng& other : {Rng(1), Rng(0, 1), Rng(0, 0, 1), Rng(1ull << 32)})
    CHECK(other.at(0) != Rng().at(0));
}

TEST_CASE("uniform is in [0, 1), evenly") {
  CHECK(Rng::to_unit(0) == 0.0f);
  CHECK(Rng::to_unit(0xffffffff) == 1.0f - 0x1p-24f);
  Rng rng(1);
  constexpr int n = 100'000;
  double total = 0;
  std::array<int, 10> bins{};
  for (int i = 0; i < n; ++i) {
    const float u = rng.uniform();
    total += u;
    ++bins.at(static_cast<std::size_t>(u * 10));
    const float v = rng.uniform(-3, 5);
    CHECK((v >= -3 && v < 5));
  }
  CHECK(std::fabs(total / n - 0.5) <= 4 * std::sqrt(1 / 12.0 / n));
  for (const int count : bins) CHECK(std::fabs(count - n / 10.0) <= 4.5 * std::sqrt(n * 0.09));
}

TEST_CASE("below is in range and without bias") {
  Rng rng(2);
  for (int i = 0; i < 100; ++i) CHECK(rng.below(1) == 0);
  for (const std::uint32_t n : {2u, 3u, 7u, 10u}) {
    std::vector<int> counts(n);
    constexpr int draws = 70'000;
    for (int i = 0; i < draws; ++i) ++counts.at(rng.below(n));
    const double expected = double{draws} / n;
    for (const int count : counts) CHECK(std::fabs(count - expected) <= 4.5 * std::sqrt(expected));
  }
  // Multiplying and shifting alone would make numbers of this range that are divisible by 3 twice as likely.
  constexpr std::uint32_t n = 3u << 30;
  int third = 0;
  constexpr int draws = 60'000;
  for (int i = 0; i < draws; ++i) {
    const std::uint32_t x = rng.below(n);
    CHECK(x < n);
    third += x % 3 == 0;
  }
  CHECK(std::fabs(third - draws / 3.0) <= 4.5 * std::sqrt(draws * 2 / 9.0));
}

TEST_CASE("normal has the moments of the normal distribution") {
  Rng rng(3);
  constexpr int n = 400'000;
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  int beyond_two = 0;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    CHECK(std::isfinite(x));
    m1 += x / n, m2 += x * x / n, m3 += x * x * x / n, m4 += x * x * x * x / n;
    beyond_two += std::fabs(x) > 2;
  }
  CHECK(std::fabs(m1) <= 4 * std::sqrt(1.0 / n));
  CHECK(std::fabs(m2 - 1) <= 4 * std::sqrt(2.0 / n));
  CHECK(std::fabs(m3) <= 4 * std::sqrt(15.0 / n));
  CHECK(std::fabs(m4 - 3) <= 4 * std::sqrt(96.0 / n));
  CHECK(std::fabs(beyond_two / double{n} - 0.0455) <= 4 * std::sqrt(0.0455 / n));
}

TEST_CASE("the generator counts its draws, manual_seed starts again") {
  manual_seed(9, 3);
  CHECK(Generator::local().stream().at(0) == Rng(9, 3, 0).at(0));
  CHECK(Generator::local().stream().at(0) == Rng(9, 3, 1).at(0));
  manual_seed(9);
  CHECK(Generator::local().stream().at(0) == Rng(9, 0, 0).at(0));
}

TEST_CASE("weights and dropout never draw from the same stream") {
  using enum Generator::Purpose;
  manual_seed(9, 3);
  Generator& g = Generator::local();
  CHECK(g.stream(weights).at(0) == Rng(9, 3, 0).at(0));
  CHECK(g.stream(dropout).at(0) == Rng(9, 3, 0x80000000).at(0));
  CHECK(g.stream(dropout).at(0) == Rng(9, 3, 0x80000001).at(0));
  CHECK(g.stream(weights).at(0) == Rng(9, 3, 1).at(0));  // however much was dropped in between
}

TEST_CASE("threads that nobody seeded draw different numbers, seeded ones repeat theirs") {
  const auto drawn = [](bool seeded) {
    std::array<std::uint32_t, 4> words{};
    std::jthread([&] {
      if (seeded) manual_seed(9);
      words = Generator::local().stream().at(0);
    }).join();
    return words;
  };
  const auto first = drawn(false), second = drawn(false), third = drawn(false);
  CHECK(first != second);
  CHECK(second != third);
  CHECK(first != third);
  CHECK(drawn(true) == drawn(true));
  CHECK(drawn(true) == Rng(9).at(0));
}
