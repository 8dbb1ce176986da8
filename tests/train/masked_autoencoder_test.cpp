// Masked autoencoder: masks, what the encoder sees, the loss and its gradient, and that something is learned.
#include "minivit/train/masked_autoencoder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "minivit/autograd/gradcheck.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

ViTConfig config_of(Stem stem, std::int64_t registers = 0) {
  return {.image_height = 8,
          .image_width = 12,
          .patch_size = 4,
          .channels = 2,
          .stem = stem,
          .num_classes = 3,
          .embedding_dim = 8,
          .num_layers = 2,
          .num_heads = 2,
          .mlp_ratio = 2,
          .pooling = stem == Stem::conv ? Pooling::sequence : Pooling::token,
          .class_token = stem != Stem::conv,
          .register_tokens = registers};
}

MaskedAutoencoder autoencoder(const ViTConfig& config, bool normalize_pixels = true) {
  manual_seed(3);
  return MaskedAutoencoder(VisionTransformer(config), {.mask = 0.5,
                                                       .decoder_dim = 8,
                                                       .decoder_layers = 1,
                                                       .decoder_heads = 2,
                                                       .normalize_pixels = normalize_pixels});
}

Tensor noise(const Shape& shape, std::uint64_t seed) {
  Tensor t = Tensor::empty(shape);
  Rng rng(seed);
  for (float& v : t.values()) v = rng.normal();
  return t;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.numel()) * sizeof(float)) == 0;
}

std::vector<int> of_image(const std::vector<int>& all, std::int64_t images, std::int64_t b) {
  const std::int64_t n = std::ssize(all) / images;
  return {all.begin() + b * n, all.begin() + (b + 1) * n};
}

const ViTConfig kConfigs[] = {config_of(Stem::patch), config_of(Stem::patch, 2), config_of(Stem::conv)};

}  // namespace

TEST_CASE("a patch mask shows exactly as many patches as it is asked for") {
  const PatchMask mask = draw_patch_mask(50, 13, 4, Rng(1));
  CHECK(mask.visible_patches() == 4);
  CHECK(mask.hidden_patches() == 9);
  for (std::int64_t b = 0; b < 50; ++b) {
    std::vector<int> all = of_image(mask.visible, 50, b);
    CHECK(std::ranges::is_sorted(all));
    const std::vector<int> hidden = of_image(mask.hidden, 50, b);
    CHECK(std::ranges::is_sorted(hidden));
    all.insert(all.end(), hidden.begin(), hidden.end());
    std::ranges::sort(all);
    for (int n = 0; n < 13; ++n) CHECK(all[static_cast<std::size_t>(n)] == n);
  }
  CHECK(message_of<ConfigError>([] { return draw_patch_mask(1, 4, 4, Rng(1)); }) ==
        "patch mask: 4 of 4 patches are visible, expected one at least, and not all");
  CHECK(
      message_of<ConfigError>([] { return draw_patch_mask(1, 4, 0, Rng(1)); }).starts_with("patch mask: 0"));
  CHECK(visible_patches(64, 0.75) == 16);
  CHECK(visible_patches(3, 0.99) == 1);
  CHECK(visible_patches(3, 0.01) == 2);
}

TEST_CASE("a patch mask is drawn from its keys and the image alone") {
  const PatchMask a = draw_patch_mask(8, 16, 4, Rng(1, 2, 3));
  CHECK(a.visible == draw_patch_mask(8, 16, 4, Rng(1, 2, 3)).visible);
  const PatchMask fewer = draw_patch_mask(3, 16, 4, Rng(1, 2, 3));
  CHECK(std::equal(fewer.visible.begin(), fewer.visible.end(), a.visible.begin()));
  CHECK(a.visible != draw_patch_mask(8, 16, 4, Rng(2, 2, 3)).visible);
  CHECK(a.visible != draw_patch_mask(8, 16, 4, Rng(1, 3, 3)).visible);
  std::set<std::vector<int>> different;
  for (std::int64_t b = 0; b < 8; ++b) different.insert(of_image(a.visible, 8, b));
  CHECK(different.size() >= 7);
}

