// A model as the teacher of another one.
#include "minivit/io/teacher.hpp"

#include <doctest/doctest.h>

#include "support/distance.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

const std::vector<std::string> kLabels{"cat", "dog", "emu"};

ImageClassifier model(int size, const Preprocess& change = {}) {
  manual_seed(3);
  VisionTransformer net({.image_height = size,
                         .image_width = size,
                         .patch_size = 4,
                         .num_classes = 3,
                         .embedding_dim = 16,
                         .num_layers = 1,
                         .num_heads = 2});
  for_each_parameter(net, [](const std::string&, Parameter& p) { init_uniform(p.value, 0.5f); });
  Preprocess p = change;
  p.height = p.width = size;
  return ImageClassifier(net, kLabels, p);
}

Preprocess student(int size) { return {.height = size, .width = size}; }

Tensor images(int size) {
  Tensor x = Tensor::empty({2, 3, size, size});
  Rng rng(2);
  for (float& v : x.values()) v = rng.normal();
  return x;
}

}  // namespace

TEST_CASE("a teacher for the same images says what the model says, in the student's order of classes") {
  const ImageClassifier net = model(8);
  const Tensor x = images(8), expected = net.net()(x);
  CHECK(distance(Teacher(net, student(8), kLabels)(x), expected) < 1e-6);
  const Tensor two = Teacher(net, student(8), {"emu", "cat"})(x);
  CHECK(two.shape() == Shape{2, 2});
  for (std::int64_t i = 0; i < 2; ++i) {
    CHECK(two(i, 0) == expected(i, 2));
    CHECK(two(i, 1) == expected(i, 0));
  }
}

TEST_CASE("a teacher with another normalization sees the same pixels") {
  Preprocess half;
  half.mean = half.std = {0.5f, 0.5f, 0.5f};
  const ImageClassifier net = model(8, half);
  // Pixels p: the student has (p - mean) / std of ImageNet, the teacher (p - 0.5) / 0.5.
  const Preprocess own = student(8);
  const Tensor x = images(8);
  Tensor seen = x.clone();
  for (std::int64_t i = 0; i < seen.numel(); ++i) {
    const auto c = static_cast<std::size_t>(i / 64 % 3);
    seen.data()[i] = (x.data()[i] * own.std[c] + own.mean[c] - 0.5f) / 0.5f;
  }
  CHECK(distance(Teacher(net, own, kLabels)(x), net.net()(seen)) < 1e-5);
}

TEST_CASE("a teacher of another size sees the images resized") {
  const ImageClassifier net = model(16);
  // Flat images stay flat, whatever the size.
  Tensor x = Tensor::empty({1, 3, 8, 8}), large = Tensor::empty({1, 3, 16, 16});
  for (std::int64_t c = 0; c < 3; ++c) {
    const float value = 0.3f * static_cast<float>(c) - 0.2f;
    for (std::int64_t i = 0; i < 64; ++i) x.data()[c * 64 + i] = value;
    for (std::int64_t i = 0; i < 256; ++i) large.data()[c * 256 + i] = value;
  }
  CHECK(distance(Teacher(net, student(8), kLabels)(x), net.net()(large)) < 1e-4);
}

TEST_CASE("a teacher that does not know a class, or sees other channels, is refused") {
  CHECK(message_of<ConfigError>([] {
          Teacher(model(8), student(8), {"cat", "yak"});
        }) == "teacher: it does not know the class \"yak\"; it must know all of them");
  Preprocess gray = student(8);
  gray.channels = 1;
  CHECK(message_of<ConfigError>([&] { Teacher(model(8), gray, kLabels); }) ==
        "teacher: it sees 3 channels, the student 1; expected as many");
}
