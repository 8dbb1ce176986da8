// Explanations against the papers' formulas in PyTorch (tests/data/make_explanations.py), and what must hold.
#include "minivit/insight/explain.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "minivit/io/pretrained.hpp"
#include "minivit/io/safetensors.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

ViTConfig small() {
  ViTConfig c;
  c.image_height = 16, c.image_width = 24, c.patch_size = 4;
  c.embedding_dim = 16, c.num_layers = 3, c.num_heads = 2, c.num_classes = 3;
  return c;
}

Tensor image_of(const ViTConfig& c) {
  Tensor t = Tensor::empty({1, c.channels, c.image_height, c.image_width});
  Rng rng(2);
  for (float& v : t.values()) v = rng.normal();
  return t;
}

double sum_of(const Tensor& t) {
  double sum = 0;
  for (const float v : t.values()) sum += v;
  return sum;
}

}  // namespace

TEST_CASE("maps are those of the formulas in PyTorch, on models of timm") {
  const std::filesystem::path fixtures = MINIVIT_TEST_DATA;
  const io::SafetensorsFile file(fixtures / "explanations.safetensors");
  for (const std::string name :
       {"timm_vit", "timm_mean", "timm_dinov2_registers", "timm_deit_distilled", "timm_qk_norm"}) {
    CAPTURE(name);
    const Explainer explainer(load_pretrained(fixtures / "pretrained" / name).model.net);
    const Tensor image = file.tensor(name + ".image");
    for (const Explanation method : {Explanation::attention, Explanation::rollout, Explanation::relevance,
                                     Explanation::grad_cam, Explanation::occlusion}) {
      CAPTURE(enum_name(method));
      CHECK(distance(explainer.map(method, image, 2), file.tensor(str_cat(name, ".", enum_name(method)))) <
            1e-5);
    }
    CHECK(distance(explainer.integrated_gradients(image, 2, 8), file.tensor(name + ".integrated_gradients")) <
          1e-5);
  }
}

TEST_CASE("the parts of all pixels are the whole difference to the mean color") {
  for (const Stem stem : {Stem::patch, Stem::conv}) {
    ViTConfig c = small();
    c.stem = stem, c.pooling = Pooling::mean;
    manual_seed(1);
    const Explainer explainer{VisionTransformer(c)};
    const Tensor image = image_of(c), pixels = explainer.integrated_gradients(image, 1, 4096);
    const NoGrad values_only;
    const float whole = explainer.net()(image).value()(0, 1),
                none = explainer.net()(Tensor::zeros(image.shape())).value()(0, 1);
    CHECK(sum_of(pixels) == doctest::Approx(whole - none).epsilon(1e-3));
    CHECK(sum_of(explainer.by_patch(pixels)) == doctest::Approx(sum_of(pixels)).epsilon(1e-4));
  }
}

TEST_CASE("what a class token and the patches look at is all of it") {
  ViTConfig c = small();
  c.pooling = Pooling::sequence, c.class_token = false;  // no token but patches
  manual_seed(1);
  const Explainer explainer{VisionTransformer(c)};
  const Tensor image = image_of(c);
  for (const int head : {-1, 0, 1})
    CHECK(sum_of(explainer.attention(image, 1, head)) == doctest::Approx(1).epsilon(1e-5));
  CHECK(sum_of(explainer.rollout(image)) == doctest::Approx(1).epsilon(1e-5));
  CHECK(distance(explainer.attention(image, 2), explainer.attention(image)) == 0);
}

TEST_CASE("locality self-attention and shifted patches are explained, too") {
  ViTConfig c = small();
  c.stem = Stem::shifted, c.attention = Attention::locality, c.layer_scale = 0.5f, c.pooling = Pooling::mean;
  manual_seed(4);
  const VisionTransformer net(c);
  const Explainer explainer(net);
  const Tensor image = image_of(c);
  // The same probabilities as the model's own.
  const Tensor own = net.attention_maps(image, 2);
  Tensor expected = Tensor::zeros({4, 6});
  for (std::int64_t i = 1; i < 25; ++i)
    for (std::int64_t j = 0; j < 24; ++j)
      for (std::int64_t h = 0; h < 2; ++h) expected.data()[j] += own(0, h, i, 1 + j) / 48;
  CHECK(distance(explainer.attention(image), expected) < 1e-6);
  CHECK(explainer.relevance(image, 0).shape() == Shape{4, 6});
}

TEST_CASE("the model's own gradients stay as they are") {
  manual_seed(1);
  VisionTransformer net(small());
  require_grad(net);
  const Explainer explainer(net);
  (void)explainer.relevance(image_of(net.config), 1);
  (void)explainer.integrated_gradients(image_of(net.config), 1, 2);
  for (const NamedParameter& p : named_parameters(net))
    if (p.parameter->grad.defined())
      CHECK(std::ranges::all_of(p.parameter->grad.values(), [](float v) { return v == 0; }));
}

TEST_CASE("what cannot be explained") {
  manual_seed(1);
  const Explainer explainer{VisionTransformer(small())};
  const Tensor image = image_of(small());
  CHECK(message_of<ConfigError>([&] { (void)explainer.relevance(image, 3); }) ==
        "explain: class 3 is out of range for 3 classes");
  CHECK(message_of<ConfigError>([&] { (void)explainer.attention(image, 3); }).starts_with("layer 3 of"));
  CHECK(message_of<ConfigError>([&] { (void)explainer.attention(image, 0, 2); }) ==
        "explain: head 2 of a model with 2 heads");
  CHECK(message_of<ShapeError>([&] {
          (void)explainer.rollout(Tensor::zeros({2, 3, 16, 24}));
        }) == "explain: the image is (2, 3, 16, 24), expected (1, C, H, W)");
  ViTConfig headless = small();
  headless.num_classes = 0;
  CHECK(message_of<ConfigError>([&] { (void)Explainer(VisionTransformer(headless)).relevance(image, 0); }) ==
        "explain: the model has no head, so there is no class to explain");
}
