// Weights of classes: above 0 and finite, or a message that names the class.
#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "minivit/autograd/var.hpp"
#include "minivit/ops/losses.hpp"
#include "support/message_of.hpp"

using namespace minivit;

TEST_CASE("cross_entropy: a class weight of 0, below it or not finite is refused, the class named") {
  const Var logits(Tensor::zeros({2, 3}));
  const std::vector<int> labels{0, 2};
  for (const float bad :
       {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const std::vector<float> weights{1, 2, bad};
    CHECK(message_of<ConfigError>([&] {
            static_cast<void>(cross_entropy(logits, labels, {.class_weights = weights}));
          }) == str_cat("cross_entropy: the weight of class 2 is ", bad, ", expected above 0 and finite"));
  }
}
