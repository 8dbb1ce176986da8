// Ranges of a configuration, and how many weights it means.
#include "minivit/model/vit_config.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "minivit/model/vit.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

/// The message about the small valid configuration after `change`; "" if it is still valid.
std::string complaint(const std::function<void(ViTConfig&)>& change) {
  ViTConfig config{.image_height = 32,
                   .image_width = 32,
                   .patch_size = 8,
                   .num_classes = 10,
                   .embedding_dim = 24,
                   .num_layers = 2,
                   .num_heads = 3};
  config.validate();
  change(config);
  const std::string message = message_of<ConfigError>([&] { config.validate(); });
  return message == "nothing was thrown" ? "" : message;
}

}  // namespace

TEST_CASE("validate names the setting, its value and what is expected") {
  CHECK(complaint([](ViTConfig& c) { c.image_height = 0; }) == "image_height is 0, expected 1 to 16384");
  CHECK(complaint([](ViTConfig& c) { c.image_width = -8; }) == "image_width is -8, expected 1 to 16384");
  CHECK(complaint([](ViTConfig& c) { c.image_width = 16392; }) ==
        "image_width is 16392, expected 1 to 16384");
  CHECK(complaint([](ViTConfig& c) { c.patch_size = 0; }) == "patch_size is 0, expected 1 to 1024");
  CHECK(complaint([](ViTConfig& c) { c.channels = 0; }) == "channels is 0, expected 1 to 1024");
  CHECK(complaint([](ViTConfig& c) { c.embedding_dim = 65537; }) ==
        "embedding_dim is 65537, expected 1 to 65536");
  CHECK(complaint([](ViTConfig& c) { c.num_layers = 0; }) == "num_layers is 0, expected 1 to 1024");
  CHECK(complaint([](ViTConfig& c) { c.num_heads = -1; }) == "num_heads is -1, expected 1 to 1024");
  CHECK(complaint([](ViTConfig& c) { c.num_classes = -1; }) == "num_classes is -1, expected 0 to 1000000");
  CHECK(complaint([](ViTConfig& c) { c.num_classes = 1'000'001; }) ==
        "num_classes is 1000001, expected 0 to 1000000");
  CHECK(complaint([](ViTConfig& c) { c.image_height = 30; }) ==
        "image size 30x32 is not divisible by patch_size 8; the next is 32x32");
  CHECK(complaint([](ViTConfig& c) { c.image_width = 36; }) ==
        "image size 32x36 is not divisible by patch_size 8; the next is 32x40");
  CHECK(complaint([](ViTConfig& c) { c.num_heads = 5; }) ==
        "embedding_dim 24 is not divisible by num_heads 5");
  CHECK(complaint([](ViTConfig& c) { c.mlp_ratio = 0; }) ==
        "mlp_ratio is 0, expected above 0 and at most 64");
  CHECK(complaint([](ViTConfig& c) { c.mlp_ratio = 0.01; }) ==
        "mlp_ratio is 0.01, expected above 0 and at most 64");
  CHECK(complaint([](ViTConfig& c) { c.mlp_ratio = 64.5; }) ==
        "mlp_ratio is 64.5, expected above 0 and at most 64");
  CHECK(complaint([](ViTConfig& c) { c.mlp_ratio = NAN; }) ==
        "mlp_ratio is nan, expected above 0 and at most 64");
  CHECK(complaint([](ViTConfig& c) { c.input_dropout = 1; }) ==
        "input_dropout is 1, expected 0 or more and less than 1");
  CHECK(complaint([](ViTConfig& c) { c.attention_dropout = -0.1f; }) ==
        "attention_dropout is -0.1, expected 0 or more and less than 1");
  CHECK(complaint([](ViTConfig& c) { c.dropout = NAN; }) ==
        "dropout is nan, expected 0 or more and less than 1");
  CHECK(complaint([](ViTConfig& c) { c.drop_path = 2; }) ==
        "drop_path is 2, expected 0 or more and less than 1");
  CHECK(complaint([](ViTConfig& c) { c.class_token = false; }) ==
        "pooling by class token needs class_token true");
  CHECK(complaint([](ViTConfig& c) { c.positions = Positions::sincos, c.embedding_dim = 6; }) ==
        "sin-cos positions need an embedding_dim divisible by 4, it is 6");
  CHECK(complaint([](ViTConfig& c) {
          c.positions = Positions::sincos, c.embedding_dim = 4, c.num_heads = 1;
        }) == "sin-cos positions need an embedding_dim of at least 8, it is 4");
  CHECK(complaint([](ViTConfig& c) { c.register_tokens = -1; }) ==
        "register_tokens is -1, expected 0 to 1024");
  CHECK(complaint([](ViTConfig& c) { c.register_tokens = 1025; }) ==
        "register_tokens is 1025, expected 0 to 1024");
  CHECK(complaint([](ViTConfig& c) { c.norm_eps = 0; }) == "norm_eps is 0, expected between 0 and 1");
  CHECK(complaint([](ViTConfig& c) { c.norm_eps = NAN; }) == "norm_eps is nan, expected between 0 and 1");
  CHECK(complaint([](ViTConfig& c) { c.image_height = c.image_width = 4096; }) ==
        "the model has 262145 tokens, at most 65536 are supported");
}

