// Answers of a model on the batches of a data set: which image, which class, right or not.
#include "minivit/insight/answers.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "minivit/data/dataset.hpp"
#include "minivit/data/loader.hpp"

using namespace minivit;

TEST_CASE("answers are collected batch by batch, with their places in the data set") {
  // The pixels of an image are its logits.
  Tensor images = Tensor::empty({5, 3, 1, 1});
  const float logits[5][3] = {{1, 0, 0}, {0, 2, 1}, {0, 2, 1}, {3, 3, 0}, {0, 0, 5}};
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t k = 0; k < 3; ++k) images.data()[i * 3 + k] = logits[i][k];
  const TensorDataset dataset(images, {0, 1, 2, 1, 2});
  DataLoader loader(dataset, {.batch_size = 2});
  const Answers a = collect_answers(loader.epoch(0), [](const Tensor& x) {
    return x.reshape({x.size(0), x.size(1)});
  });
  CHECK(a.images() == 5);
  CHECK(a.logits.shape() == Shape{5, 3});
  CHECK(a.logits(4, 2) == 5);
  CHECK(a.labels == std::vector<int>{0, 1, 2, 1, 2});
  CHECK(a.samples == std::vector<std::size_t>{0, 1, 2, 3, 4});
  CHECK(a.answer(3) == 0);  // of equal ones the first
  CHECK(a.right() == std::vector<char>{1, 1, 0, 0, 1});
  const ConfusionMatrix m = a.confusion();
  CHECK(m(1, 0) == 1);
  CHECK(m(2, 1) == 1);
  CHECK(m.accuracy() == 0.6);
}
