// A Vision Transformer in the operators of ONNX.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "minivit/io/onnx_graph.hpp"
#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail::onnx {

/// The graph of a Vision Transformer, brick by brick as the model has them.
class TransformerGraph {
 public:
  explicit TransformerGraph(const VisionTransformer& net) : net_(net), config_(net.config) {
    const ViTConfig& c = config_;
    graph_.input(kImages, {c.channels, c.image_height, c.image_width});
    std::string x = embed();
    for (std::size_t i = 0; i < net.encoder.blocks.size(); ++i)
      x = block(str_cat("blocks.", i), net.encoder.blocks[i], x);
    finish(x);
  }

  const Graph& graph() const { return graph_; }

 private:
  static constexpr const char* kImages = "pixel_values";
  static constexpr std::int64_t kZero = 0, kOne = 1, kLast = -1;
  using Name = std::string;  // of a value

  /// Images -> tokens (B, T, C).
  Name embed() {
    Name x;
    if (config_.stem == Stem::shifted) {
      x = shifted_patches();
    } else {
      x = config_.stem == Stem::conv ? convolutions() : patch_embedding();
      x = reshape("patch_embed", x, {0, config_.embedding_dim, config_.patches()});
      x = transpose("patch_embed", x, {0, 2, 1});
    }
    const bool patches_only = net_.pos_embed.value.size(1) == config_.patches();
    if (patches_only) x = add_positions(x);
    x = with_prefix(x);
    if (!patches_only) x = add_positions(x);
    return net_.norm_pre.weight.defined() ? norm("norm_pre", net_.norm_pre, x) : x;
  }

  /// Images -> (B, C, rows, columns), a column for each patch.
  Name patch_embedding() {
    const std::int64_t P = config_.patch_size;
    const PatchEmbedding& patches = net_.patch_embed;
    std::vector<Name> inputs{kImages, graph_.weight("patch_embed.proj.weight", patches.weight.value)};
    if (patches.bias.defined()) inputs.push_back(graph_.weight("patch_embed.proj.bias", patches.bias.value));
    return graph_.node("Conv", "patch_embed", inputs,
                       {{"kernel_shape", Integers{P, P}}, {"strides", Integers{P, P}}});
  }

  /// The same by the stem of convolutions.
  Name convolutions() {
    Name x = kImages;
    for (std::size_t i = 0; i < net_.stem.convs.size(); ++i) {
      const Name name = str_cat("stem.convs.", i);
      const Tensor weight = permute(Var(net_.stem.convs[i].weight.value), {0, 3, 1, 2}).value();
      const Integers three{3, 3}, ones{1, 1, 1, 1};
      x = graph_.node("Conv", name, {x, graph_.weight(name + ".weight", weight)},
                      {{"kernel_shape", three}, {"pads", ones}});
      x = graph_.node("Relu", name, {x});
      x = graph_.node("MaxPool", name, {x},
                      {{"kernel_shape", three}, {"pads", ones}, {"strides", Integers{2, 2}}});
    }
    return x;
  }

  /// Images -> (B, patches, C) by patches and shifted ones.
  Name shifted_patches() {
    const ViTConfig& c = config_;
    const std::int64_t P = c.patch_size, half = P / 2, rows = c.image_height / P, columns = c.image_width / P;
    const Name scope = "shifted_stem";
    const Name padded =
        graph_.node("Pad", scope, {kImages, graph_.integers({0, 0, half, half, 0, 0, half, half})});
    std::vector<Name> copies{kImages};
    for (const std::int64_t top : {std::int64_t{0}, 2 * half})
      for (const std::int64_t left : {std::int64_t{0}, 2 * half})
        copies.push_back(graph_.node(
            "Slice", str_cat(scope, ".", copies.size()),
            {padded, graph_.integers({top, left}),
             graph_.integers({top + c.image_height, left + c.image_width}), graph_.integers({2, 3})}));
    const std::int64_t planes = 5 * c.channels;
    Name x = reshape(scope + ".cut", join(scope, copies, 1), {0, planes, rows, P, columns, P});
    x = transpose(scope, x, {0, 2, 4, 1, 3, 5});
    x = reshape(scope, x, {0, rows * columns, planes * P * P});
    return linear(scope + ".proj", net_.shifted_stem.proj, norm(scope + ".norm", net_.shifted_stem.norm, x));
  }

  Name add_positions(const Name& x) {
    return graph_.node("Add", "pos_embed", {x, graph_.weight("pos_embed", net_.pos_embed.value)});
  }

  /// The learned tokens, the same for each image, in front of the patches.
  Name with_prefix(const Name& patches) {
    const std::pair<const char*, const Parameter*> all[] = {
        {"cls_token", &net_.cls_token}, {"dist_token", &net_.dist_token}, {"reg_token", &net_.reg_token}};
    Name shape;  // (B, 1, 1), to which each is repeated
    std::vector<Name> parts;
    for (const auto& [name, token] : all) {
      if (!token->defined()) continue;
      if (parts.empty()) {
        const Name batch = graph_.node("Shape", "batch", {kImages}, {{"start", kZero}, {"end", kOne}});
        shape = join("batch", {batch, graph_.integers({1, 1})}, 0);
      }
      parts.push_back(graph_.node("Expand", name, {graph_.weight(name, token->value), shape}));
    }
    if (parts.empty()) return patches;
    parts.push_back(patches);
    return join("tokens", parts, 1);
  }

