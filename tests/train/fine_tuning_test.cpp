// Fine-tuning: what is trained, how fast, and adapters.
#include "minivit/train/fine_tuning.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "minivit/model/packed_vit.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/train/optimizer.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

VisionTransformer fresh() {
  ViTConfig c;
  c.image_height = c.image_width = 8, c.patch_size = 4;
  c.embedding_dim = 16, c.num_layers = 3, c.num_heads = 2, c.num_classes = 3, c.mlp_ratio = 2;
  c.layer_scale = 0.5f;
  manual_seed(1);
  return VisionTransformer(c);
}

Tensor images() {
  Tensor x = Tensor::empty({4, 3, 8, 8});
  Rng rng(2);
  for (float& v : x.values()) v = rng.normal();
  return x;
}

/// Names of the parameters that a step changes.
std::string changed(const FineTuning& t) {
  VisionTransformer net = fresh();
  prepare_fine_tuning(net, t);
  ParameterArena parameters = flatten(net);
  std::map<std::string, Tensor> before;
  for (const auto& [name, p] : named_parameters(net)) before[name] = p->value.clone();
  AdamW optimizer(parameters, {});
  const std::vector<int> labels{0, 1, 2, 0};
  for (int step = 0; step < 2; ++step) {  // an adapter's a has no gradient while b is 0
    backward(cross_entropy(net(images()), labels));
    optimizer.step(0.01f, 1.0f, true);
  }
  std::string names;
  for (const auto& [name, p] : named_parameters(net))
    if (!std::ranges::equal(before[name].values(), p->value.values())) names += name + " ";
  return names;
}

}  // namespace

TEST_CASE("fine-tuning: what is frozen stays as it is, the rest learns") {
  std::string all, norms, upper;
  VisionTransformer net = fresh();
  for (const auto& [name, p] : named_parameters(net)) {
    all += name + " ";
    if (name.find("norm") != std::string::npos || name.starts_with("head")) norms += name + " ";
    if (name.starts_with("blocks.2.") || name.starts_with("norm") || name.starts_with("head"))
      upper += name + " ";
  }
  CHECK(changed({}) == all);
  CHECK(changed({.freeze = "backbone"}) == "head.weight head.bias ");
  CHECK(changed({.freeze = "all_but_norm"}) == norms);
  CHECK(changed({.freeze = "2"}) == upper);
  CHECK(changed({.freeze = "3"}) == "norm.weight norm.bias head.weight head.bias ");
  std::string adapters;
  for (int i = 0; i < 3; ++i)
    for (const char* layer : {"qkv", "proj"})
      for (const char* part : {"a", "b"})
        adapters += str_cat("blocks.", i, ".attn.", layer, ".lora.", part, " ");
  CHECK(changed({.lora_rank = 2}) == adapters + "head.weight head.bias ");
}

TEST_CASE("fine-tuning: gradients of what is trained do not depend on what is frozen") {
  const std::vector<int> labels{0, 1, 2, 0};
  const auto gradients = [&](const FineTuning& t) {
    VisionTransformer net = fresh();
    prepare_fine_tuning(net, t);
    require_grad(net);
    backward(cross_entropy(net(images()), labels));
    std::map<std::string, Tensor> found;
    for (const auto& [name, p] : named_parameters(net))
      if (p->trainable) found[name] = p->grad;
    return found;
  };
  const auto all = gradients({});
  for (const char* const freeze : {"backbone", "all_but_norm", "1", "2"})
    for (const auto& found : gradients({.freeze = freeze})) {
      CAPTURE(found.first);
      CHECK(std::ranges::equal(found.second.values(), all.at(found.first).values()));
    }
}

TEST_CASE("fine-tuning: learning rates fall from layer to layer") {
  VisionTransformer net = fresh();
  prepare_fine_tuning(net, {.layer_decay = 0.5, .backbone_lr = 0.1});
  const std::map<std::string, double> expected{{"cls_token", 0.0625},
                                               {"pos_embed", 0.0625},
                                               {"patch_embed.proj.weight", 0.0625},
                                               {"blocks.0.attn.qkv.bias", 0.125},
                                               {"blocks.1.ls1.gamma", 0.25},
                                               {"blocks.2.mlp.fc2.weight", 0.5},
                                               {"norm.weight", 1.0}};
  for (const auto& [name, p] : named_parameters(net)) {
    if (expected.contains(name)) CHECK(p->lr_scale == doctest::Approx(0.1 * expected.at(name)));
    if (name == "head.weight") CHECK(p->lr_scale == 1.0f);
  }
  // A copy has them, too.
  const VisionTransformer copy = net;
  CHECK(copy.cls_token.lr_scale == net.cls_token.lr_scale);
}

