#include "minivit/core/sort.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "minivit/core/rng.hpp"

using namespace minivit;

TEST_CASE("sorted_positions and stable_sort agree with std::stable_sort for every length") {
  for (std::size_t n = 0; n < 70; ++n) {
    Rng rng(1, 2, n);
    std::vector<std::string> items;
    for (std::size_t i = 0; i < n; ++i)  // a few first letters, so that many are equal
      items.push_back(std::string(1, static_cast<char>('a' + rng.below(5))) + std::to_string(i));
    const auto before = [](const std::string& a, const std::string& b) { return a[0] < b[0]; };
    std::vector<std::string> expected = items;
    std::stable_sort(expected.begin(), expected.end(), before);

    const auto order =
        sorted_positions(n, [&](std::uint32_t i, std::uint32_t j) { return before(items[i], items[j]); });
    REQUIRE(order.size() == n);
    for (std::size_t i = 0; i < n; ++i) CHECK(items[order[i]] == expected[i]);
    minivit::stable_sort(items, before);
    CHECK(items == expected);
  }
}