  /// y = x + ls1(attn(norm1(x))), then y + ls2(mlp(norm2(y))).
  Name block(const Name& name, const EncoderBlock& block, const Name& x) {
    Name branch = norm(name + ".norm1", block.norm1, x);
    branch = scaled(name + ".ls1", block.ls1, attention(name + ".attn", block.attn, branch));
    const Name y = graph_.node("Add", name + ".residual1", {x, branch});
    branch = norm(name + ".norm2", block.norm2, y);
    branch = scaled(name + ".ls2", block.ls2, mlp(name + ".mlp", block.mlp, branch));
    return graph_.node("Add", name + ".residual2", {y, branch});
  }

  Name attention(const Name& name, const MultiHeadAttention& layer, const Name& x) {
    const std::int64_t T = config_.tokens(), C = config_.embedding_dim, H = layer.heads, D = C / H;
    const std::vector<Name> packed = graph_.split(name + ".qkv", linear(name + ".qkv", layer.qkv, x), 2, 3);
    // (B, T, C) -> (B, H, T, D), or (B, H, D, T) where it is the second factor.
    const auto heads = [&](const char* part, const Name& value, const LayerNorm& normalize, Integers order) {
      const Name scope = name + part;
      Name each = reshape(scope, value, {0, T, H, D});
      if (normalize.weight.defined()) each = norm(scope + "_norm", normalize, each);
      return transpose(scope, each, std::move(order));
    };
    Name q = heads(".q", packed[0], layer.q_norm, {0, 2, 1, 3});
    const Name k = heads(".k", packed[1], layer.k_norm, {0, 2, 3, 1}),
               v = heads(".v", packed[2], LayerNorm(), {0, 2, 1, 3});
    const Name factor = layer.scale.defined()
                            ? graph_.weight(name + ".scale", layer.scale.value.reshape({H, 1, 1}))
                            : graph_.number(1.0f / std::sqrt(static_cast<float>(D)));
    q = graph_.node("Mul", name + ".q", {q, factor});
    Name scores = graph_.node("MatMul", name + ".scores", {q, k});
    if (layer.diagonal() == Diagonal::masked) scores = without_diagonal(name + ".others", scores);
    const Name map = graph_.node("Softmax", name, {scores}, {{"axis", kLast}});
    Name y = graph_.node("MatMul", name + ".heads", {map, v});
    y = transpose(name + ".heads", y, {0, 2, 1, 3});
    return linear(name + ".proj", layer.proj, reshape(name + ".heads", y, {0, T, C}));
  }

  /// Scores (B, H, T, T) with -infinity where a token meets itself. Which places these are is computed, once
  /// for all blocks: stored it would be T · T numbers.
  Name without_diagonal(const Name& name, const Name& scores) {
    if (diagonal_.empty()) {
      Integers places(static_cast<std::size_t>(config_.tokens()));
      std::iota(places.begin(), places.end(), 0);
      const Name row = graph_.integers("places", places);
      diagonal_ = graph_.node("Equal", "diagonal", {row, reshape("diagonal", row, {-1, 1})});
    }
    const Name never = graph_.number(-std::numeric_limits<float>::infinity());
    return graph_.node("Where", name, {diagonal_, never, scores});
  }

  Name mlp(const Name& name, const MLP& layer, const Name& x) {
    const Name u = linear(name + ".fc1", layer.fc1, x);
    return linear(
        name + ".fc2", layer.fc2,
        layer.activation == Activation::swiglu ? swiglu(name + ".swiglu", u) : gelu(name + ".gelu", u));
  }

  /// x (1 + erf(x / √2)) / 2: opset 17 has no Gelu. Written as runtimes know it, who make one operation of
  /// it.
  Name gelu(const Name& name, const Name& x) {
    const Name scaled = graph_.node("Div", name, {x, graph_.number(std::sqrt(2.0f))});
    const Name cdf = graph_.node("Add", name, {graph_.node("Erf", name, {scaled}), graph_.number(1.0f)});
    return graph_.node("Mul", name + ".half", {graph_.node("Mul", name, {x, cdf}), graph_.number(0.5f)});
  }

  /// silu(a) · b, a and b being the halves of x.
  Name swiglu(const Name& name, const Name& x) {
    const std::vector<Name> halves = graph_.split(name, x, 2, 2);
    const Name silu =
        graph_.node("Mul", name + ".silu", {halves[0], graph_.node("Sigmoid", name, {halves[0]})});
    return graph_.node("Mul", name, {silu, halves[1]});
  }

