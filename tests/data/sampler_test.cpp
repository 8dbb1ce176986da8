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

TEST_CASE("epochs of any length cut passes over all samples, one behind the other") {
  for (const std::size_t epoch_size : {1u, 5u, 7u, 20u}) {
    CAPTURE(epoch_size);
    const EpochSampler::Pass pass = EpochSampler::shuffled(7, 3);
    const EpochSampler sampler(pass, 7, epoch_size);
    std::vector<std::size_t> cut, whole;
    for (std::uint64_t epoch = 0; cut.size() < 60; ++epoch) {
      const auto part = sampler(epoch);
      CHECK(part.size() == epoch_size);
      CHECK(part == sampler(epoch));
      cut.insert(cut.end(), part.begin(), part.end());
    }
    for (std::uint64_t i = 0; whole.size() < cut.size(); ++i) {
      auto all = pass(i);
      whole.insert(whole.end(), all.begin(), all.end());
      std::ranges::sort(all);
      for (std::size_t k = 0; k < 7; ++k) CHECK(all[k] == k);
    }
    whole.resize(cut.size());
    CHECK(cut == whole);
  }
  CHECK(EpochSampler::shuffled(50, 3)(0) != EpochSampler::shuffled(50, 3)(1));
  CHECK(EpochSampler::shuffled(50, 3)(0) != EpochSampler::shuffled(50, 4)(0));
  CHECK(message_of<ConfigError>([] { EpochSampler(EpochSampler::shuffled(7, 3), 7, 0); }) ==
        "EpochSampler: 7 samples, 0 in an epoch, expected 1 or more of both");
}

TEST_CASE("a loader has epochs of another length than its data set") {
  const Numbers numbers;
  const EpochSampler sampler(EpochSampler::shuffled(61, 1), 61, 100);
  DataLoader<Numbers> loader(numbers, {.batch_size = 32, .order = sampler, .epoch_size = 100});
  CHECK(loader.batches_per_epoch() == 4);
  const std::vector<float> all = values_of(loader, 0, 0), rest = values_of(loader, 0, 3);
  CHECK(all.size() == 2 * 100);
  CHECK(std::vector<float>(all.end() - 8, all.end()) == rest);  // resumed at its last batch of four
  std::map<float, std::set<float>> random;
  for (std::size_t i = 0; i < all.size(); i += 2) random[all[i]].insert(all[i + 1]);
  CHECK(random.size() == 61);  // all samples, and those that come twice are augmented in two ways
  std::size_t different = 0;
  for (const auto& [sample, draws] : random) different += draws.size();
  CHECK(different == 100);
  CHECK(message_of<ConfigError>([&] { DataLoader<Numbers>(numbers, {.epoch_size = 5}); }) ==
        "loader: epoch_size needs an order that is as long");
}

TEST_CASE("repeated augmentation takes the first samples of a pass, each several times in a row") {
  const EpochSampler::Pass pass = EpochSampler::shuffled(7, 3);
  const EpochSampler::Pass repeated = EpochSampler::repeated(pass, 3);
  for (const std::uint64_t number : {0u, 1u}) {
    const auto all = pass(number), found = repeated(number);
    CHECK(found == std::vector<std::size_t>{all[0], all[0], all[0], all[1], all[1], all[1], all[2]});
  }
  CHECK(EpochSampler::repeated(pass, 1)(0) == pass(0));
}