TEST_CASE("every patch is visible equally often") {
  const std::int64_t B = 20000;
  const PatchMask mask = draw_patch_mask(B, 5, 2, Rng(4));
  std::map<std::vector<int>, int> pairs;
  for (std::int64_t b = 0; b < B; ++b) ++pairs[of_image(mask.visible, B, b)];
  CHECK(pairs.size() == 10);
  double chi = 0;
  for (const auto& [pair, n] : pairs) chi += (n - 2000.0) * (n - 2000.0) / 2000.0;
  CHECK(chi < 27.9);  // 9 degrees of freedom: above it once in a thousand
}

TEST_CASE("the encoder sees the visible patches, at their places, and nothing else") {
  for (const ViTConfig& config : kConfigs) {
    CAPTURE(enum_name(config.stem));
    const MaskedAutoencoder mae = autoencoder(config);
    const Tensor images = noise({4, 2, 8, 12}, 5);
    const PatchMask mask = mae.draw_mask(4, Rng(6));
    const Tensor seen = mae.encode(images, mask).value();
    CHECK(seen.shape() == Shape{4, config.prefix_tokens() + 3, 8});
    const Tensor shown = hide_patches(images, mask, 4);
    const auto is_hidden = [&](std::int64_t i) { return shown.data()[i] == 0; };  // no noise is 0
    // Other pixels in hidden patches.
    Tensor other = noise(images.shape(), 7);
    for (std::int64_t i = 0; i < other.numel(); ++i)
      if (!is_hidden(i)) other.data()[i] = images.data()[i];
    CHECK_FALSE(same_bits(other, images));
    CHECK(same_bits(mae.encode(other, mask).value(), seen));
    // Other visible ones.
    other = images.clone();
    std::int64_t first = 0;
    while (is_hidden(first)) ++first;
    other.data()[first] += 1;
    CHECK_FALSE(same_bits(mae.encode(other, mask).value(), seen));
  }
}

TEST_CASE("tokens of visible patches are those of the whole image") {
  // Where nothing is mixed before the encoder the tokens are the same; nothing else is promised of a stem.
  for (const ViTConfig& config : {kConfigs[0], kConfigs[1]}) {
    const MaskedAutoencoder mae = autoencoder(config);
    const Tensor images = noise({3, 2, 8, 12}, 8);
    const PatchMask mask = mae.draw_mask(3, Rng(9));
    const Tensor all = mae.encoder.embed(images).value(),
                 some = embed_visible(mae.encoder, images, mask).value();
    const std::int64_t P = config.prefix_tokens();
    for (std::int64_t b = 0; b < 3; ++b)
      for (std::int64_t t = 0; t < some.size(1); ++t) {
        const std::int64_t from = t < P ? t : P + mask.visible[static_cast<std::size_t>(b * 3 + t - P)];
        for (std::int64_t c = 0; c < 8; ++c)
          CHECK(some(b, t, c) == doctest::Approx(all(b, from, c)).epsilon(1e-5));
      }
  }
  const MaskedAutoencoder mae = autoencoder(kConfigs[2]);
  const PatchMask mask = mae.draw_mask(2, Rng(9));
  CHECK(message_of<ShapeError>([&] {
          return embed_visible(mae.encoder, noise({3, 2, 8, 12}, 1), mask);
        }) == "embed_visible: the mask is of 2 images with 6 patches, expected 3 with 6");
}

TEST_CASE("the loss is the mean squared error of the normalized pixels of hidden patches") {
  for (const bool normalize : {true, false}) {
    const MaskedAutoencoder mae = autoencoder(kConfigs[0], normalize);
    const Tensor images = noise({2, 2, 8, 12}, 10);
    const PatchMask mask = mae.draw_mask(2, Rng(11));
    const Tensor said = mae.decode(mae.encode(images, mask), mask).value();
    REQUIRE(said.shape() == Shape{2, 3, 32});
    double sum = 0;
    for (std::int64_t b = 0; b < 2; ++b)
      for (std::int64_t m = 0; m < 3; ++m) {
        const std::int64_t patch = mask.hidden[static_cast<std::size_t>(b * 3 + m)];
        std::vector<double> pixels;
        for (std::int64_t c = 0; c < 2; ++c)
          for (std::int64_t y = 0; y < 4; ++y)
            for (std::int64_t x = 0; x < 4; ++x)
              pixels.push_back(images(b, c, patch / 3 * 4 + y, patch % 3 * 4 + x));
        double mean = 0, variance = 0;
        for (const double v : pixels) mean += v / 32;
        for (const double v : pixels) variance += (v - mean) * (v - mean) / 31;
        for (std::size_t k = 0; k < 32; ++k) {
          const double target = normalize ? (pixels[k] - mean) / std::sqrt(variance + 1e-6) : pixels[k];
          const double error = said(b, m, static_cast<std::int64_t>(k)) - target;
          sum += error * error;
        }
      }
    CHECK(mae.loss(images, mask).item() == doctest::Approx(sum / (2 * 3 * 32)).epsilon(1e-5));
  }
}

