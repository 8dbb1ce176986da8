// The Vision Transformer: tokens, maps, the same bits every time, learning by heart.
#include "minivit/model/vit.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "minivit/ops/losses.hpp"
#include "minivit/ops/matmul.hpp"
#include "minivit/ops/softmax.hpp"
#include "minivit/train/optimizer.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

Tensor noise(const Shape& shape, std::uint64_t seed = 1) {
  Tensor t = Tensor::empty(shape);
  Rng rng(seed);
  for (float& v : t.values()) v = rng.normal();
  return t;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.values(), b.values());
}

const ViTConfig kSmall{.image_height = 8,
                       .image_width = 12,
                       .patch_size = 4,
                       .num_classes = 5,
                       .embedding_dim = 16,
                       .num_layers = 2,
                       .num_heads = 2,
                       .mlp_ratio = 2};

VisionTransformer fresh(const ViTConfig& config, std::uint64_t seed = 1) {
  manual_seed(seed);
  return VisionTransformer(config);
}

/// Puts the number of threads back at its end.
struct ThreadsRestored {
  int before = num_threads();
  ~ThreadsRestored() { set_num_threads(before); }
};

}  // namespace

TEST_CASE("images of any shape, logits or features") {
  const NoGrad values_only;
  const Tensor images = noise({3, 3, 8, 12});
  for (const Pooling pooling : {Pooling::token, Pooling::mean})
    for (const std::int64_t classes : {0, 5}) {
      ViTConfig config = kSmall;
      config.pooling = pooling;
      config.num_classes = classes;
      const VisionTransformer net = fresh(config);
      CHECK(net.embed(images).shape() == Shape{3, 7, 16});
      CHECK(net(images).shape() == Shape{3, classes > 0 ? 5 : 16});
      const Var features = net.features(images);
      CHECK(features.shape() == Shape{3, 16});
      const Var logits = classes > 0 ? net.head(features) : features;
      CHECK(std::ranges::equal(logits.value().values(), net(images).value().values()));
    }
  CHECK(fresh(kSmall)(Tensor::zeros({0, 3, 8, 12})).shape() == Shape{0, 5});
}

TEST_CASE("queries and keys are normalized head by head, tokens before the first block, or before the mean") {
  const NoGrad values_only;
  ViTConfig config = kSmall;
  config.qk_norm = config.norm_pre = true;
  VisionTransformer net = fresh(config);
  const Tensor images = noise({2, 3, 8, 12}), x = net.embed(images).value();
  for (std::int64_t t = 0; t < 7; ++t) {
    double sum = 0, squares = 0;
    for (std::int64_t c = 0; c < 16; ++c) sum += x(1, t, c), squares += x(1, t, c) * x(1, t, c);
    CHECK(sum == doctest::Approx(0).epsilon(1e-4));
    CHECK(squares / 16 == doctest::Approx(1).epsilon(1e-2));
  }
  const MultiHeadAttention& attn = net.encoder.blocks[0].attn;
  const Tensor qkv = attn.normalized(attn.qkv(x)).value();
  const std::int64_t D = 16 / config.num_heads;
  for (std::int64_t head = 0; head < 2 * config.num_heads; ++head) {  // of q and of k
    double sum = 0;
    for (std::int64_t d = 0; d < D; ++d) sum += qkv(1, 3, head * D + d);
    CHECK(sum == doctest::Approx(0).epsilon(1e-4));
  }
  // The scale of queries does not matter: it is normalized away.
  const Tensor before = attn.map(x);
  for (float& w : net.encoder.blocks[0].attn.qkv.weight.value.rows(0, 16).values()) w *= 3;
  CHECK(distance(net.encoder.blocks[0].attn.map(x), before) < 1e-3);

  config = kSmall;
  config.pooling = Pooling::mean, config.fc_norm = false;
  const VisionTransformer mean = fresh(config);
  CHECK(same_bits(mean.to_features(x).value(), mean.pool(mean.norm(x)).value()));
}

TEST_CASE("rows of patches come before columns") {
  const NoGrad values_only;
  const VisionTransformer net = fresh(kSmall);
  const Tensor blank = Tensor::zeros({1, 3, 8, 12});
  Tensor dotted = blank.clone();
  dotted(0, 0, 4, 8) = 1.0f;  // second row, third column of patches
  const Tensor a = net.embed(blank).value(), b = net.embed(dotted).value();
  for (std::int64_t token = 0; token < 7; ++token)
    CHECK(same_bits(a.reshape({7, 16}).rows(token, token + 1), b.reshape({7, 16}).rows(token, token + 1)) ==
          (token != 6));
}

