#include "minivit/data/dataset.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "../support/message_of.hpp"
#include "minivit/data/image_folder.hpp"

using namespace minivit;

static_assert(Dataset<TensorDataset>);
static_assert(Dataset<Subset<TensorDataset>>);
static_assert(Dataset<ImageFolder>);
static_assert(!Dataset<std::vector<int>>);

namespace {

TensorDataset counting(std::int64_t n) {
  Tensor images = Tensor::empty({n, 1, 2, 2});
  for (std::int64_t i = 0; i < images.numel(); ++i) images.data()[i] = static_cast<float>(i);
  std::vector<int> labels;
  for (int i = 0; i < n; ++i) labels.push_back(i % 3);
  return {images, labels};
}

}  // namespace

TEST_CASE("TensorDataset hands out its samples") {
  const TensorDataset data = counting(5);
  Rng rng;
  float out[4];
  CHECK(data.size() == 5);
  CHECK(data.sample_shape() == Shape{1, 2, 2});
  CHECK(data.load(3, rng, out) == 0);
  CHECK(std::vector(out, out + 4) == std::vector<float>{12, 13, 14, 15});
  CHECK(data.name(3) == "sample 3");
  CHECK(message_of<Error>([&] { data.load(5, rng, out); }) == "TensorDataset: sample 5 of 5");
  CHECK(message_of<ShapeError>([] {
          TensorDataset(Tensor::zeros({2, 1, 2, 2}), {0});
        }) == "TensorDataset: 2 images, 1 labels, expected as many");
  CHECK(message_of<ShapeError>([] {
          TensorDataset(Tensor::zeros({2, 4}), {0, 1});
        }) == "TensorDataset: images are (2, 4), expected (N, C, H, W)");
  CHECK(message_of<Error>([] {
          TensorDataset(Tensor::zeros({1, 1, 1, 1}), {-1});
        }) == "TensorDataset: label -1, expected 0 or more");
}

TEST_CASE("Subset renumbers") {
  const TensorDataset data = counting(5);
  const Subset subset(data, {4, 1});
  Rng rng;
  float out[4];
  CHECK(subset.size() == 2);
  CHECK(subset.load(0, rng, out) == 1);
  CHECK(out[0] == 16);
  CHECK(subset.load(1, rng, out) == 1);
  CHECK(out[0] == 4);
  CHECK(subset.name(0) == "sample 4");
  CHECK(message_of<Error>([&] { subset.load(2, rng, out); }) == "Subset: sample 2 of 2");
  CHECK(message_of<Error>([&] { Subset(data, {0, 5}); }) == "Subset: sample 5 of a data set of 5");
}

TEST_CASE("stratified_split takes its share of every class") {
  // Classes of 1, 2, 3, 10 and 25 samples, mixed.
  std::vector<int> labels;
  const int sizes[] = {1, 2, 3, 10, 25};
  for (int round = 0; round < 25; ++round)
    for (int c = 0; c < 5; ++c)
      if (round < sizes[c]) labels.push_back(c);
  for (const double fraction : {0.01, 0.2, 0.5, 0.99}) {
    const auto [train, validation] = stratified_split(labels, fraction, 7);
    CHECK(std::ranges::is_sorted(train));
    CHECK(std::ranges::is_sorted(validation));
    std::vector<std::size_t> all = train;
    all.insert(all.end(), validation.begin(), validation.end());
    std::ranges::sort(all);
    REQUIRE(all.size() == labels.size());
    for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(all[i] == i);
    for (int c = 0; c < 5; ++c) {
      const auto count = std::ranges::count_if(validation, [&](std::size_t i) { return labels[i] == c; });
      const int n = sizes[c];
      const int wanted = static_cast<int>(std::round(fraction * n));
      CHECK(count == (n < 2 ? 0 : std::clamp(wanted, 1, n - 1)));
    }
  }
}

TEST_CASE("stratified_split depends on the seed, and on nothing else") {
  std::vector<int> labels(60);
  for (std::size_t i = 0; i < 60; ++i) labels[i] = static_cast<int>(i % 2);
  CHECK(stratified_split(labels, 0.3, 1) == stratified_split(labels, 0.3, 1));
  CHECK(stratified_split(labels, 0.3, 1) != stratified_split(labels, 0.3, 2));
  // Pinned: another platform must give the same.
  const auto validation = stratified_split({0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, 0.34, 42).second;
  CHECK(validation == std::vector<std::size_t>{1, 3, 8});
  CHECK(message_of<ConfigError>([&] { return stratified_split(labels, 1, 1); }) ==
        "stratified_split: fraction is 1, expected more than 0 and less than 1");
  CHECK(message_of<ConfigError>([&] {
          return stratified_split(labels, 0, 1);
        }).starts_with("stratified_split: fraction is 0"));
}
