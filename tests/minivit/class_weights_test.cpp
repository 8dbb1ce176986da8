// Weights of classes: read, counted, refused.
#include "class_weights.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "minivit/core/check.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

const std::vector<std::string> kClasses{"cat", "dog", "emu"};
const std::vector<int> kLabels{0, 0, 0, 0, 0, 0, 1, 1, 2, 0};  // 7, 2, 1

std::string complaint(const char* text) {
  return message_of<ConfigError>([&] { class_weights(text, kLabels, kClasses); });
}

}  // namespace

TEST_CASE("balanced class weights are scikit-learn's") {
  // compute_class_weight("balanced", classes=[0, 1, 2], y=labels)
  const std::vector<float> expected{10.0f / (3 * 7), 10.0f / (3 * 2), 10.0f / (3 * 1)};
  CHECK(class_weights("balanced", kLabels, kClasses) == expected);
  CHECK(class_weights("none", kLabels, kClasses).empty());
}

TEST_CASE("class weights as a list, in the order of the names") {
  CHECK(class_weights("1 2.5 3", kLabels, kClasses) == std::vector<float>{1, 2.5f, 3});
  CHECK(class_weights(" 1,2.5, 1e-1 ", kLabels, kClasses) == std::vector<float>{1, 2.5f, 0.1f});
  CHECK(complaint("1 2") == "training.class_weights has 2 weights, there are 3 classes: cat, dog, emu");
  for (const char* wrong : {"1 x 2", "1 -1 2", "1 0 2", "1 inf 2", "nan 1 1", "Balanced"})
    CHECK(complaint(wrong).find("is no weight; expected none, balanced, or a number above 0") !=
          std::string::npos);
  for (const char* wrong : {"", " ", ","})
    CHECK(complaint(wrong).ends_with("expected none, balanced, or a number above 0 for each class"));
}