TEST_CASE("what is at the edge of its range is valid") {
  CHECK(complaint([](ViTConfig& c) { c.num_classes = 0; }).empty());
  CHECK(complaint([](ViTConfig& c) { c.num_classes = 1'000'000; }).empty());
  CHECK(complaint([](ViTConfig& c) { c.mlp_ratio = 64; }).empty());
  CHECK(complaint([](ViTConfig& c) { c.drop_path = 0.99f; }).empty());
  CHECK(complaint([](ViTConfig& c) { c.class_token = false, c.pooling = Pooling::mean; }).empty());
  CHECK(complaint([](ViTConfig& c) { c.pooling = Pooling::mean; }).empty());
  CHECK(complaint([](ViTConfig& c) { c.positions = Positions::sincos; }).empty());
  CHECK(complaint([](ViTConfig& c) { c.patch_size = 32; }).empty());
}

TEST_CASE("a model is not built from an invalid configuration") {
  CHECK(message_of<ConfigError>([] { VisionTransformer(ViTConfig{.num_heads = 5}); }) ==
        "embedding_dim 768 is not divisible by num_heads 5");
}

TEST_CASE("the presets have the published numbers of weights") {
  // timm: vit_{tiny,small,base,large}_patch16_224 with 1000 classes.
  CHECK(ViTConfig::tiny().parameter_count() == 5'717'416);
  CHECK(ViTConfig::small().parameter_count() == 22'050'664);
  CHECK(ViTConfig::base().parameter_count() == 86'567'656);
  CHECK(ViTConfig::large().parameter_count() == 304'326'632);
  for (const ViTConfig& c :
       {ViTConfig::tiny(), ViTConfig::small(), ViTConfig::base(), ViTConfig::large(), ViTConfig::mini()}) {
    c.validate();
    CHECK(c.tokens() == 197);
    CHECK(c.hidden_dim() == 4 * c.embedding_dim);
  }
  CHECK(ViTConfig::mini().embedding_dim == 256);
  CHECK(ViTConfig::mini().num_layers == 6);
  CHECK(ViTConfig::mini().num_heads == 8);
}

TEST_CASE("the configuration counts the norms that not every model has") {
  for (const bool qk_norm : {false, true})
    for (const bool norm_pre : {false, true}) {
      const ViTConfig config{.image_height = 16,
                             .image_width = 16,
                             .embedding_dim = 12,
                             .num_layers = 2,
                             .num_heads = 3,
                             .qk_norm = qk_norm,
                             .norm_pre = norm_pre};
      const VisionTransformer net(config);
      CHECK(parameter_count(net) == config.parameter_count());
      CHECK(net.encoder.blocks[1].attn.k_norm.weight.defined() == qk_norm);
      CHECK(net.patch_embed.bias.defined() != norm_pre);
    }
}

TEST_CASE("the configuration counts the weights of convolutions and of sequence pooling") {
  for (const std::int64_t patch : {2, 4, 16})
    for (const Pooling pooling : {Pooling::token, Pooling::sequence}) {
      const ViTConfig config{.image_height = 32,
                             .image_width = 16,
                             .patch_size = patch,
                             .stem = Stem::conv,
                             .embedding_dim = 12,
                             .num_layers = 1,
                             .num_heads = 3,
                             .pooling = pooling,
                             .class_token = pooling == Pooling::token};
      const VisionTransformer net(config);
      CHECK(parameter_count(net) == config.parameter_count());
      CHECK(!net.patch_embed.weight.defined());
      CHECK(net.stem.convs.size() == config.stem_widths().size());
      CHECK(net(Tensor::zeros({2, 3, 32, 16})).shape() == Shape{2, 1000});
    }
  const auto refused = [](const ViTConfig& c) { return message_of<ConfigError>([&] { c.validate(); }); };
  CHECK(
      refused({.image_height = 30, .image_width = 30, .patch_size = 6, .stem = Stem::conv}) ==
      "stem conv halves the image a whole number of times: patch_size is 6, expected 2, 4, 8, 16 or another "
      "power of two");
  CHECK(refused({.stem = Stem::conv, .norm_pre = true}) == "stem conv goes without norm_pre");
}