TEST_CASE("tokens stand in timm's order: class, registers, patches; the mean is over patches alone") {
  const NoGrad values_only;
  ViTConfig config = kSmall;
  config.pooling = Pooling::mean;
  config.register_tokens = 2;
  VisionTransformer net = fresh(config);
  net.pos_embed.value.fill(0.0f);
  net.cls_token.value.fill(10.0f);
  net.reg_token.value.fill(20.0f);
  const Tensor x = net.embed(noise({2, 3, 8, 12})).value();
  CHECK(x(1, 0, 0) == 10.0f);
  CHECK(x(1, 1, 5) == 20.0f);
  CHECK(x(0, 2, 15) == 20.0f);
  Tensor tokens = Tensor::zeros({1, 9, 16});
  for (std::int64_t t = 0; t < 9; ++t)
    for (std::int64_t c = 0; c < 16; ++c) tokens(0, t, c) = t < 3 ? 1000.0f : static_cast<float>(t + c);
  CHECK(net.pool(tokens).value()(0, 2) == doctest::Approx(5.5 + 2));  // patches are 3 to 8
  net.config.pooling = Pooling::token;
  CHECK(net.pool(tokens).value()(0, 2) == 1000.0f);
}

TEST_CASE("images of another size are refused") {
  const VisionTransformer net = fresh(kSmall);
  for (const Shape& shape : {Shape{1, 3, 12, 8}, Shape{1, 1, 8, 12}, Shape{3, 8, 12}, Shape{1, 3, 8, 16}}) {
    const std::string message = message_of<ShapeError>([&] { net(Tensor::zeros(shape)); });
    CHECK(message == minivit::str_cat("VisionTransformer: images are ", shape, ", expected (B, 3, 8, 12)"));
  }
}

TEST_CASE("attention maps are those of the computation") {
  ViTConfig config = kSmall;
  config.num_layers = 3;
  const VisionTransformer net = fresh(config);
  const Tensor images = noise({2, 3, 8, 12});
  const NoGrad values_only;
  Var x = net.embed(images);
  for (int layer = 0; layer < 3; ++layer) {
    CAPTURE(layer);
    const EncoderBlock& block = net.encoder.blocks[static_cast<std::size_t>(layer)];
    const Tensor maps = net.attention_maps(images, layer);
    REQUIRE(maps.shape() == Shape{2, 2, 7, 7});
    for (std::int64_t row = 0; row < 2 * 2 * 7; ++row) {
      double total = 0;
      for (std::int64_t i = 0; i < 7; ++i) total += maps.data()[row * 7 + i];
      CHECK(total == doctest::Approx(1).epsilon(1e-6));
    }
    // Unfused: softmax(q kᵀ / √8), and with v and the projection what the block computes.
    const Var qkv = block.attn.qkv(block.norm1(x));
    const auto heads = [&](std::int64_t which) {
      return permute(reshape(slice_axis(qkv, 2, which * 16, which * 16 + 16), {2, 7, 2, 8}), {0, 2, 1, 3});
    };
    const Tensor expected = softmax(matmul(heads(0), heads(1), false, true) * (1 / std::sqrt(8.0f))).value();
    for (std::int64_t i = 0; i < maps.numel(); ++i)
      CHECK(std::fabs(maps.data()[i] - expected.data()[i]) < 1e-6f);
    const Tensor y =
        block.attn.proj(reshape(permute(matmul(maps, heads(2)), {0, 2, 1, 3}), {2, 7, 16})).value();
    const Tensor fused = block.attn(block.norm1(x)).value();
    for (std::int64_t i = 0; i < y.numel(); ++i) CHECK(std::fabs(y.data()[i] - fused.data()[i]) < 1e-6f);
    x = block(x);
  }
  CHECK(same_bits(net.attention_maps(images), net.attention_maps(images, 2)));
  CHECK(same_bits(net.attention_maps(images, -3), net.attention_maps(images, 0)));
  CHECK_FALSE(same_bits(net.attention_maps(images, 0), net.attention_maps(images, 1)));
  CHECK(message_of<ConfigError>([&] { static_cast<void>(net.attention_maps(images, 3)); }) ==
        "layer 3 of a model with 3 layers, expected -3 to 2");
  CHECK(message_of<ConfigError>([&] { static_cast<void>(net.attention_maps(images, -4)); }) ==
        "layer -4 of a model with 3 layers, expected -3 to 2");
}

TEST_CASE("dropout acts in training only, and is repeated by manual_seed") {
  ViTConfig config = kSmall;
  config.input_dropout = config.attention_dropout = config.dropout = config.drop_path = 0.3f;
  const VisionTransformer net = fresh(config);
  const VisionTransformer plain = fresh(kSmall);
  const Tensor images = noise({4, 3, 8, 12});
  const NoGrad values_only;
  const Tensor quiet = net(images).value();
  CHECK(same_bits(quiet, net(images).value()));
  CHECK(same_bits(quiet, plain(images).value()));  // the rates change no weights
  const Training training;
  const auto seeded = [&](std::uint64_t seed) {
    manual_seed(seed);
    return net(images).value();
  };
  const Tensor first = seeded(1);
  CHECK_FALSE(same_bits(first, quiet));
  CHECK_FALSE(same_bits(first, net(images).value()));  // the next draws
  CHECK(same_bits(first, seeded(1)));
  CHECK_FALSE(same_bits(first, seeded(2)));
}

