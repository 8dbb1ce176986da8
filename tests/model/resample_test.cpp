// Positions and patch embeddings of other sizes, against timm and PyTorch (tests/data/make_pretrained.py).
#include "minivit/model/resample.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "minivit/io/safetensors.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

const io::SafetensorsFile& references() {
  static const io::SafetensorsFile file(std::filesystem::path(MINIVIT_TEST_DATA) / "resample.safetensors");
  return file;
}

ViTConfig small() {
  ViTConfig c;
  c.image_height = 16, c.image_width = 24, c.patch_size = 8;
  c.embedding_dim = 8, c.num_layers = 1, c.num_heads = 2, c.num_classes = 3;
  return c;
}

}  // namespace

TEST_CASE("positions are interpolated as timm and transformers do it") {
  const Tensor positions = references().tensor("positions");
  for (const auto& [rows, columns] : {std::pair{4, 5}, {7, 9}, {3, 2}, {5, 4}, {1, 1}}) {
    const std::string size = str_cat(rows, "x", columns);
    CAPTURE(size);
    const PatchGrid from(4, 5), to(rows, columns);
    CHECK(distance(resize_positions(positions, from, to, PositionFilter::timm),
                   references().tensor("timm_" + size)) < 2e-6);
    CHECK(distance(resize_positions(positions, from, to, PositionFilter::transformers),
                   references().tensor("transformers_" + size)) < 2e-6);
  }
  CHECK(message_of<ShapeError>([&] {
          (void)resize_positions(positions, {5, 5}, {4, 4}, PositionFilter::timm);
        }) == "resize_positions: positions are (1, 22, 3), expected (1, 25 or more, C)");
}

TEST_CASE("patch embeddings are resampled as timm does it") {
  const Tensor patches = references().tensor("patches");
  for (const int size : {4, 7, 8, 9, 16}) {
    CAPTURE(size);
    CHECK(distance(resample_patches(patches, size), references().tensor(str_cat("patches_", size))) < 2e-5);
  }
}

TEST_CASE("an enlarged patch embedding sees an enlarged patch as the old one saw the old patch") {
  // FlexiViT's promise, which holds exactly when patches grow.
  const Tensor w = references().tensor("patches"), larger = resample_patches(w, 12);
  const auto r = detail::resize_matrix(8, 12, PositionFilter::timm);
  Tensor patch = Tensor::empty({8, 8}), enlarged = Tensor::empty({12, 12});
  Rng rng(3);
  for (float& v : patch.values()) v = rng.normal();
  detail::apply_separable(r, r, 1, patch.data(), enlarged.data());
  const auto product = [](const float* a, const float* b, int n) {
    double sum = 0;
    for (int i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
  };
  for (int plane = 0; plane < 12; ++plane)
    CHECK(product(larger.data() + plane * 144, enlarged.data(), 144) ==
          doctest::Approx(product(w.data() + plane * 64, patch.data(), 64)).epsilon(1e-4));
}

TEST_CASE("a gray image is seen as the same image in three equal channels was") {
  for (const Stem stem : {Stem::patch, Stem::conv, Stem::shifted}) {
    manual_seed(1);
    ViTConfig colors = small();
    colors.stem = stem;
    VisionTransformer net(colors);
    for_each_parameter(net, [](const std::string&, Parameter& p) { init_uniform(p.value, 0.5f); });
    ViTConfig gray = colors;
    gray.channels = 1;
    VisionTransformer copy = net;
    const VisionTransformer one = resized(std::move(copy), gray, PositionFilter::timm);
    Tensor x = Tensor::empty({2, 1, 16, 24}), xxx = Tensor::empty({2, 3, 16, 24});
    Rng rng(4);
    for (float& v : x.values()) v = rng.normal();
    for (std::int64_t b = 0; b < 2; ++b)
      for (std::int64_t c = 0; c < 3; ++c)
        std::copy_n(x.data() + b * 384, 384, xxx.data() + (b * 3 + c) * 384);
    const NoGrad values_only;
    CHECK(distance(one(x).value(), net(xxx).value()) < 1e-5);
  }
}

TEST_CASE("resized: another image and patch size; what else differs is refused") {
  manual_seed(1);
  const VisionTransformer net(small());
  const auto to = [&](const ViTConfig& c) {
    VisionTransformer copy = net;
    return resized(std::move(copy), c, PositionFilter::timm);
  };
  ViTConfig c = small();
  c.image_height = 32, c.patch_size = 4;
  const VisionTransformer other = to(c);
  CHECK(other.pos_embed.value.shape() == Shape{1, 1 + 8 * 6, 8});
  CHECK(other.patch_embed.weight.value.shape() == Shape{8, 3, 4, 4});
  const NoGrad values_only;
  CHECK(other(Tensor::zeros({1, 3, 32, 24})).shape() == Shape{1, 3});
  // Larger and back again is nearly the same; the same size is the same.
  CHECK(distance(to(small())(Tensor::full({1, 3, 16, 24}, 0.5f)).value(),
                 net(Tensor::full({1, 3, 16, 24}, 0.5f)).value()) == 0.0);

  c = small(), c.channels = 4;
  CHECK(message_of<ConfigError>([&] { to(c); }) ==
        "resized: the model has 3 input channels, it can be changed to 1, not to 4");
  c = small(), c.num_classes = 4;
  CHECK(
      message_of<ConfigError>([&] { to(c); }).starts_with("resized: head.weight is (3, 8), expected (4, 8)"));
  c = small(), c.num_layers = 2;
  CHECK(message_of<ConfigError>([&] { to(c); }).starts_with("resized: the models have "));
  ViTConfig fixed = small();
  fixed.positions = Positions::sincos;
  const VisionTransformer waves(fixed);
  fixed.image_height = 32;
  VisionTransformer copy = waves;
  CHECK(distance(resized(std::move(copy), fixed, PositionFilter::timm).pos_embed.value,
                 sincos_positions(4, 3, 8, 1)) == 0.0);
}

TEST_CASE("positions of grids that would need gigabytes are refused") {
  CHECK(message_of<ConfigError>([] {
          (void)resize_positions(Tensor::zeros({1, 2, 1}), {2, 1}, {16383, 1}, PositionFilter::timm);
        }) == "resize_positions: a grid has 16383 patches in one direction, at most 1024 are supported");
}
