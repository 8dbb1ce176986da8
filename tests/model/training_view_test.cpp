// The view of a model in training: other image and patch sizes, patches left out, gradients through both.
#include "minivit/model/training_view.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "minivit/autograd/gradcheck.hpp"
#include "minivit/autograd/tape.hpp"
#include "minivit/nn/arena.hpp"
#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/reductions.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

ViTConfig tiny() {
  ViTConfig c;
  c.image_height = 16, c.image_width = 24, c.patch_size = 4;
  c.embedding_dim = 8, c.num_layers = 2, c.num_heads = 2, c.num_classes = 3, c.mlp_ratio = 2;
  return c;
}

std::vector<ViTConfig> kinds() {
  std::vector<ViTConfig> all(6, tiny());
  all[1].pooling = Pooling::mean, all[1].class_token = false;
  all[2].stem = Stem::conv, all[2].pooling = Pooling::sequence, all[2].class_token = false;
  all[3].pooling = Pooling::token_and_mean, all[3].register_tokens = 2, all[3].prefix_positions = false;
  all[4].positions = Positions::sincos, all[4].norm_pre = true;
  all[5].stem = Stem::shifted, all[5].attention = Attention::locality;
  return all;
}

Tensor images_of(std::int64_t height, std::int64_t width, std::int64_t B = 3) {
  Tensor t = Tensor::empty({B, 3, height, width});
  Rng rng(7);
  for (float& v : t.values()) v = rng.normal();
  return t;
}

/// Positions that tell places apart: those of a new model are nearly 0.
VisionTransformer model_of(const ViTConfig& c) {
  manual_seed(3);
  VisionTransformer net(c);
  Rng rng(5);
  if (net.pos_embed.trainable)
    for (float& v : net.pos_embed.value.values()) v = rng.normal();
  return net;
}

}  // namespace

TEST_CASE("a view with the model's own sizes is the model, to the bit") {
  for (const ViTConfig& c : kinds()) {
    const VisionTransformer net = model_of(c);
    const Tensor images = images_of(16, 24);
    CHECK(distance(TrainingView(net)(images).value(), net(images).value()) == 0);
    CHECK(
        distance(TrainingView(net, {.image_height = 16, .image_width = 24, .patch_size = 4})(images).value(),
                 net(images).value()) == 0);
  }
}

TEST_CASE("a view with other sizes is the model that is resized to them") {
  for (const ViTConfig& c : kinds())
    for (const ViewOptions& view :
         {ViewOptions{8, 12, 4, 0}, {32, 16, 4, 0}, {16, 24, 8, 0}, {24, 24, 8, 0}, {8, 8, 2, 0}}) {
      const std::int64_t height = view.image_height, width = view.image_width, patch = view.patch_size;
      if (patch != 4 && c.stem != Stem::patch) continue;
      CAPTURE(height);
      CAPTURE(patch);
      ViTConfig to = c;
      to.image_height = height, to.image_width = width, to.patch_size = patch;
      const VisionTransformer net = model_of(c);
      const VisionTransformer other = resized(net, to, PositionFilter::timm);
      const Tensor images = images_of(height, width);
      CHECK(distance(TrainingView(net, view)(images).value(), other(images).value()) < 1e-5);
    }
}

TEST_CASE("gradients go through the interpolation to the model's own positions and patches") {
  VisionTransformer net = model_of(tiny());
  const TrainingView view(net, {.image_height = 16, .image_width = 16, .patch_size = 8});
  const Tensor images = images_of(16, 16, 2);
  // Of the tokens: the logits of a new model hardly depend on them.
  const auto loss = [&] { return mean(view.embed(images) * view.embed(images)); };
  const ParameterArena parameters = flatten(net);
  backward(loss());
  for (Parameter* p : {&net.pos_embed, &net.patch_embed.weight, &net.patch_embed.bias}) {
    double largest = 0, wrong = 0;
    for (std::int64_t i = 0; i < p->value.numel(); i += 5) {
      const float kept = p->value.data()[i];
      const NoGrad values_only;
      p->value.data()[i] = kept + 1e-2f;
      const double up = loss().item();
      p->value.data()[i] = kept - 1e-2f;
      const double down = loss().item();
      p->value.data()[i] = kept;
      const double expected = (up - down) / 2e-2, found = p->grad.data()[i];
      largest = std::max(largest, std::fabs(expected)), wrong = std::max(wrong, std::fabs(expected - found));
    }
    CHECK(largest > 1e-4);
    CHECK(wrong < 2e-2 * largest + 2e-5);
  }
}