TEST_CASE("an optimizer step with factors is that of optimizers with these rates") {
  const auto make = [] {
    Linear layer(5, 40);
    Rng rng(3);
    for (Parameter* p : {&layer.weight, &layer.bias})
      for (float& v : p->value.values()) v = rng.normal();
    return layer;
  };
  const auto train = [](Linear& layer, float lr, const auto& make_optimizer) {
    ParameterArena parameters = flatten(layer);
    auto optimizer = make_optimizer(parameters);
    Rng rng(4);
    for (int step = 0; step < 3; ++step) {
      for (Parameter* p : {&layer.weight, &layer.bias})
        for (float& v : p->grad.values()) v = rng.normal();
      optimizer.step(lr);
    }
  };
  const auto check = [&](const auto& make_optimizer) {
    Linear both = make(), slow = make(), fast = make();
    both.weight.lr_scale = 0.25f;
    train(both, 0.1f, make_optimizer);
    train(slow, 0.1f * 0.25f, make_optimizer);
    train(fast, 0.1f, make_optimizer);
    CHECK(std::ranges::equal(both.weight.value.values(), slow.weight.value.values()));
    CHECK(std::ranges::equal(both.bias.value.values(), fast.bias.value.values()));
  };
  check([](ParameterArena& p) { return AdamW(p, {.weight_decay = 0.1f}); });
  check([](ParameterArena& p) { return Sgd(p, {.weight_decay = 0.1f}); });
}

TEST_CASE("adapters change nothing at first, and are one with the weights after merging") {
  VisionTransformer net = fresh();
  const NoGrad values_only;
  const Tensor before = net(images()).value();
  prepare_fine_tuning(net, {.lora_rank = 2, .lora_alpha = 4});
  CHECK(has_lora(net));
  CHECK(std::ranges::equal(net(images()).value().values(), before.values()));
  Rng rng(5);
  for (EncoderBlock& block : net.encoder.blocks)
    for (Linear* layer : {&block.attn.qkv, &block.attn.proj})
      for (float& v : layer->lora.b.value.values()) v = 0.1f * rng.normal();
  const Tensor with = net(images()).value();
  VisionTransformer merged = net;
  merge_lora(merged);
  CHECK_FALSE(has_lora(merged));
  CHECK(named_parameters(merged).size() == named_parameters(net).size() - 3 * 4);
  CHECK(distance(with, before) > 1e-3);
  CHECK(distance(merged(images()).value(), with) == 0.0);
  // Packed or not, an adapter counts.
  CHECK(distance(PackedViT(net)(images()), with) < 1e-5);
  CHECK(distance(PackedViT(merged)(images()), with) < 1e-5);
}

TEST_CASE("fine-tuning: settings out of range are refused") {
  const auto complaint = [](const FineTuning& t) {
    VisionTransformer net = fresh();
    return message_of<ConfigError>([&] { prepare_fine_tuning(net, t); });
  };
  CHECK(complaint({.freeze = "head"}) ==
        "freeze is \"head\", expected none, backbone, all_but_norm or a number of blocks from 0 to 3");
  CHECK(complaint({.freeze = "4"}).starts_with("freeze is \"4\""));
  CHECK(complaint({.freeze = "1x"}).starts_with("freeze is \"1x\""));
  CHECK(complaint({.layer_decay = 0}) == "layer_decay is 0, expected more than 0 and at most 1");
  CHECK(complaint({.backbone_lr = 0}) == "backbone_lr is 0, expected more than 0");
  CHECK(complaint({.lora_rank = 17}) == "lora_rank is 17, expected 0 to 16");
  CHECK(complaint({.freeze = "1", .lora_rank = 2}).starts_with("freeze is \"1\" and lora_rank 2; "));
}
