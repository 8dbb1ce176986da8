// Every layer against its formula, written with other operations than the layer itself uses.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "minivit/autograd/gradcheck.hpp"
#include "minivit/nn/encoder.hpp"
#include "minivit/nn/patch_embedding.hpp"
#include "minivit/ops/matmul.hpp"
#include "minivit/ops/rearrange.hpp"
#include "minivit/ops/reductions.hpp"
#include "minivit/ops/softmax.hpp"
#include "minivit/ops/unary.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

Tensor noise(const Shape& shape, std::uint64_t seed = 1) {
  Tensor t = Tensor::empty(shape);
  Rng rng(seed);
  for (float& v : t.values()) v = rng.normal();
  return t;
}

/// A layer whose weights are all different, norms and biases included.
template <class Layer>
Layer scrambled(Layer layer) {
  std::uint64_t seed = 100;
  for_each_parameter(layer, [&](const std::string&, Parameter& p) {
    Rng rng(seed++);
    for (float& v : p.value.values()) v += 0.3f * rng.normal();
  });
  return layer;
}

double largest_difference(const Var& a, const Var& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double d = std::fabs(double{a.data()[i]} - b.data()[i]);
    if (!(d <= largest)) largest = d;  // a NaN stays
  }
  return largest;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.values(), b.values());
}

// The formulas.

Var linear_of(const Linear& layer, const Var& x) {
  const Var y = matmul(x, transpose(layer.weight, 0, 1));
  return layer.bias.defined() ? y + layer.bias : y;
}

Var layer_norm_of(const LayerNorm& layer, const Var& x) {
  const Var centered = x - mean(x, {-1}, true);
  return centered / minivit::sqrt(mean(square(centered), {-1}, true) + layer.eps) * layer.weight + layer.bias;
}

Var mlp_of(const MLP& layer, const Var& x) {
  const Var hidden = linear_of(layer.fc1, x);
  Tensor activated = hidden.value().clone();
  for (float& v : activated.values()) v = static_cast<float>(0.5 * v * (1 + std::erf(v / std::sqrt(2.0))));
  return linear_of(layer.fc2, activated);
}

Var attention_of(const MultiHeadAttention& layer, const Var& x) {
  const std::int64_t B = x.size(0), T = x.size(1), C = x.size(2), H = layer.heads, D = C / H;
  const Var qkv = linear_of(layer.qkv, x);
  const auto heads = [&](std::int64_t which) {  // (B, H, T, D)
    return permute(reshape(slice_axis(qkv, 2, which * C, (which + 1) * C), {B, T, H, D}), {0, 2, 1, 3});
  };
  const Var scores = matmul(heads(0), transpose(heads(1))) * (1.0f / std::sqrt(static_cast<float>(D)));
  const Var y = matmul(softmax(scores), heads(2));
  return linear_of(layer.proj, reshape(permute(y, {0, 2, 1, 3}), {B, T, C}));
}

Var block_of(const EncoderBlock& block, Var x) {
  const auto scaled = [](const LayerScale& scale, const Var& y) {
    return scale.gamma.defined() ? y * scale.gamma : y;
  };
  x = x + scaled(block.ls1, attention_of(block.attn, layer_norm_of(block.norm1, x)));
  return x + scaled(block.ls2, mlp_of(block.mlp, layer_norm_of(block.norm2, x)));
}

}  // namespace

TEST_CASE("linear: x · weightᵀ + bias") {
  const NoGrad values_only;
  const Linear with_bias = scrambled(Linear(5, 7)), without = scrambled(Linear(5, 7, false));
  CHECK(with_bias.weight.value.shape() == Shape{7, 5});
  CHECK(with_bias.bias.value.shape() == Shape{7});
  CHECK_FALSE(without.bias.defined());
  const Tensor x = noise({2, 3, 5});
  CHECK(largest_difference(with_bias(x), linear_of(with_bias, x)) < 1e-5);
  CHECK(largest_difference(without(x), linear_of(without, x)) < 1e-5);
  CHECK(message_of<ShapeError>([&] { with_bias(noise({2, 6})); }).find("(7, 5)") != std::string::npos);
}

