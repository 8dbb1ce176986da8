// Faithfulness of maps: what deletion and insertion tell apart.
#include "minivit/insight/faithfulness.hpp"

#include <doctest/doctest.h>

#include "minivit/core/rng.hpp"
#include "minivit/insight/explain.hpp"
#include "minivit/insight/scores.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

ViTConfig small() {
  ViTConfig c;
  c.image_height = 16, c.image_width = 24, c.patch_size = 4;
  c.embedding_dim = 16, c.num_layers = 2, c.num_heads = 2, c.num_classes = 3;
  return c;
}

Tensor image_of(const ViTConfig& c) {
  Tensor t = Tensor::empty({1, c.channels, c.image_height, c.image_width});
  Rng rng(2);
  for (float& v : t.values()) v = rng.normal();
  return t;
}

double probability(const VisionTransformer& net, const Tensor& image) {
  const NoGrad values_only;
  return probabilities(net(image).value())[1];
}

}  // namespace

TEST_CASE("a map that names what the model needs is more faithful than its opposite") {
  ViTConfig c = small();
  c.pooling = Pooling::mean;
  manual_seed(1);
  const VisionTransformer net(c);
  const Tensor image = image_of(c), map = Explainer(net).occlusion(image, 1);
  Tensor opposite = map.clone();
  opposite.array() = -opposite.array();
  const Faithfulness right = faithfulness(net, image, 1, map), wrong = faithfulness(net, image, 1, opposite);
  CHECK(right.deletion < wrong.deletion);
  CHECK(right.insertion > wrong.insertion);
  // Of one step only the ends are left, whatever the map.
  CHECK(faithfulness(net, image, 1, map, 1).deletion ==
        doctest::Approx(faithfulness(net, image, 1, opposite, 1).insertion));
}

TEST_CASE("in one step an image is there or not, in as many steps as patches every one counts") {
  manual_seed(1);
  const VisionTransformer net(small());
  const Tensor image = image_of(small());
  const double whole = probability(net, image), none = probability(net, Tensor::zeros(image.shape()));
  Tensor map = Tensor::empty({4, 6});
  for (std::int64_t i = 0; i < 24; ++i) map.data()[i] = static_cast<float>(24 - i);  // row by row
  CHECK(faithfulness(net, image, 1, map, 1).deletion == doctest::Approx((whole + none) / 2));
  CHECK(faithfulness(net, image, 1, map, 1).insertion == doctest::Approx((whole + none) / 2));
  double expected = (whole + none) / 2;
  Tensor rest = image.clone();
  for (std::int64_t i = 0; i < 23; ++i) {
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t y = 0; y < 4; ++y)
        for (std::int64_t x = 0; x < 4; ++x) rest(0, c, i / 6 * 4 + y, i % 6 * 4 + x) = 0;
    expected += probability(net, rest);
  }
  CHECK(faithfulness(net, image, 1, map).deletion == doctest::Approx(expected / 24));
}

TEST_CASE("maps and classes that do not fit") {
  manual_seed(1);
  const VisionTransformer net(small());
  const Tensor image = image_of(small());
  CHECK(message_of<ShapeError>([&] {
          (void)faithfulness(net, image, 0, Tensor::zeros({6, 4}));
        }) == "faithfulness: the map is (6, 4), expected (4, 6)");
  CHECK(message_of<ConfigError>([&] {
          (void)faithfulness(net, image, 0, Tensor::zeros({4, 6}), 0);
        }) == "faithfulness: in 0 steps, expected 1 or more");
  CHECK(message_of<ConfigError>([&] {
          (void)faithfulness(net, image, 3, Tensor::zeros({4, 6}));
        }).starts_with("explain: class 3 is out of range"));
}
