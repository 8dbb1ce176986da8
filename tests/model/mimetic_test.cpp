// Mimetic initialization, against its formulas.
#include "minivit/model/mimetic.hpp"

#include <doctest/doctest.h>

using namespace minivit;

namespace {

/// Not of doubles, see detail::SmallMatrix.
using Matrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;

ViTConfig small(std::int64_t heads) {
  ViTConfig c;
  c.image_height = c.image_width = 16, c.patch_size = 4, c.embedding_dim = 64, c.num_layers = 2;
  c.num_heads = heads, c.num_classes = 3;
  return c;
}

/// Mean of the diagonal, and mean square of the rest times C.
struct Spread {
  double diagonal = 0, rest = 0;
  explicit Spread(const Matrix& m) {
    const double C = static_cast<double>(m.rows());
    diagonal = static_cast<double>(m.diagonal().mean());
    rest = static_cast<double>(m.squaredNorm() - m.diagonal().squaredNorm()) / (C - 1);
  }
};

}  // namespace

TEST_CASE("products of attention weights are noise and identity") {
  manual_seed(1);
  VisionTransformer net(small(1));
  init_mimetic(net);
  for (const EncoderBlock& block : net.encoder.blocks) {
    const Matrix qkv = block.attn.qkv.weight.value.matrix().cast<long double>(),
                 proj = block.attn.proj.weight.value.matrix().cast<long double>();
    const Spread scores(qkv.topRows(64).transpose() * qkv.middleRows(64, 64)),
        values(qkv.bottomRows(64).transpose() * proj.transpose());
    CHECK(scores.diagonal == doctest::Approx(0.7).epsilon(0.05));
    CHECK(scores.rest == doctest::Approx(0.49).epsilon(0.05));
    CHECK(values.diagonal == doctest::Approx(-0.4).epsilon(0.05));
    CHECK(values.rest == doctest::Approx(0.16).epsilon(0.05));
    // Both factors are of the same size.
    CHECK(static_cast<double>(qkv.bottomRows(64).norm() / proj.norm()) == doctest::Approx(1).epsilon(1e-3));
  }
}

TEST_CASE("of several heads each has the best of its rank") {
  manual_seed(1);
  VisionTransformer net(small(4));
  init_mimetic(net, {.scores_noise = 0, .scores_identity = 0.5f});
  const Matrix qkv = net.encoder.blocks[0].attn.qkv.weight.value.matrix().cast<long double>();
  for (std::int64_t head = 0; head < 4; ++head) {
    const Matrix product = qkv.middleRows(head * 16, 16).transpose() * qkv.middleRows(64 + head * 16, 16);
    // The identity times 0.5, in 16 of 64 directions.
    CHECK(static_cast<double>(product.trace()) == doctest::Approx(8).epsilon(1e-4));
    CHECK((product * product - 0.5L * product).norm() < 1e-4L);
  }
}

TEST_CASE("the same seed gives the same weights, and positions begin as sines and cosines") {
  const auto made = [] {
    manual_seed(5);
    VisionTransformer net(small(4));
    init_mimetic(net);
    return net;
  };
  const VisionTransformer a = made(), b = made();
  for (std::int64_t i = 0; i < 3 * 64 * 64; ++i)
    REQUIRE(a.encoder.blocks[1].attn.qkv.weight.value.data()[i] ==
            b.encoder.blocks[1].attn.qkv.weight.value.data()[i]);
  const Tensor positions = sincos_positions(4, 4, 64, 1);
  CHECK((a.pos_embed.value.array() == positions.array()).all());
}
