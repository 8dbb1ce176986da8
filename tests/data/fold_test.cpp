// Parts for cross-validation.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "minivit/data/dataset.hpp"
#include "support/message_of.hpp"

using namespace minivit;

TEST_CASE("every sample is for validation once, and every class is in every part in its share") {
  std::vector<int> labels(53, 0);
  labels.insert(labels.end(), 12, 4);
  labels.insert(labels.end(), 3, 7);
  std::set<std::size_t> validated;
  for (std::size_t fold = 0; fold < 5; ++fold) {
    const auto [train, val] = stratified_fold(labels, 5, fold, 9);
    CHECK(train.size() + val.size() == 68);
    CHECK((val.size() == 13 || val.size() == 14));
    CHECK(std::ranges::is_sorted(train));
    CHECK(std::ranges::is_sorted(val));
    const auto of = [&, &part = val](int label) {
      return std::ranges::count_if(part, [&](std::size_t i) { return labels[i] == label; });
    };
    CHECK((of(0) == 10 || of(0) == 11));
    CHECK((of(4) == 2 || of(4) == 3));
    CHECK(of(7) <= 1);
    for (const std::size_t i : val) CHECK(validated.insert(i).second);
    for (const std::size_t i : val) CHECK(!std::ranges::binary_search(train, i));
  }
  CHECK(validated.size() == 68);
  CHECK(stratified_fold(labels, 5, 0, 9).second != stratified_fold(labels, 5, 0, 10).second);
  CHECK(message_of<ConfigError>([&] { static_cast<void>(stratified_fold(labels, 1, 0, 9)); }) ==
        "stratified_fold: part 0 of 1, expected a part below the number of parts, which is 2 or more");
}