  /// Tokens (B, T, C) -> the graph's output.
  void finish(const Name& x) {
    const Name features = summarize(x);
    if (!net_.head.weight.defined()) {
      graph_.node("Identity", "features", {features}, {}, "features");
      return graph_.output("features", {config_.feature_dim()});
    }
    graph_.output("logits", {config_.num_classes});
    if (!net_.head_dist.weight.defined()) {
      classifier("head", net_.head, features, "logits");
      return;
    }
    const Name distilled = norm("dist_norm", "norm", net_.norm, token("dist_pool", x, 1));
    const Name sum = graph_.node(
        "Add", "heads",
        {classifier("head", net_.head, features), classifier("head_dist", net_.head_dist, distilled)});
    graph_.node("Mul", "heads", {sum, graph_.number(0.5f)}, {}, "logits");
  }

  /// What the head sees: (B, feature_dim).
  Name summarize(const Name& x) {
    if (config_.pooling == Pooling::token) return norm("norm", net_.norm, token("pool", x, 0));
    if (!config_.norm_before_pooling()) return norm("fc_norm", net_.norm, mean_of_patches(x));
    const Name y = norm("norm", net_.norm, x);
    if (config_.pooling == Pooling::mean) return mean_of_patches(y);
    if (config_.pooling == Pooling::sequence) return weighted_mean(y);
    return join("pool", {token("pool", y, 0), mean_of_patches(y)}, 1);
  }

  Name token(const Name& name, const Name& x, std::int64_t position) {
    return graph_.node("Gather", name, {x, graph_.integer(position)}, {{"axis", kOne}});
  }

  Name patches_of(const Name& x) {
    const std::int64_t begin = config_.prefix_tokens();
    if (begin == 0) return x;
    return graph_.node(
        "Slice", "pool",
        {x, graph_.integers({begin}), graph_.integers({config_.tokens()}), graph_.integers({1})});
  }

  /// The patches' mean with weights that each of them says itself: (B, T, C) -> (B, C).
  Name weighted_mean(const Name& tokens) {
    const Name x = patches_of(tokens);
    const Name scores = transpose("attention_pool", linear("attention_pool", net_.attention_pool.score, x),
                                  {0, 2, 1});  // (B, 1, N)
    const Name weights = graph_.node("Softmax", "attention_pool", {scores}, {{"axis", kLast}});
    return reshape("pool", graph_.node("MatMul", "pool", {weights, x}), {0, config_.embedding_dim});
  }

  Name mean_of_patches(const Name& tokens) {
    const Name x = patches_of(tokens);
    return graph_.node("ReduceMean", "pool", {x}, {{"axes", Integers{1}}, {"keepdims", kZero}});
  }

  // The layers. Weights have timm's names; a matrix that is stored as (in, out) ends in "weight_t".

  Name norm(const Name& name, const LayerNorm& layer, const Name& x) { return norm(name, name, layer, x); }

  /// The same for a layer whose weights have another name than the node.
  Name norm(const Name& scope, const Name& name, const LayerNorm& layer, const Name& x) {
    return graph_.node("LayerNormalization", scope,
                       {x, graph_.weight(name + ".weight", layer.weight.value),
                        graph_.weight(name + ".bias", layer.bias.value)},
                       {{"axis", kLast}, {"epsilon", layer.eps}});
  }

  /// x (B, T, in) -> (B, T, out).
  Name linear(const Name& name, const Linear& layer, const Name& x) {
    const Name y =
        graph_.node("MatMul", name, {x, graph_.transposed(name + ".weight_t", layer.weight.value)});
    if (!layer.bias.defined()) return y;
    return graph_.node("Add", name, {y, graph_.weight(name + ".bias", layer.bias.value)});
  }

  /// x (B, in) -> (B, out).
  Name classifier(const Name& name, const Linear& layer, const Name& x, const Name& output = {}) {
    return graph_.node("Gemm", name,
                       {x, graph_.weight(name + ".weight", layer.weight.value),
                        graph_.weight(name + ".bias", layer.bias.value)},
                       {{"transB", kOne}}, output);
  }

  Name scaled(const Name& name, const LayerScale& layer, const Name& x) {
    if (!layer.gamma.defined()) return x;
    return graph_.node("Mul", name, {x, graph_.weight(name + ".gamma", layer.gamma.value)});
  }

  /// An extent of 0 is that of x.
  Name reshape(const Name& scope, const Name& x, const Integers& shape) {
    return graph_.node("Reshape", scope, {x, graph_.integers(shape)});
  }
  Name transpose(const Name& scope, const Name& x, const Integers& order) {
    return graph_.node("Transpose", scope, {x}, {{"perm", order}});
  }
  Name join(const Name& scope, const std::vector<Name>& parts, std::int64_t axis) {
    return graph_.node("Concat", scope, parts, {{"axis", axis}});
  }

  const VisionTransformer& net_;
  const ViTConfig& config_;
  Graph graph_;
  Name diagonal_;  // (T, T), true where row and column are the same, once it is needed
};

}  // namespace detail::onnx

}  // namespace minivit::inline MINIVIT_ABI
