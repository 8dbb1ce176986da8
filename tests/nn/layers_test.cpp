// Every layer against its formula, written with other operations than the layer itself uses.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "minivit/autograd/gradcheck.hpp"
#include "minivit/nn/encoder.hpp"
#include "minivit/nn/patch_embedding.hpp"
#include "minivit/nn/shifted_patch.hpp"
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
  const Var qkv = layer.normalized(linear_of(layer.qkv, x));
  const auto heads = [&](std::int64_t which) {  // (B, H, T, D)
    return permute(reshape(slice_axis(qkv, 2, which * C, (which + 1) * C), {B, T, H, D}), {0, 2, 1, 3});
  };
  Var scores = matmul(heads(0), transpose(heads(1)));
  if (layer.scale.defined()) {
    Tensor diagonal = Tensor::zeros({T, T});
    for (std::int64_t t = 0; t < T; ++t) diagonal(t, t) = -1e9f;
    scores = scores * reshape(layer.scale, {H, 1, 1}) + diagonal;
  } else {
    scores = scores * (1.0f / std::sqrt(static_cast<float>(D)));
  }
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

/// Numbers that are easily made elsewhere, too: (i · step mod modulus - ⌊modulus / 2⌋) / modulus.
Tensor counted(const Shape& shape, std::int64_t step, std::int64_t modulus) {
  Tensor t = Tensor::empty(shape);
  for (std::int64_t i = 0; i < t.numel(); ++i)
    t.data()[i] = static_cast<float>(i * step % modulus - modulus / 2) / static_cast<float>(modulus);
  return t;
}

/// y[i] for i from `begin` on are these.
void expect(const Tensor& y, std::int64_t begin, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    CHECK(y.data()[begin + static_cast<std::int64_t>(i)] == doctest::Approx(values[i]).epsilon(1e-5));
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

TEST_CASE("locality: scores times a factor of the head, no token looks at itself") {
  const NoGrad values_only;
  const Tensor x = noise({2, 5, 12});
  for (const std::int64_t heads : {1, 3, 12})
    for (const bool qk_norm : {false, true}) {
      CAPTURE(heads);
      const MultiHeadAttention layer =
          scrambled(MultiHeadAttention(12, heads, 0.0f, true, qk_norm, 1e-6f, true));
      CHECK(largest_difference(layer(x), attention_of(layer, x)) < 1e-5);
      const Tensor map = layer.map(x);
      for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t t = 0; t < 5; ++t) CHECK(map(1, h, t, t) == 0.0f);
    }
  const MultiHeadAttention fresh(12, 3, 0.0f, true, false, 1e-6f, true);
  CHECK(same_bits(fresh.scale.value, Tensor::full({3}, 0.5f)));  // as it would be without
  CHECK_FALSE(fresh.scale.decay);
}

TEST_CASE("locality: values of the authors' formulas, computed with NumPy in double precision") {
  const NoGrad values_only;
  MultiHeadAttention layer(6, 2, 0.0f, true, false, 1e-6f, true);
  layer.qkv.weight.value = mul(counted({18, 6}, 11, 29), Tensor::scalar(2)).value();
  layer.qkv.bias.value = counted({18}, 5, 17);
  layer.proj.weight.value = counted({6, 6}, 13, 31);
  layer.proj.bias.value = counted({6}, 2, 5);
  layer.scale.value(0) = 0.9f, layer.scale.value(1) = -0.4f;
  const Tensor x = mul(counted({2, 4, 6}, 7, 23), Tensor::scalar(3)).value(), y = layer(x).value();
  expect(y, 0, {-1.21582559, 0.12884247, -0.34944614, -0.00477808, -0.48306669, -1.18884075});
  expect(y, 42, {0.50533364, 0.0037902, 1.24899931, -0.25254413, 0.99266498, -0.142472});
  expect(layer.map(x), 40, {4.91421445e-01, 5.08489814e-01, 0, 8.87404550e-05});
}

TEST_CASE("locality: gradients of tokens and factors, with norms of queries and keys and without") {
  for (const bool qk_norm : {false, true}) {
    MultiHeadAttention layer = scrambled(MultiHeadAttention(6, 2, 0.0f, true, qk_norm, 1e-6f, true));
    const GradcheckResult result =
        gradcheck([&](const std::vector<Var>& x) { return layer.from_qkv(x[0]); }, {noise({2, 3, 18})});
    CHECK_MESSAGE(result.ok, result.message);

    // The factors' gradient: the change of the sum of what comes out.
    const Tensor qkv = noise({2, 3, 18});
    require_grad(layer);
    const auto total = [&] { return sum(layer.from_qkv(qkv)); };
    backward(total());
    for (std::int64_t h = 0; h < 2; ++h) {
      const NoGrad values_only;
      const float before = layer.scale.value(h), step = 1e-2f;
      layer.scale.value(h) = before + step;
      const double up = total().value().data()[0];
      layer.scale.value(h) = before - step;
      const double down = total().value().data()[0];
      layer.scale.value(h) = before;
      CHECK(layer.scale.grad(h) == doctest::Approx((up - down) / (2 * double{step})).epsilon(2e-3));
    }
  }
}

TEST_CASE("shifted patches: values of the authors' formulas, computed with NumPy in double precision") {
  const NoGrad values_only;
  ShiftedPatchEmbedding layer(2, 3, 4);
  layer.norm.weight.value = add(counted({90}, 5, 17), Tensor::scalar(1)).value();
  layer.norm.bias.value = counted({90}, 3, 19);
  layer.proj.weight.value = counted({4, 90}, 11, 29);
  layer.proj.bias.value = counted({4}, 2, 5);
  const Tensor y = layer(counted({2, 2, 6, 9}, 7, 23)).value();
  CHECK(y.shape() == Shape{2, 6, 4});
  expect(y, 0, {0.97087901, 2.41810117, 1.97036231, -1.78956731});
  expect(y, 44, {-1.8949172, -3.08605401, 0.49984485, 0.26907379});
  double weighted = 0;
  const Tensor weights = counted(y.shape(), 13, 31);
  for (std::int64_t i = 0; i < y.numel(); ++i) weighted += double{y.data()[i]} * weights.data()[i];
  CHECK(weighted == doctest::Approx(-4.894754944208646).epsilon(1e-5));
}

TEST_CASE("shifted patches: the gradient reaches images and starts as a patch embedding's") {
  const ShiftedPatchEmbedding layer = scrambled(ShiftedPatchEmbedding(1, 2, 3));
  const GradcheckResult result =
      gradcheck([&](const std::vector<Var>& x) { return layer(x[0]); }, {noise({2, 1, 4, 6})});
  CHECK_MESSAGE(result.ok, result.message);
  const ShiftedPatchEmbedding fresh(3, 4, 64, 1e-3f);
  CHECK(fresh.norm.eps == 1e-3f);
  CHECK(fresh.proj.weight.value.shape() == Shape{64, 240});
  CHECK(std::ranges::max(fresh.proj.weight.value.values()) <= 2 / std::sqrt(240.0f));
  CHECK(same_bits(fresh.proj.bias.value, Tensor::zeros({64})));
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
