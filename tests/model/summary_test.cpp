// The table of a model's layers: totals, published figures, layout.
#include "minivit/model/summary.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

using namespace minivit;

namespace {

std::int64_t mult_adds(const VisionTransformer& net, std::int64_t batch = 1) {
  std::int64_t total = 0;
  for (const LayerSummary& row : summary(net, batch).layers) total += row.mult_adds;
  return total;
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

TEST_CASE("the parts add up to the model") {
  for (const bool everything : {false, true}) {
    ViTConfig config = kSmall;
    if (everything) {
      config.register_tokens = 3;
      config.layer_scale = 0.1f;
      config.num_classes = 0;
      config.qkv_bias = false;
      config.positions = Positions::sincos;
      config.pooling = Pooling::mean;
    }
    const VisionTransformer net(config);
    std::int64_t parameters = 0;
    for (const LayerSummary& row : summary(net).layers) parameters += row.parameters;
    CHECK(parameters == parameter_count(net));
    CHECK(mult_adds(net, 7) == 7 * mult_adds(net));
  }
}

TEST_CASE("every layer with its output and its work") {
  const std::vector<LayerSummary> rows = summary(VisionTransformer(kSmall), 2).layers;
  struct Expected {
    std::string name;
    Shape output;
    std::int64_t parameters, mult_adds;
  };
  const std::vector<Expected> expected{
      {"patch_embed", {2, 6, 16}, 784, 2 * 6 * 48 * 16},
      {"tokens + positions", {2, 7, 16}, 128, 0},
      {"blocks.0.norm1", {2, 7, 16}, 32, 0},
      {"blocks.0.attn.qkv", {2, 7, 48}, 816, 2 * 7 * 16 * 48},
      {"blocks.0.attn", {2, 7, 16}, 0, 2 * 2 * 7 * 7 * 16},
      {"blocks.0.attn.proj", {2, 7, 16}, 272, 2 * 7 * 16 * 16},
      {"blocks.0.norm2", {2, 7, 16}, 32, 0},
      {"blocks.0.mlp.fc1", {2, 7, 32}, 544, 2 * 7 * 16 * 32},
      {"blocks.0.mlp.fc2", {2, 7, 16}, 528, 2 * 7 * 16 * 32},
  };
  REQUIRE(rows.size() == 2 + 2 * 7 + 2);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(expected[i].name);
    CHECK(rows[i].name == expected[i].name);
    CHECK(rows[i].output == expected[i].output);
    CHECK(rows[i].parameters == expected[i].parameters);
    CHECK(rows[i].mult_adds == expected[i].mult_adds);
  }
  CHECK(rows[16].name == "norm");
  CHECK(rows[17].name == "head");
  CHECK(rows[17].output == Shape{2, 5});
  CHECK(rows[17].mult_adds == 2 * 16 * 5);
}

TEST_CASE("a stem of convolutions and sequence pooling, with their work") {
  ViTConfig config = kSmall;  // 12 x 8 pixels or so, patches of 4
  config.stem = Stem::conv, config.pooling = Pooling::sequence, config.class_token = false;
  const std::int64_t H = config.image_height, W = config.image_width;
  const std::vector<LayerSummary> rows = summary(VisionTransformer(config), 2).layers;
  CHECK(rows[0].name == "stem.convs.0");
  CHECK(rows[0].output == Shape{2, H / 2, W / 2, 16});
  CHECK(rows[0].mult_adds == 2 * H * W * 27 * 16);
  CHECK(rows[1].name == "stem.convs.1");
  CHECK(rows[1].output == Shape{2, H / 4, W / 4, 16});
  CHECK(rows[1].parameters == 9 * 16 * 16);
  CHECK(rows[1].mult_adds == 2 * (H / 2) * (W / 2) * 9 * 16 * 16);
  const LayerSummary& pooling = rows[rows.size() - 2];
  CHECK(pooling.name == "attention_pool");
  CHECK(pooling.parameters == 17);
}

TEST_CASE("shifted patches and locality self-attention, with their work") {
  ViTConfig config = kSmall;
  config.stem = Stem::shifted, config.attention = Attention::locality;
  const VisionTransformer net(config);
  const ModelSummary all = summary(net, 2);
  CHECK(all.layers[0].name == "shifted_stem");
  CHECK(all.layers[0].output == Shape{2, 6, 16});
  CHECK(all.layers[0].parameters == 2 * 240 + 240 * 16 + 16);
  CHECK(all.layers[0].mult_adds == 2 * 6 * 240 * 16);
  CHECK(all.layers[4].name == "blocks.0.attn");
  CHECK(all.layers[4].parameters == 2);
  CHECK(all.layers[4].mult_adds == 2 * 2 * 7 * 7 * 16);
  CHECK(all.parameters == parameter_count(net));
}

TEST_CASE("multiply-adds are the published ones") {
  const SkipInit values_do_not_matter;
  const auto near = [](std::int64_t found, double published) {
    return std::fabs(static_cast<double>(found) / published - 1) < 0.01;
  };
  CHECK(near(mult_adds(VisionTransformer(ViTConfig::small())), 4.6e9));
  CHECK(near(mult_adds(VisionTransformer(ViTConfig::base())), 17.6e9));
  Pool::instance().release();
}

TEST_CASE("the table is aligned and ends with the totals") {
  const VisionTransformer net(kSmall);
  const std::string table = summary(net).str();
  std::vector<std::string> lines;
  for (std::size_t begin = 0, end; (end = table.find('\n', begin)) != std::string::npos; begin = end + 1)
    lines.push_back(table.substr(begin, end - begin));
  REQUIRE(lines.size() == 1 + 18 + 1);
  for (const std::string& line : lines) CHECK(line.size() == lines[0].size());
  CHECK(lines.front().starts_with("layer "));
  CHECK(lines.back().starts_with("total "));
  CHECK(lines.back().find(" 5,477 ") != std::string::npos);
  CHECK(parameter_count(net) == 784 + 128 + 2 * 2224 + 32 + 85);
  CHECK(lines.back().ends_with(" 36,496"));
  CHECK(mult_adds(net) == 4608 + 2 * (5376 + 1568 + 1792 + 3584 + 3584) + 80);
}

TEST_CASE("with a part of the patches only, the blocks have less work") {
  ViTConfig c = kSmall;
  const std::int64_t all = mult_adds(c);
  CHECK(all == summary(VisionTransformer(c)).mult_adds);
  CHECK(mult_adds(c, c.patches()) == all);
  const std::int64_t P = c.prefix_tokens(), N = c.patches(), C = c.embedding_dim;
  // Per token 3 C² + C² and the MLP, per pair of tokens 2 C.
  const auto blocks = [&](std::int64_t T) {
    return c.num_layers * (T * (4 * C * C + 2 * C * c.hidden_dim()) + 2 * T * T * C);
  };
  CHECK(all - mult_adds(c, N / 2) == blocks(P + N) - blocks(P + N / 2));
}
