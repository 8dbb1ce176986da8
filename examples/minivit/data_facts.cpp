// Counts and sizes, as the scan before the training found them.
#include "data_facts.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace minivit::cli {

namespace {

std::size_t total(const std::vector<std::size_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
}

}  // namespace

DataFacts DataFacts::of(const TrainConfig& config, const TrainingImages& images) {
  const DataReport& r = images.report;
  DataFacts facts{.classes = r.classes,
                  .train = r.train.by_class,
                  .val = r.val.by_class,
                  .smallest = r.smallest,
                  .median = r.median,
                  .largest = r.largest,
                  .suffixes = {r.suffixes.begin(), r.suffixes.end()},
                  .own_val = !config.data.val.empty()};
  std::ranges::stable_sort(facts.suffixes, std::greater<>(), [](const auto& s) { return s.second; });
  return facts;
}

std::size_t DataFacts::train_total() const { return total(train); }
std::size_t DataFacts::val_total() const { return total(val); }

double majority_share(const std::vector<std::size_t>& counts, std::size_t* label) {
  const auto largest = std::ranges::max_element(counts);
  if (largest == counts.end() || *largest == 0) return 0;
  if (label) *label = static_cast<std::size_t>(largest - counts.begin());
  return static_cast<double>(*largest) / static_cast<double>(total(counts));
}

}  // namespace minivit::cli
