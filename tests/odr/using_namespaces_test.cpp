// A program that uses all names of minivit and of the standard library without saying whose they are.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <minivit/vit.hpp>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <valarray>
#include <vector>

using namespace minivit;
using namespace std;

TEST_CASE("using namespace minivit and using namespace std go together") {
  manual_seed(1);
  VisionTransformer model({.image_height = 8,
                           .image_width = 8,
                           .patch_size = 4,
                           .num_classes = 2,
                           .embedding_dim = 8,
                           .num_layers = 1,
                           .num_heads = 2});
  ParameterArena parameters = flatten(model);
  AdamW optimizer(parameters, {});
  const vector<int> labels{0, 1};
  const Tensor images = Tensor::full({2, 3, 8, 8}, 0.5f);
  map<string, float> losses;
  for (const string name : {"first", "second"}) {
    const Training training;
    const Var loss = cross_entropy(model(images), labels);
    losses[name] = loss.item();
    backward(loss);
    optimizer.step(0.01f);
  }
  CHECK(isfinite(losses["first"]));
  CHECK(losses["first"] != losses["second"]);

  const Var x = Tensor::from({2, 2}, {1, 2, 3, 4});
  const vector<Var> both{x, x};
  CHECK(concat(both, 0).shape() == Shape{4, 2});
  CHECK(slice_axis(x, 0, 1, 2).value()(0, 0) == 3);
  CHECK(slice(0, 2, 1).size() == 2);  // the standard library's
  CHECK(sum(x).item() == 10);
  CHECK(max(x).item() == 4);
  CHECK(max(1, 2) + min(1, 2) == 3);
  CHECK(log(exp(sqrt(x * x))).value()(1, 1) == doctest::Approx(4));
  CHECK(exp(log(sqrt(4.0f))) == doctest::Approx(2));
  CHECK(tanh(x).value()(0, 0) == doctest::Approx(tanh(1.0f)));
  CHECK(accumulate(labels.begin(), labels.end(), 0) == 1);
  vector<float> values(x.data(), x.data() + 4);
  sort(values.begin(), values.end(), greater<float>());
  CHECK(values[0] == 4);
}
