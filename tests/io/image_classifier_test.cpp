// A classifier is refused when it is made, not when it writes past the end of a buffer.
#include "minivit/io/image_classifier.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "support/message_of.hpp"

using namespace minivit;

namespace {

VisionTransformer small(std::int64_t classes = 3, std::int64_t channels = 3) {
  return VisionTransformer({.image_height = 16,
                            .image_width = 8,
                            .patch_size = 4,
                            .channels = channels,
                            .num_classes = classes,
                            .embedding_dim = 8,
                            .num_layers = 1,
                            .num_heads = 2});
}

const Preprocess kPreprocess{.height = 16, .width = 8};

}  // namespace

TEST_CASE("a classifier needs a label for each class") {
  for (const std::vector<std::string>& labels :
       {std::vector<std::string>{"a", "b"}, {"a", "b", "c", "d"}, {}}) {
    CAPTURE(labels.size());
    CHECK(message_of<ConfigError>([&] { const ImageClassifier c(small(), labels, kPreprocess); }) ==
          str_cat("classifier: ", labels.size(),
                  " labels given for a model of 3 classes, expected one for each"));
  }
}

TEST_CASE("a classifier needs images of the network's size") {
  const std::vector<std::string> labels{"a", "b", "c"};
  CHECK(message_of<ConfigError>([&] { const ImageClassifier c(small(), labels, Preprocess()); }) ==
        "classifier: the preprocessing gives 3 channels of 224x224, the model takes 3 channels of 16x8");
  CHECK(message_of<ConfigError>([&] {
          const ImageClassifier c(small(), labels, {.height = 8, .width = 16});
        }) == "classifier: the preprocessing gives 3 channels of 8x16, the model takes 3 channels of 16x8");
  CHECK(message_of<ConfigError>([&] { const ImageClassifier c(small(3, 1), labels, kPreprocess); }) ==
        "classifier: the preprocessing gives 3 channels of 16x8, the model takes 1 channels of 16x8");
}

TEST_CASE("a classifier ranks as many logits as it has classes") {
  const ImageClassifier c(small(), {"a", "b", "c"}, kPreprocess);
  CHECK(c.ranked(std::vector<float>{1, 3, 2}, 9).size() == 3);
  CHECK(c.ranked(std::vector<float>{1, 3, 2}, 1)[0].name == "b");
  for (const std::vector<float>& logits : {std::vector<float>{1, 2}, {1, 2, 3, 4}, {}}) {
    CAPTURE(logits.size());
    CHECK(message_of<ShapeError>([&] { (void)c.ranked(logits); }) ==
          str_cat("classifier: ", logits.size(), " logits given for 3 classes"));
  }
}

TEST_CASE("a model without classes gives features, and says so when it is asked for classes") {
  const ImageClassifier c(small(0), {}, kPreprocess);
  const Image image = image::make_image(20, 30);
  CHECK(c.net().features(c.prepare({&image, 1})).shape() == Shape{1, 8});
  CHECK(message_of<ConfigError>([&] { (void)c.classify(image); }) ==
        "classifier: the model has no classes; net().features gives what it computes");
}