TEST_CASE("layer norm: centered, divided by the deviation, scaled and shifted") {
  const NoGrad values_only;
  const Tensor x = noise({4, 9});
  for (const float eps : {1e-6f, 0.5f}) {
    CAPTURE(eps);
    const LayerNorm layer = scrambled(LayerNorm(9, eps));
    CHECK(largest_difference(layer(x), layer_norm_of(layer, x)) < 1e-5);
  }
  const LayerNorm fresh(9);
  CHECK(fresh.eps == 1e-6f);
  CHECK(same_bits(fresh.weight.value, Tensor::full({9}, 1.0f)));
  CHECK(same_bits(fresh.bias.value, Tensor::zeros({9})));
}

TEST_CASE("MLP: fc2 of gelu of fc1") {
  const NoGrad values_only;
  const MLP layer = scrambled(MLP(6, 10));
  const Tensor x = noise({2, 3, 6});
  CHECK(largest_difference(layer(x), mlp_of(layer, x)) < 1e-5);
}

TEST_CASE("the gradient passes the norms of queries and keys") {
  const MultiHeadAttention layer = scrambled(MultiHeadAttention(6, 2, 0.0f, true, true));
  const GradcheckResult result =
      gradcheck([&](const std::vector<Var>& x) { return layer.from_qkv(x[0]); }, {noise({2, 3, 18})});
  CHECK_MESSAGE(result.ok, result.message);
}

TEST_CASE("attention: softmax of q kᵀ / √D times v, head by head, then projected") {
  const NoGrad values_only;
  const Tensor x = noise({2, 5, 12});
  for (const std::int64_t heads : {1, 3, 12}) {
    CAPTURE(heads);
    const MultiHeadAttention layer = scrambled(MultiHeadAttention(12, heads));
    CHECK(largest_difference(layer(x), attention_of(layer, x)) < 1e-5);
  }
  const MultiHeadAttention no_bias(12, 3, 0.0f, false);
  CHECK_FALSE(no_bias.qkv.bias.defined());
  CHECK(no_bias.proj.bias.defined());
  CHECK(largest_difference(no_bias(x), attention_of(no_bias, x)) < 1e-5);
  CHECK(message_of<ConfigError>([] { MultiHeadAttention(12, 5); }) ==
        "attention: embedding dimension 12 is not divisible by 5 heads");
}

TEST_CASE("patch embedding: a convolution with stride P") {
  const NoGrad values_only;
  constexpr std::int64_t B = 2, channels = 3, P = 4, rows = 2, columns = 3, C = 5;
  const PatchEmbedding layer = scrambled(PatchEmbedding(channels, P, C));
  const Tensor x = noise({B, channels, rows * P, columns * P});
  Tensor expected = Tensor::empty({B, rows * columns, C});
  for (std::int64_t b = 0; b < B; ++b)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t column = 0; column < columns; ++column)
        for (std::int64_t c = 0; c < C; ++c) {
          double y = layer.bias.value(c);
          for (std::int64_t k = 0; k < channels; ++k)
            for (std::int64_t i = 0; i < P; ++i)
              for (std::int64_t j = 0; j < P; ++j)
                y += double{layer.weight.value(c, k, i, j)} * x(b, k, r * P + i, column * P + j);
          expected(b, r * columns + column, c) = static_cast<float>(y);
        }
  CHECK(largest_difference(layer(x), expected) < 1e-5);
}