TEST_CASE("every one of the four rates does something") {
  for (float ViTConfig::*rate : {&ViTConfig::input_dropout, &ViTConfig::attention_dropout,
                                 &ViTConfig::dropout, &ViTConfig::drop_path}) {
    ViTConfig config = kSmall;
    config.*rate = 0.5f;
    const VisionTransformer net = fresh(config);
    const NoGrad values_only;
    const Tensor images = noise({4, 3, 8, 12});
    const Tensor quiet = net(images).value();
    const Training training;
    manual_seed(4);
    CHECK_FALSE(same_bits(quiet, net(images).value()));
  }
}

TEST_CASE("logits and gradients have the same bits with 1, 2 and 3 threads") {
  const ThreadsRestored restored;
  for (const bool for_small_data : {false, true}) {
    ViTConfig config = kSmall;
    config.image_height = config.image_width = 32;
    config.embedding_dim = 48;
    config.num_heads = 3;
    config.dropout = config.attention_dropout = config.drop_path = 0.1f;
    if (for_small_data) config.stem = Stem::shifted, config.attention = Attention::locality;
    VisionTransformer net = fresh(config);
    require_grad(net);
    const Tensor images = noise({5, 3, 32, 32});
    const std::vector<int> labels{0, 1, 2, 3, 4};
    Tensor logits;
    std::map<std::string, Tensor> gradients;
    for (const int threads : {1, 2, 3}) {
      CAPTURE(threads);
      set_num_threads(threads);
      manual_seed(9);
      const Training training;
      zero_grad(net);
      const Var y = net(images);
      backward(cross_entropy(y, labels));
      if (threads == 1) {
        logits = y.value();
        for_each_parameter(
            net, [&](const std::string& name, const Parameter& p) { gradients[name] = p.grad.clone(); });
      }
      CHECK(same_bits(y.value(), logits));
      for_each_parameter(net, [&](const std::string& name, const Parameter& p) {
        CAPTURE(name);
        CHECK(same_bits(p.grad, gradients[name]));
        if (for_small_data) CHECK(std::ranges::any_of(p.grad.values(), [](float g) { return g != 0; }));
      });
    }
  }
}

TEST_CASE("fixed positions are not trained, learned ones are") {
  ViTConfig config = kSmall;
  config.positions = Positions::sincos;
  VisionTransformer fixed = fresh(config);
  require_grad(fixed);
  backward(cross_entropy(fixed(noise({1, 3, 8, 12})), std::vector<int>{1}));
  CHECK_FALSE(fixed.pos_embed.trainable);
  CHECK_FALSE(fixed.pos_embed.grad.defined());
  CHECK(parameter_count(fixed) - parameter_count(fixed, true) == 7 * 16);
  VisionTransformer learned = fresh(kSmall);
  require_grad(learned);
  backward(cross_entropy(learned(noise({1, 3, 8, 12})), std::vector<int>{1}));
  for_each_parameter(learned, [&](const std::string& name, const Parameter& p) {
    CAPTURE(name);
    REQUIRE(p.grad.defined());
    CHECK(std::ranges::any_of(p.grad.values(), [](float v) { return v != 0.0f; }));
  });
}

TEST_CASE("a model learns one batch by heart") {
  for (const Pooling pooling : {Pooling::token, Pooling::mean}) {
    ViTConfig config = kSmall;
    config.pooling = pooling;
    config.class_token = pooling == Pooling::token;
    config.register_tokens = pooling == Pooling::token ? 0 : 1;
    VisionTransformer net = fresh(config);
    ParameterArena parameters = flatten(net);
    AdamW optimizer(parameters, {.weight_decay = 0.0f});
    const Tensor images = noise({10, 3, 8, 12});
    const std::vector<int> labels{0, 1, 2, 3, 4, 4, 3, 2, 1, 0};
    float first = 0, last = 0;
    for (int step = 0; step < 80; ++step) {
      const Var loss = cross_entropy(net(images), labels);
      backward(loss);
      clip_grad_norm(parameters, 1.0);
      optimizer.step(4e-3f);
      parameters.zero_grad();
      (step == 0 ? first : last) = loss.item();
    }
    CHECK(first == doctest::Approx(std::log(5.0)).epsilon(0.1));
    CHECK(last < 0.05f);
  }
}

TEST_CASE("a copied model is independent, a moved one keeps its weights") {
  VisionTransformer net = fresh(kSmall);
  const ParameterArena parameters = flatten(net);
  const Tensor images = noise({1, 3, 8, 12});
  const NoGrad values_only;
  const Tensor before = net(images).value();
  const VisionTransformer copy = net;
  Tensor(parameters.values).fill(0.01f);
  CHECK(same_bits(copy(images).value(), before));
  const Tensor after = net(images).value();
  CHECK_FALSE(same_bits(after, before));
  const VisionTransformer moved = std::move(net);
  CHECK(same_bits(moved(images).value(), after));
}