TEST_CASE("the decoder fills the places of hidden patches with the mask token and their positions") {
  const MaskedAutoencoder mae = autoencoder(kConfigs[1]);
  const Tensor images = noise({2, 2, 8, 12}, 12);
  const PatchMask mask = mae.draw_mask(2, Rng(13));
  const Tensor encoded = mae.encode(images, mask).value();
  // The same by hand, one image after the other.
  const Tensor embedded = mae.decoder_embed(encoded).value();
  Tensor full = Tensor::empty({2, 3 + 6, 8});
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t t = 0; t < 9; ++t)
      for (std::int64_t c = 0; c < 8; ++c) {
        float v = t < 3 ? embedded(b, t, c) : mae.mask_token.value(0, c);
        for (std::int64_t k = 0; k < 3; ++k)
          if (3 + mask.visible[static_cast<std::size_t>(b * 3 + k)] == t) v = embedded(b, 3 + k, c);
        full(b, t, c) = v + mae.decoder_pos_embed.value(0, t, c);
      }
  const Tensor all = mae.decoder_pred(mae.decoder_norm(mae.decoder(full))).value();
  const Tensor said = mae.decode(encoded, mask).value();
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t m = 0; m < 3; ++m)
      for (std::int64_t k = 0; k < said.size(2); ++k)
        CHECK(said(b, m, k) ==
              doctest::Approx(all(b, 3 + mask.hidden[static_cast<std::size_t>(b * 3 + m)], k)).epsilon(1e-4));
}

TEST_CASE("the gradient of the loss, for every parameter that is trained") {
  for (const ViTConfig& config : kConfigs) {
    CAPTURE(enum_name(config.stem));
    MaskedAutoencoder mae = autoencoder(config);
    const Tensor images = noise({2, 2, 8, 12}, 14);
    const PatchMask mask = mae.draw_mask(2, Rng(15));
    std::vector<Tensor> inputs;
    std::vector<Parameter*> parameters;
    for (const auto& [name, p] : named_parameters(mae)) {
      if (!p->trainable) continue;
      // The kinks of the stem's ReLU and max pooling are no place for differences: it has a test of its own.
      if (name.find("stem") != std::string::npos) continue;
      Rng rng(16);
      for (float& v : p->value.values()) v += 0.2f * rng.normal();
      inputs.push_back(p->value);
      parameters.push_back(p);
    }
    CHECK(inputs.size() > 30);
    const auto loss = [&](const std::vector<Var>& x) {
      // Views of what gradcheck moves: leaves of its own.
      for (std::size_t i = 0; i < x.size(); ++i) {
        parameters[i]->value = x[i].value();
        parameters[i]->grad = x[i].requires_grad() ? x[i].grad() : Tensor();
      }
      return mae.loss(images, mask);
    };
    const GradcheckResult result = gradcheck(loss, inputs);
    CHECK_MESSAGE(result.ok, result.message);
  }
}

TEST_CASE("what is pooled and the head are not trained, all else gets a gradient") {
  for (const ViTConfig& config : kConfigs) {
    MaskedAutoencoder mae = autoencoder(config);
    CHECK(mae.encoder.config.num_classes == 0);
    const ParameterArena parameters = flatten(mae);
    backward(mae.loss(noise({4, 2, 8, 12}, 17), mae.draw_mask(4, Rng(18))));
    for (const ParameterArena::Slot& slot : parameters.slots) {
      CAPTURE(slot.name);
      CHECK(slot.name.find("head") == std::string::npos);
      CHECK(slot.name.find("attention_pool") == std::string::npos);
      double sum = 0;
      for (const float g : parameters.grads.view(slot.begin, slot.shape).values()) sum += std::fabs(g);
      CHECK(sum > 0);
    }
  }
}