TEST_CASE(
    "patch dropout keeps the tokens in front and a part of the patches, others for every image and step") {
  ViTConfig c = tiny();
  c.register_tokens = 1;  // 2 tokens in front of 24 patches
  const VisionTransformer net = model_of(c);
  const Tensor images = images_of(16, 24);
  const TrainingView view(net, {.patch_dropout = 0.5f});
  CHECK(distance(view(images).value(), net(images).value()) == 0);  // not in training

  const Training training;
  const Tensor whole = net.embed(images).value();
  const auto kept_of = [&](const Tensor& some, std::int64_t b) {
    std::vector<std::int64_t> places;
    for (std::int64_t i = 0; i < some.size(1); ++i)
      for (std::int64_t t = 0; t < whole.size(1); ++t)
        if (std::equal(some.data() + (b * some.size(1) + i) * 8, some.data() + (b * some.size(1) + i + 1) * 8,
                       whole.data() + (b * whole.size(1) + t) * 8))
          places.push_back(t);
    return places;
  };
  manual_seed(1);
  const Tensor first = view.embed(images).value(), second = view.embed(images).value();
  CHECK(first.shape() == Shape{3, 14, 8});
  std::set<std::vector<std::int64_t>> draws;
  for (const Tensor& some : {first, second})
    for (std::int64_t b = 0; b < 3; ++b) {
      const std::vector<std::int64_t> places = kept_of(some, b);
      REQUIRE(places.size() == 14);
      CHECK(places[0] == 0);
      CHECK(places[1] == 1);
      CHECK(std::ranges::is_sorted(places));
      CHECK(std::set(places.begin(), places.end()).size() == 14);
      draws.insert(places);
    }
  CHECK(draws.size() == 6);
  manual_seed(1);
  CHECK(distance(view.embed(images).value(), first) == 0);

  // One is kept however few there are; the poolings take what there is.
  for (ViTConfig kind : kinds()) {
    const VisionTransformer other = model_of(kind);
    const TrainingView few(other, {.patch_dropout = 0.99f});
    CHECK(few.embed(images).size(1) == kind.prefix_tokens() + 1);
    CHECK(few(images).shape() == Shape{3, 3});
  }
}

TEST_CASE("a view refuses sizes that do not fit") {
  ViTConfig c = tiny();
  const VisionTransformer net = model_of(c);
  CHECK(message_of<ConfigError>([&] { TrainingView(net, {.image_height = 18}); }) ==
        "image size 18x24 is not divisible by patch_size 4; the next is 20x24");
  CHECK(message_of<ConfigError>([&] { TrainingView(net, {.patch_dropout = 1.0f}); }) ==
        "patch_dropout is 1, expected 0 to below 1");
  CHECK(message_of<ShapeError>([&] { (void)TrainingView(net, {.image_height = 8})(images_of(16, 24)); }) ==
        "TrainingView: images are (3, 3, 16, 24), expected (B, 3, 8, 24)");
  c.stem = Stem::conv;
  const VisionTransformer convolutions = model_of(c);
  CHECK(message_of<ConfigError>([&] { TrainingView(convolutions, {.patch_size = 8}); }) ==
        "patches of another size need a stem of patches alone, not conv");
  c.stem = Stem::patch, c.attention = Attention::locality;
  c.pooling = Pooling::mean, c.class_token = false;
  const VisionTransformer others = model_of(c);
  CHECK(message_of<ConfigError>([&] { TrainingView(others, {.patch_dropout = 0.99f}); }) ==
        "attention locality keeps a token from itself, and patch_dropout 0.99 leaves no other");
}