TEST_CASE("layer scale: x · gamma, or x itself") {
  const NoGrad values_only;
  const Tensor x = noise({2, 4});
  const LayerScale layer = scrambled(LayerScale(4, 0.1f));
  CHECK(same_bits(layer(x).value(), mul(x, layer.gamma).value()));
  CHECK(same_bits(LayerScale(4, 0.1f).gamma.value, Tensor::full({4}, 0.1f)));
  const LayerScale none(4, 0.0f);
  CHECK_FALSE(none.gamma.defined());
  CHECK(none(x).data() == x.data());
}

TEST_CASE("encoder: every block adds attention, then MLP, of what is normalized") {
  const NoGrad values_only;
  const Tensor x = noise({2, 5, 12});
  for (const float scale : {0.0f, 0.1f}) {
    CAPTURE(scale);
    const Encoder encoder =
        scrambled(Encoder(2, {.dim = 12, .heads = 3, .hidden = 20, .layer_scale = scale, .eps = 1e-3f}));
    CHECK(encoder.blocks[0].norm1.eps == 1e-3f);
    CHECK(encoder.blocks[0].ls1.gamma.defined() == (scale != 0));
    CHECK(largest_difference(encoder.blocks[0](x), block_of(encoder.blocks[0], x)) < 1e-4);
    CHECK(largest_difference(encoder(x), block_of(encoder.blocks[1], block_of(encoder.blocks[0], x))) < 1e-4);
  }
}

TEST_CASE("drop path rises evenly from 0 in the first block to the rate in the last") {
  const Encoder encoder(
      5, {.dim = 4, .hidden = 4, .attention_dropout = 0.1f, .dropout = 0.2f, .drop_path = 0.4f});
  REQUIRE(encoder.blocks.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(encoder.blocks[i].drop_path.p == doctest::Approx(0.1 * static_cast<double>(i)));
    CHECK(encoder.blocks[i].attn.dropout == 0.1f);
    CHECK(encoder.blocks[i].mlp.drop.p == 0.2f);
  }
  CHECK(encoder.blocks[0].drop_path.p == 0.0f);
  CHECK(encoder.blocks[4].drop_path.p == 0.4f);
}

TEST_CASE("dropout layers act in training only") {
  const Tensor x = Tensor::full({64, 3, 8}, 1.0f);
  const Dropout dropout{0.25f};
  const DropPath path{0.25f};
  CHECK(same_bits(dropout(x).value(), x));
  CHECK(same_bits(path(x).value(), x));
  manual_seed(3);
  const Training training;
  const Tensor dropped = dropout(x).value(), samples = path(x).value();
  const auto zeros = [](const Tensor& t) { return std::ranges::count(t.values(), 0.0f); };
  CHECK(zeros(dropped) > 64 * 24 / 8);
  CHECK(zeros(dropped) < 64 * 24 / 2);
  CHECK(zeros(samples) > 0);
  CHECK(zeros(samples) % 24 == 0);  // whole samples
  for (const Tensor& t : {dropped, samples})
    for (const float v : t.values()) CHECK((v == 0.0f || v == doctest::Approx(1 / 0.75)));
}

TEST_CASE("the MLP drops after both layers, attention its probabilities") {
  const Training training;
  const Tensor x = noise({1, 4, 8});
  MLP mlp(8, 512, 0.5f);
  mlp.fc1.weight.value.fill(0.0f);
  mlp.fc1.bias.value.fill(1.0f);
  mlp.fc2.weight.value.fill(1.0f / 512);
  mlp.fc2.bias.value.fill(0.0f);
  const Tensor y = mlp(x).value();
  CHECK(std::ranges::count(y.values(), 0.0f) > 4);  // of 32, by the second
  float low = HUGE_VALF, high = 0;
  for (const float v : y.values())
    if (v != 0) low = std::min(low, v), high = std::max(high, v);
  CHECK(low < high);  // by the first: otherwise all that are left are equal

  MultiHeadAttention attention(8, 2, 0.5f);
  const Tensor with = attention(x).value();
  attention.dropout = 0.0f;
  CHECK_FALSE(same_bits(with, attention(x).value()));
}