TEST_CASE("a masked autoencoder learns one batch by heart, and what it draws depends on the step alone") {
  for (const Stem stem : {Stem::patch, Stem::conv}) {
    ViTConfig config = config_of(stem);
    config.embedding_dim = 32;
    manual_seed(3);
    MaskedAutoencoder mae(VisionTransformer(config), {.mask = 0.5, .decoder_dim = 32});
    ParameterArena parameters = flatten(mae);
    AdamW optimizer(parameters, {.weight_decay = 0});
    std::optional<Ema> ema;
    // Smooth images: each a slope, so that what is hidden follows from what is not.
    Tensor images = Tensor::empty({8, 2, 8, 12});
    for (std::int64_t b = 0; b < 8; ++b)
      for (std::int64_t c = 0; c < 2; ++c)
        for (std::int64_t y = 0; y < 8; ++y)
          for (std::int64_t x = 0; x < 12; ++x)
            images(b, c, y, x) = std::sin(0.5f * static_cast<float>((b % 2 ? x : y) + c + b));
    const Batch batch{images, std::vector<int>(8), std::vector<std::size_t>(8), 0};
    const std::vector<Batch> batches{batch};
    const auto always = [] { return true; };
    const double before = evaluate(mae, batches, always).loss();
    const Metrics again = evaluate(mae, batches, always);
    CHECK(again.loss() == before);
    CHECK(again.samples == 8);
    const std::vector<Batch> many(800, batch);
    const Metrics trained = train_epoch(mae, many, parameters, optimizer,
                                        CosineSchedule{.peak = 5e-3, .warmup = 20, .total = 800}, ema, {},
                                        [](const StepReport&) { return true; });
    CHECK(trained.samples == 6400);
    CHECK(before > 0.8);
    CHECK(evaluate(mae, batches, always).loss() < 0.1 * before);
    const PatchMask mask = measured_mask(mae, 8, 0);
    const Tensor complete = mae.reconstruct(images, mask), hidden = hide_patches(images, mask, 4);
    double far = 0, gray = 0;
    for (std::int64_t i = 0; i < images.numel(); ++i) {
      far += std::pow(complete.data()[i] - images.data()[i], 2);
      gray += std::pow(hidden.data()[i] - images.data()[i], 2);
      if (hidden.data()[i] != 0) CHECK(complete.data()[i] == images.data()[i]);
    }
    CHECK(far < 0.1 * gray);
  }
  const MaskedAutoencoder mae = autoencoder(kConfigs[0]);
  const Tensor images = noise({4, 2, 8, 12}, 19);
  const std::vector<int> labels(4);
  const auto loss_of = [&](std::uint64_t seed, std::uint64_t step) {
    manual_seed(seed, step);
    return batch_loss(mae, images, labels, {}, {}).loss.item();
  };
  CHECK(loss_of(1, 2) == loss_of(1, 2));
  CHECK(loss_of(1, 2) != loss_of(1, 3));
  CHECK(loss_of(1, 2) != loss_of(2, 2));
}

TEST_CASE("masked autoencoder: options out of range") {
  const auto message = [](const MaskedAutoencoderOptions& o) {
    return message_of<ConfigError>([&] { return MaskedAutoencoder(VisionTransformer(kConfigs[0]), o); });
  };
  CHECK(message({.mask = 1}) ==
        "masked autoencoder: the mask hides 1 of the patches, expected more than 0 and less than 1");
  CHECK(message({.decoder_dim = 10}).find("decoder_dim is 10") != std::string::npos);
  CHECK(message({.decoder_dim = 16, .decoder_heads = 3}).find("not divisible by decoder_heads 3") !=
        std::string::npos);
  ViTConfig one = kConfigs[0];
  one.image_height = one.image_width = 4;
  CHECK(message_of<ConfigError>([&] {
          return MaskedAutoencoder(VisionTransformer(one), {});
        }).find("one patch only") != std::string::npos);
}