TEST_CASE("the configuration counts the weights of shifted patches and of learned factors of scores") {
  for (const std::int64_t patch : {2, 8})
    for (const Attention attention : {Attention::plain, Attention::locality})
      for (const Stem stem : {Stem::patch, Stem::conv, Stem::shifted}) {
        const ViTConfig config{.image_height = 32,
                               .image_width = 16,
                               .patch_size = patch,
                               .stem = stem,
                               .embedding_dim = 12,
                               .num_layers = 2,
                               .num_heads = 3,
                               .qk_norm = patch == 2,
                               .attention = attention};
        const VisionTransformer net(config);
        CHECK(parameter_count(net) == config.parameter_count());
        CHECK(net.shifted_stem.proj.weight.defined() == (stem == Stem::shifted));
        CHECK(net.encoder.blocks[1].attn.scale.defined() == (attention == Attention::locality));
        CHECK(net(Tensor::zeros({2, 3, 32, 16})).shape() == Shape{2, 1000});
      }
  CHECK(complaint([](ViTConfig& c) { c.stem = Stem::shifted; }).empty());
  CHECK(complaint([](ViTConfig& c) { c.stem = Stem::shifted, c.patch_size = 1; }) ==
        "stem shifted moves the image by half a patch: patch_size is 1, expected 2 or more");
  CHECK(complaint([](ViTConfig& c) { c.stem = Stem::shifted, c.norm_pre = true; }) ==
        "stem shifted goes without norm_pre");
  CHECK(complaint([](ViTConfig& c) { c.attention = Attention::locality, c.patch_size = 32; }).empty());
  CHECK(complaint([](ViTConfig& c) {
          c.attention = Attention::locality, c.patch_size = 32;
          c.pooling = Pooling::mean, c.class_token = false;
        }) == "attention locality keeps a token from itself, and the model has no other");
}

TEST_CASE("every setting has one name, and enumerators are found by theirs") {
  std::vector<std::string> names;
  const ViTConfig defaults;
  ViTConfig::fields(defaults, [&](std::string_view name, const auto&, std::string_view help, const Range&) {
    names.emplace_back(name);
    CHECK(!help.empty());
  });
  CHECK(names.size() == 29);
  std::ranges::sort(names);
  CHECK(std::ranges::adjacent_find(names) == names.end());
  CHECK(enum_name(Pooling::token_and_mean) == "token_and_mean");
  CHECK(enum_value<Pooling>("mean") == Pooling::mean);
  CHECK(!enum_value<Pooling>("max"));
}

TEST_CASE("the configuration counts the weights that the model has, whatever the options") {
  const SkipInit values_do_not_matter;
  int models = 0;
  for (const bool class_token : {true, false})
    for (const Pooling pooling : {Pooling::token, Pooling::mean})
      for (const Positions positions : {Positions::learned, Positions::sincos})
        for (const std::int64_t registers : {0, 3})
          for (const float layer_scale : {0.0f, 1e-5f})
            for (const std::int64_t classes : {0, 1, 10})
              for (const bool qkv_bias : {true, false}) {
                if (pooling == Pooling::token && !class_token) continue;
                const ViTConfig config{.image_height = 24,
                                       .image_width = 16,
                                       .patch_size = 8,
                                       .channels = 2,
                                       .num_classes = classes,
                                       .embedding_dim = 12,
                                       .num_layers = 2,
                                       .num_heads = 3,
                                       .mlp_ratio = 2.6,
                                       .pooling = pooling,
                                       .class_token = class_token,
                                       .positions = positions,
                                       .register_tokens = registers,
                                       .layer_scale = layer_scale,
                                       .qkv_bias = qkv_bias};
                const VisionTransformer net(config);
                CHECK(parameter_count(net) == config.parameter_count());
                CHECK(net.pos_embed.value.size(1) == config.tokens());
                CHECK(config.tokens() == 6 + (class_token ? 1 : 0) + registers);
                CHECK(net.encoder.blocks[0].mlp.fc1.weight.value.size(0) == 31);
                ++models;
              }
  CHECK(models == 3 * 48 / 2 * 2);
}
