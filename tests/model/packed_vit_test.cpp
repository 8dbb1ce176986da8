// The packed model computes what the model computes, whatever happens to the model afterwards.
#include "minivit/model/packed_vit.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <thread>
#include <vector>

#include "minivit/ops/losses.hpp"
#include "minivit/train/ema.hpp"
#include "minivit/train/fine_tuning.hpp"
#include "minivit/train/optimizer.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

/// A small model whose norms, LayerScales and biases are all far from their initial values.
VisionTransformer model_with(float layer_scale = 0.0f, Activation activation = Activation::gelu,
                             float drop = 0.0f) {
  manual_seed(7);
  VisionTransformer model({.image_height = 16,
                           .image_width = 24,
                           .patch_size = 4,
                           .num_classes = 5,
                           .embedding_dim = 24,
                           .num_layers = 3,
                           .num_heads = 3,
                           .activation = activation,
                           .attention_dropout = drop,
                           .dropout = drop,
                           .drop_path = drop,
                           .layer_scale = layer_scale});
  for_each_parameter(model, [](const std::string&, Parameter& p) { init_uniform(p.value, 0.5f); });
  return model;
}

Tensor images(std::int64_t batch = 3) {
  Tensor x = Tensor::empty({batch, 3, 16, 24});
  Rng rng(2);
  for (float& v : x.values()) v = rng.normal();
  return x;
}

void check_same(const PackedViT& packed, const VisionTransformer& model, const Tensor& x) {
  CHECK(distance(packed(x), model(x).value()) < 1e-4);
  CHECK(distance(packed.features(x), model.features(x).value()) < 1e-4);
}

/// Two blocks; their weights are larger than those of a new model, so that all of them matter.
VisionTransformer with_large_weights(ViTConfig c) {
  c.image_height = 16, c.image_width = 24, c.patch_size = 4, c.num_classes = 5;
  c.embedding_dim = 24, c.num_layers = 2, c.num_heads = 3;
  manual_seed(7);
  VisionTransformer model(c);
  for_each_parameter(model, [](const std::string&, Parameter& p) { init_uniform(p.value, 0.5f); });
  return model;
}

}  // namespace

TEST_CASE("a packed model has the stem of convolutions and the sequence pooling of the model") {
  const VisionTransformer model =
      with_large_weights({.stem = Stem::conv, .pooling = Pooling::sequence, .register_tokens = 2});
  check_same(PackedViT(model), model, images());
}

TEST_CASE("a packed model has the shifted patches and the locality self-attention of the model") {
  for (const bool qk_norm : {false, true})
    for (const std::int64_t registers : {0, 2}) {
      const VisionTransformer model = with_large_weights({.stem = Stem::shifted,
                                                          .register_tokens = registers,
                                                          .qk_norm = qk_norm,
                                                          .attention = Attention::locality});
      const PackedViT packed(model);
      const Tensor x = images();
      check_same(packed, model, x);
      for (const int layer : {0, 1}) {
        const Tensor map = packed.attention_maps(x, layer);
        CHECK(distance(map, model.attention_maps(x, layer)) < 1e-5);
        CHECK(map(2, 1, 3, 3) == 0.0f);
      }
    }
}

TEST_CASE("a packed model gives the model's logits, features and attention maps of every layer") {
  for (const Activation activation : {Activation::gelu, Activation::swiglu})
    for (const float layer_scale : {0.0f, 0.1f}) {
      CAPTURE(layer_scale);
      const VisionTransformer model = model_with(layer_scale, activation);
      const PackedViT packed(model);
      const Tensor x = images();
      CHECK(packed.config().embedding_dim == 24);
      check_same(packed, model, x);
      for (const int layer : {0, 1, 2, -1, -3})
        CHECK(distance(packed.attention_maps(x, layer), model.attention_maps(x, layer)) < 1e-5);
    }
}

TEST_CASE("attention maps of a packed model are probabilities") {
  const Tensor map = PackedViT(model_with()).attention_maps(images(2));
  const std::int64_t T = 25;
  REQUIRE(map.shape() == Shape{2, 3, T, T});
  for (std::int64_t row = 0; row < 2 * 3 * T; ++row) {
    double total = 0;
    for (std::int64_t i = 0; i < T; ++i) total += double{map.data()[row * T + i]};
    CHECK(total == doctest::Approx(1).epsilon(1e-5));
  }
}

TEST_CASE("layers of a model that was packed are layers as before") {
  const VisionTransformer model = model_with(0.3f), untouched = model;
  const PackedViT packed(model);
  const Tensor x = Tensor::full({1, 4, 24}, 0.25f);
  const EncoderBlock &block = model.encoder.blocks[0], &same = untouched.encoder.blocks[0];
  const NoGrad values_only;
  CHECK(distance(block.attn(x).value(), same.attn(x).value()) == 0);
  CHECK(distance(block.mlp(x).value(), same.mlp(x).value()) == 0);
  CHECK(distance(block.attn.proj(x).value(), same.attn.proj(x).value()) == 0);
}

