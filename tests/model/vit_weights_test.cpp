// The weights of a Vision Transformer: their names, shapes and first values.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "minivit/io/safetensors.hpp"
#include "minivit/model/vit.hpp"

using namespace minivit;

namespace {

using Names = std::vector<std::string>;

template <class Model>
Names names(const Model& model) {
  Names all;
  for_each_parameter(model, [&](const std::string& name, const Parameter& p) {
    all.push_back(minivit::str_cat(name, " ", p.value.shape()));
  });
  return all;
}

const ViTConfig kSmall{.image_height = 8,
                       .image_width = 12,
                       .patch_size = 4,
                       .num_classes = 5,
                       .embedding_dim = 16,
                       .num_layers = 2,
                       .num_heads = 2,
                       .mlp_ratio = 2};

}  // namespace

TEST_CASE("names and shapes are timm's") {
  const io::SafetensorsFile file(MINIVIT_TEST_DATA "/vit_timm/model.safetensors");
  const VisionTransformer net({.image_height = 32,
                               .image_width = 32,
                               .patch_size = 8,
                               .num_classes = 7,
                               .embedding_dim = 48,
                               .num_layers = 3,
                               .num_heads = 3});
  Names expected, found = names(net);
  for (const io::SafetensorsInfo& tensor : file.tensors())
    expected.push_back(minivit::str_cat(tensor.name, " ", tensor.shape_text()));
  CHECK(found.size() == 44);
  std::ranges::sort(expected);
  std::ranges::sort(found);
  CHECK(found == expected);
}

TEST_CASE("names with registers, LayerScale and mean pooling, and without a class token") {
  ViTConfig config = kSmall;
  config.num_layers = 1;
  const Names block{"blocks.0.norm1.weight (16)",         "blocks.0.norm1.bias (16)",
                    "blocks.0.attn.qkv.weight (48, 16)",  "blocks.0.attn.qkv.bias (48)",
                    "blocks.0.attn.proj.weight (16, 16)", "blocks.0.attn.proj.bias (16)",
                    "blocks.0.norm2.weight (16)",         "blocks.0.norm2.bias (16)",
                    "blocks.0.mlp.fc1.weight (32, 16)",   "blocks.0.mlp.fc1.bias (32)",
                    "blocks.0.mlp.fc2.weight (16, 32)",   "blocks.0.mlp.fc2.bias (16)"};
  const auto with = [](Names front, const Names& middle, const Names& back) {
    front.insert(front.end(), middle.begin(), middle.end());
    front.insert(front.end(), back.begin(), back.end());
    return front;
  };
  const Names patches{"patch_embed.proj.weight (16, 3, 4, 4)", "patch_embed.proj.bias (16)"};
  const Names head{"head.weight (5, 16)", "head.bias (5)"};

  CHECK(names(VisionTransformer(config)) ==
        with({"cls_token (1, 1, 16)", "pos_embed (1, 7, 16)", patches[0], patches[1]}, block,
             {"norm.weight (16)", "norm.bias (16)", head[0], head[1]}));

  config.pooling = Pooling::mean;
  config.class_token = false;
  CHECK(names(VisionTransformer(config)) ==
        with({"pos_embed (1, 6, 16)", patches[0], patches[1]}, block,
             {"fc_norm.weight (16)", "fc_norm.bias (16)", head[0], head[1]}));

  config.class_token = true;
  config.register_tokens = 4;
  config.layer_scale = 1e-5f;
  config.num_classes = 0;
  config.qkv_bias = false;
  Names scaled = block;
  scaled.erase(scaled.begin() + 3);
  scaled.insert(scaled.begin() + 5, "blocks.0.ls1.gamma (16)");
  scaled.push_back("blocks.0.ls2.gamma (16)");
  CHECK(names(VisionTransformer(config)) == with({"cls_token (1, 1, 16)", "reg_token (1, 4, 16)",
                                                  "pos_embed (1, 11, 16)", patches[0], patches[1]},
                                                 scaled, {"fc_norm.weight (16)", "fc_norm.bias (16)"}));
}

TEST_CASE("names of shifted patches and of learned factors of scores") {
  ViTConfig config = kSmall;
  config.stem = Stem::shifted, config.attention = Attention::locality;
  const Names all = names(VisionTransformer(config));
  for (const char* const name : {"shifted_stem.norm.weight (240)", "shifted_stem.norm.bias (240)",
                                 "shifted_stem.proj.weight (16, 240)", "shifted_stem.proj.bias (16)",
                                 "blocks.0.attn.scale (2)", "blocks.1.attn.scale (2)"})
    CHECK(std::ranges::count(all, name) == 1);
  CHECK(all.size() == names(VisionTransformer(kSmall)).size() + 2 + 2);
}

TEST_CASE("fresh weights are as timm's: matrices and positions of deviation 0.02, biases 0, norms 1") {
  ViTConfig config = kSmall;
  config.embedding_dim = 64;
  config.layer_scale = 0.1f;
  config.register_tokens = 2;
  manual_seed(1);
  const VisionTransformer net(config);
  for_each_parameter(net, [](const std::string& name, const Parameter& p) {
    CAPTURE(name);
    const auto all = [&](float v) { return std::ranges::count(p.value.values(), v) == p.value.numel(); };
    const float largest = std::ranges::max(p.value.values());
    const bool token = name == "cls_token" || name == "reg_token" || name == "pos_embed";
    CHECK(p.decay == name.ends_with(".weight") * (p.value.rank() > 1));
    if (name.ends_with("norm.weight") || name.find(".norm") != std::string::npos)
      CHECK(all(name.ends_with(".bias") ? 0.0f : 1.0f));
    else if (name.ends_with(".gamma"))
      CHECK(all(0.1f));
    else if (name.ends_with(".bias"))
      CHECK(all(0.0f));
    else if (token || name.find("patch_embed") == std::string::npos)
      CHECK((largest > 0.03f && largest <= 0.04f));
    else
      CHECK((largest > 0.2f && largest <= 2 / std::sqrt(48.0f)));  // LeCun normal, of 48 inputs
  });
}
