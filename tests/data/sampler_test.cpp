// Orders in which every class comes equally often.
#include "minivit/data/sampler.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "minivit/data/dataset.hpp"
#include "minivit/data/loader.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

/// 50 of class 0, 3 of class 2, 8 of class 7: 61.
std::vector<int> unequal() {
  std::vector<int> labels(50, 0);
  labels.insert(labels.end(), 3, 2);
  labels.insert(labels.end(), 8, 7);
  return labels;
}

/// A sample is its number and something random.
struct Numbers {
  std::vector<int> labels = unequal();
  std::size_t size() const { return labels.size(); }
  Shape sample_shape() const { return {1, 1, 2}; }
  std::string name(std::size_t i) const { return str_cat("sample ", i); }
  int load(std::size_t i, Rng& rng, float* out) const {
    out[0] = static_cast<float>(i), out[1] = rng.uniform();
    return labels[i];
  }
};

std::vector<float> values_of(DataLoader<Numbers>& loader, std::uint64_t epoch, std::size_t first) {
  std::vector<float> all;
  for (const Batch& batch : loader.epoch(epoch, first))
    all.insert(all.end(), batch.images.values().begin(), batch.images.values().end());
  return all;
}

}  // namespace

TEST_CASE("every class comes equally often, its samples as evenly as can be") {
  const std::vector<int> labels = unequal();
  const BalancedSampler sampler(labels, 4);
  std::set<std::size_t> seen;
  std::map<int, int> extra;
  for (std::uint64_t epoch = 0; epoch < 12; ++epoch) {
    const std::vector<std::size_t> order = sampler(epoch);
    REQUIRE(order.size() == labels.size());
    std::map<std::size_t, int> times;
    std::map<int, int> of_class;
    for (const std::size_t i : order) ++times[i], ++of_class[labels.at(i)], seen.insert(i);
    for (const int c : {0, 2, 7}) {
      CHECK((of_class[c] == 20 || of_class[c] == 21));  // 61 = 3 · 20 + 1
      extra[c] += of_class[c] == 21;
      std::vector<int> counts;
      for (std::size_t i = 0; i < labels.size(); ++i)
        if (labels[i] == c) counts.push_back(times[i]);
      const auto [least, most] = std::ranges::minmax(counts);
      CHECK(most - least <= 1);
    }
  }
  CHECK(seen.size() == labels.size());  // no sample is left out for ever
  for (const int c : {0, 2, 7}) CHECK(extra[c] > 0);
  CHECK(sampler(3) == BalancedSampler(labels, 4)(3));
  CHECK(sampler(3) != sampler(4));
  CHECK(sampler(3) != BalancedSampler(labels, 5)(3));
  CHECK(message_of<ConfigError>([] { BalancedSampler({}, 1); }) == "BalancedSampler: there are no samples");
  CHECK(message_of<ConfigError>([] {
          BalancedSampler({1, -1}, 1);
        }) == "BalancedSampler: a label is negative");
}

TEST_CASE("a loader takes its order from a function, whatever the number of workers and the first batch") {
  const Numbers data;
  const auto loader = [&](int workers) {
    return std::make_unique<DataLoader<Numbers>>(
        data, LoaderOptions{
                  .batch_size = 8, .order = BalancedSampler(data.labels, 1), .seed = 1, .workers = workers});
  };
  const std::vector<float> whole = values_of(*loader(0), 2, 0);
  REQUIRE(whole.size() == 2 * data.size());
  CHECK(values_of(*loader(3), 2, 0) == whole);
  CHECK(values_of(*loader(2), 2, 5) == std::vector<float>(whole.begin() + 5 * 8 * 2, whole.end()));
  CHECK(values_of(*loader(1), 3, 0) != whole);
  // A sample that comes again is another augmentation of the same image.
  std::map<float, std::set<float>> draws;
  std::map<float, std::size_t> times;
  for (std::size_t i = 0; i < whole.size(); i += 2) draws[whole[i]].insert(whole[i + 1]), ++times[whole[i]];
  CHECK(times[50] >= 6);
  for (const auto& [sample, n] : times) CHECK(draws[sample].size() == n);

  const auto refused = [&](std::vector<std::size_t> order) {
    DataLoader<Numbers> bad(data, {.order = [order](std::uint64_t) { return order; }});
    return message_of<ConfigError>([&] { bad.start(0); });
  };
  CHECK(refused({1, 2}) == "loader: the order of an epoch has 2 samples, expected 61");
  CHECK(refused(std::vector<std::size_t>(61, 61)) == "loader: the order of an epoch has sample 61 of 61");
}