TEST_CASE("LayerScale counts once, also in training mode without gradients") {
  const VisionTransformer model = model_with(0.3f);
  const PackedViT packed(model);
  const Tensor x = images();
  const Tensor expected = model(x).value();
  const NoGrad values_only;
  const Training training;
  CHECK(distance(model(x).value(), expected) < 1e-6);
  CHECK(distance(packed(x), expected) < 1e-4);
}

TEST_CASE("a packed model predicts in evaluation mode, whatever the thread does otherwise") {
  const VisionTransformer model = model_with(0.0f, Activation::gelu, 0.5f);
  const PackedViT packed(model);
  const Tensor x = images(), expected = packed(x);
  const Training training;
  CHECK(distance(packed(x), expected) == 0);
  CHECK(distance(packed.features(x), PackedViT(model).features(x)) == 0);
}

TEST_CASE("a packed model stays as it is; the model shows every change of its weights") {
  VisionTransformer model = model_with();
  const Tensor x = images(), before = model(x).value();
  const PackedViT packed(model);
  const auto changes = [&](const char* what, const auto& change) {
    CAPTURE(std::string(what));
    const Tensor previous = model(x).value();
    change();
    const Tensor now = model(x).value();
    CHECK(distance(now, previous) > 1e-4);
    CHECK(distance(PackedViT(model)(x), now) < 1e-4);
    CHECK(distance(packed(x), before) < 1e-4);
  };
  changes("a weight", [&] { init_zeros(model.encoder.blocks[0].mlp.fc2.weight.value); });
  changes("adapters", [&] {
    prepare_fine_tuning(model, {.lora_rank = 2});
    for (EncoderBlock& block : model.encoder.blocks) init_uniform(block.attn.qkv.lora.b.value, 0.5f);
  });
  const Tensor adapted = model(x).value();
  merge_lora(model);
  CHECK(distance(PackedViT(model)(x), adapted) < 1e-4);
  for_each_parameter(model, [](const std::string&, Parameter& p) { p.trainable = true; });
  std::optional<ParameterArena> parameters;
  changes("a step of training", [&] {
    parameters.emplace(flatten(model));
    AdamW optimizer(*parameters, {});
    backward(cross_entropy(model(x), std::vector<int>{0, 1, 2}));
    optimizer.step(0.01f);
  });
  changes("weights read into it", [&] {
    const VisionTransformer other = model_with();
    const auto theirs = named_parameters(const_cast<VisionTransformer&>(other));
    const auto ours = named_parameters(model);
    for (std::size_t i = 0; i < ours.size(); ++i)
      ours[i].parameter->value.copy_from(theirs[i].parameter->value);
    init_zeros(model.head.weight.value);
  });
}

TEST_CASE("a packed model outlives the model, and its copies share the weights") {
  std::optional<VisionTransformer> model(model_with());
  const Tensor x = images(), expected = (*model)(x).value();
  const PackedViT packed(*model);
  model.reset();
  const std::size_t before = Pool::instance().stats().in_use;
  const PackedViT copy = packed;
  CHECK(Pool::instance().stats().in_use == before);
  CHECK(distance(copy(x), expected) < 1e-4);
}

TEST_CASE("many threads use one packed model, and one const model, at once") {
  const VisionTransformer model = model_with(0.1f);
  const PackedViT packed(model);
  const Tensor x = images(), from_packed = packed(x), from_model = model(x).value();
  std::vector<double> worst(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < worst.size(); ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 8; ++i)
          worst[t] += distance(packed(x), from_packed) + distance(model(x).value(), from_model) +
                      distance(packed.attention_maps(x, 1), packed.attention_maps(x, -2));
      });
  }
  for (const double w : worst) CHECK(w == 0);
}

TEST_CASE("a packed model refuses images of another size and layers that it does not have") {
  const PackedViT packed(model_with());
  CHECK(message_of<ShapeError>([&] {
          (void)packed(Tensor::zeros({1, 3, 24, 16}));
        }) == "VisionTransformer: images are (1, 3, 24, 16), expected (B, 3, 16, 24)");
  CHECK(message_of<ConfigError>([&] { (void)packed.attention_maps(images(), 3); }) ==
        "layer 3 of a model with 3 layers, expected -3 to 2");
  CHECK(message_of<ConfigError>([&] { (void)packed.attention_maps(images(), -4); }) ==
        "layer -4 of a model with 3 layers, expected -3 to 2");
}
