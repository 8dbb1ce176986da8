// A table of a model's layers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// One line of a model summary.
struct LayerSummary {
  std::string name;
  Shape output;             ///< for the given batch
  std::int64_t parameters;  ///< weights of this layer
  std::int64_t mult_adds;  ///< multiplications with addition, for the whole batch; a FLOP count is twice this
};

/// The layers of a model, for one batch.
struct ModelSummary {
  std::vector<LayerSummary> layers;  ///< in the order of computation
  std::int64_t parameters = 0;       ///< of all layers
  std::int64_t mult_adds = 0;        ///< of all layers

  /// A table to read.
  [[nodiscard]] std::string str() const;
};

/// Layers, shapes and costs of a model for `batch` images. Counted are matrix products (projections, scores,
/// weighted sums); norms, activations and softmax are below one in a hundred of them. patches: how many of
/// each image the blocks see; 0: all.
[[nodiscard]] ModelSummary summary(const VisionTransformer& net, std::int64_t batch = 1,
                                   std::int64_t patches = 0);

/// Multiplications with addition of one image through a model of these sizes, which need not exist. Training
/// takes three times as many.
[[nodiscard]] std::int64_t mult_adds(const ViTConfig& config, std::int64_t patches = 0);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE ModelSummary summary(const VisionTransformer& net, std::int64_t batch, std::int64_t patches) {
  const ViTConfig& c = net.config;
  const std::int64_t B = batch, N = c.patches(), kept = patches > 0 ? patches : N,
                     T = c.prefix_tokens() + kept, C = c.embedding_dim, hidden = c.hidden_dim();
  ModelSummary summary;
  std::vector<LayerSummary>& rows = summary.layers;
  if (c.stem == Stem::patch) {
    const std::int64_t patch = c.channels * c.patch_size * c.patch_size;
    rows.push_back({"patch_embed", {B, N, C}, parameter_count(net.patch_embed), B * N * patch * C});
  }
  if (c.stem == Stem::shifted) {
    const std::int64_t patch = 5 * c.channels * c.patch_size * c.patch_size;
    rows.push_back({"shifted_stem", {B, N, C}, parameter_count(net.shifted_stem), B * N * patch * C});
  }
  std::int64_t height = c.image_height, width = c.image_width, from = c.channels;
  for (std::size_t i = 0; i < net.stem.convs.size(); ++i) {
    const Conv3x3& conv = net.stem.convs[i];
    const std::int64_t out = conv.weight.value.size(0);
    rows.push_back({str_cat("stem.convs.", i),
                    {B, height / 2, width / 2, out},
                    parameter_count(conv),
                    B * height * width * 9 * from * out});
    height /= 2, width /= 2, from = out;
  }
  std::int64_t tokens = 0;
  for (const Parameter* p : {&net.cls_token, &net.dist_token, &net.reg_token, &net.pos_embed})
    tokens += p->value.numel();
  rows.push_back({"tokens + positions", {B, T, C}, tokens, 0});
  if (c.norm_pre) rows.push_back({"norm_pre", {B, T, C}, parameter_count(net.norm_pre), 0});
  for (std::size_t i = 0; i < net.encoder.blocks.size(); ++i) {
    const EncoderBlock& block = net.encoder.blocks[i];
    const std::string name = str_cat("blocks.", i, ".");
    const auto linear = [&](const char* layer, const auto& module, std::int64_t in, std::int64_t out) {
      rows.push_back({name + layer, {B, T, out}, parameter_count(module), B * T * in * out});
    };
    rows.push_back({name + "norm1", {B, T, C}, parameter_count(block.norm1) + parameter_count(block.ls1), 0});
    linear("attn.qkv", block.attn.qkv, C, 3 * C);
    if (c.qk_norm)
      rows.push_back({name + "attn.qk_norm",
                      {B, T, 2 * C},
                      parameter_count(block.attn.q_norm) + parameter_count(block.attn.k_norm),
                      0});
    rows.push_back({name + "attn", {B, T, C}, block.attn.scale.value.numel(), 2 * B * T * T * C});
    linear("attn.proj", block.attn.proj, C, C);
    rows.push_back({name + "norm2", {B, T, C}, parameter_count(block.norm2) + parameter_count(block.ls2), 0});
    linear("mlp.fc1", block.mlp.fc1, C, hidden);
    linear("mlp.fc2", block.mlp.fc2, c.activation == Activation::swiglu ? hidden / 2 : hidden, C);
  }
  const std::int64_t F = c.feature_dim();
  rows.push_back({"norm", {B, F}, parameter_count(net.norm), 0});
  if (c.pooling == Pooling::sequence)
    rows.push_back({"attention_pool", {B, F}, parameter_count(net.attention_pool), 2 * B * kept * C});
  if (net.head.weight.defined())
    rows.push_back({"head", {B, c.num_classes}, parameter_count(net.head), B * F * c.num_classes});
  if (net.head_dist.weight.defined())
    rows.push_back({"head_dist", {B, c.num_classes}, parameter_count(net.head_dist), B * C * c.num_classes});
  for (const LayerSummary& row : rows) {
    summary.parameters += row.parameters;
    summary.mult_adds += row.mult_adds;
  }
  return summary;
}

MINIVIT_INLINE std::string ModelSummary::str() const {
  const auto cell = [](std::string text, std::size_t width, bool right) {
    const std::string pad(text.size() < width ? width - text.size() : 0, ' ');
    return right ? pad + text : text + pad;
  };
  const auto grouped = [](std::int64_t n) {  // 1234567 -> 1,234,567
    std::string digits = std::to_string(n);
    for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3)
      digits.insert(static_cast<std::size_t>(i), 1, ',');
    return digits;
  };
  std::string out;
  const auto line = [&](const std::string& name, const std::string& shape, const std::string& weights,
                        const std::string& work) {
    out += cell(name, 22, false) + cell(shape, 18, false) + cell(weights, 14, true) + cell(work, 18, true) +
           "\n";
  };
  line("layer", "output", "parameters", "mult-adds");
  for (const LayerSummary& row : layers)
    line(row.name, row.output.str(), grouped(row.parameters), grouped(row.mult_adds));
  line("total", "", grouped(parameters), grouped(mult_adds));
  return out;
}

MINIVIT_INLINE std::int64_t mult_adds(const ViTConfig& config, std::int64_t patches) {
  const SkipInit only_sizes_matter;
  return summary(VisionTransformer(config), 1, patches).mult_adds;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
