#include "minivit/data/augment.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/data/resize.hpp"

using namespace minivit;
using namespace minivit::image;

TEST_CASE("operations give the bytes of torchvision on Pillow images") {
  // Each reference holds the results for these bins, with both signs where there are any, one below the
  // other.
  const Image source = decode_image(fixture::path("augment/source.png"));
  for (const AugmentOp* const listed : kTrivialAugmentWide) {
    const AugmentOp& op = *listed;
    const std::string name(op.name);
    if (name == "identity") continue;
    const Image expected = decode_image(fixture::path("augment/" + name + ".png"));
    int top = 0;
    for (const int bin : {1, 7, 15, 22, 30}) {
      for (const float sign : {1.0f, -1.0f}) {
        CAPTURE(name);
        CAPTURE(bin);
        const Image found = apply(op, source, sign * augment_strength(op, bin));
        CHECK(fixture::difference(found, crop(expected, 0, top, source.width, source.height)) == 0);
        top += source.height;
        if (!op.has_sign) break;
      }
      if (!op.strength) break;
    }
    CHECK(top == expected.height);
  }
}

TEST_CASE("strengths are those of torchvision") {
  CHECK(augment_strength(kShearX, 0) == 0.0f);
  CHECK(augment_strength(kShearX, 1) == doctest::Approx(0.033));
  CHECK(augment_strength(kContrast, 30) == 0.99f);
  CHECK(augment_strength(kTranslateX, 15) == 16.0f);
  CHECK(augment_strength(kRotate, 20) == 90.0f);
  CHECK(augment_strength(kSolarize, 0) == 255.0f);
  CHECK(augment_strength(kSolarize, 30) == 0.0f);
  const int bits[] = {8, 8, 8, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 5, 5, 5,
                      5, 5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 2, 2, 2};
  for (int bin = 0; bin < kAugmentBins; ++bin)
    CHECK(augment_strength(kPosterize, bin) == static_cast<float>(bits[bin]));
  CHECK(augment_strength(kEqualize, 12) == 0.0f);
  CHECK(message_of<Error>([] { return augment_strength(kRotate, 31); }) ==
        "augment: bin 31 is out of range, expected 0 to 30");
}

TEST_CASE("operations without strength change nothing") {
  const Image image = fixture::noise(31, 20);
  for (const AugmentOp* op : {&kIdentity, &kShearX, &kShearY, &kTranslateX, &kTranslateY, &kRotate,
                              &kBrightness, &kColor, &kContrast, &kSharpness})
    CHECK(apply(*op, image, 0) == image);
  CHECK(apply(kPosterize, image, 8) == image);
  CHECK(apply(kSolarize, image, 256) == image);
  CHECK(apply(kPosterize, image, 0) == make_image(31, 20));
  CHECK(apply(kRotate, apply(kRotate, image, 180), 180) == image);
  const Image square = fixture::noise(16, 16);
  CHECK(apply(kRotate, apply(kRotate, square, 90), -90) == square);
  // One color has no contrast to stretch.
  const Image gray = fixture::plain(4, 4, 9, 9, 9);
  CHECK(apply(kAutoContrast, gray, 0) == gray);
  CHECK(apply(kEqualize, gray, 0) == gray);
}

TEST_CASE("the smallest images are no special case") {
  for (const AugmentOp* const op : kTrivialAugmentWide)
    for (const auto& [w, h] : {std::pair{1, 1}, {1, 5}, {2, 2}, {5, 1}}) {
      const std::string label(op->name);
      CAPTURE(label);
      const Image image = apply(*op, fixture::noise(w, h), augment_strength(*op, 15));
      CHECK(image.width == w);
      CHECK(image.pixels.size() == static_cast<std::size_t>(w * h * 3));
    }
}

TEST_CASE("blending rounds the product before the sum") {
  int wrong = 0;
  for (int bin = 0; bin < 2 * kAugmentBins; ++bin) {
    const float m = augment_strength(kColor, bin / 2);
    const float factor = static_cast<float>(1.0 + (bin % 2 ? -m : m));
    for (int plain = 0; plain < 256; ++plain)
      for (int value = 0; value < 256; ++value) {
        const volatile float product = factor * static_cast<float>(value - plain);
        const float sum = std::clamp(static_cast<float>(plain) + product, 0.0f, 255.0f);
        wrong += image::detail::blend_value(plain, value, factor) != static_cast<std::uint8_t>(sum);
      }
  }
  CHECK(wrong == 0);
}

TEST_CASE("a line enters and leaves the image where it does when asked at every step") {
  Rng rng(6);
  for (int round = 0; round < 2000; ++round) {
    const std::int64_t size = 1 + rng.below(9), steps = 1 + rng.below(12);
    const std::int64_t start = static_cast<std::int64_t>(rng.below(1 << 21)) - (1 << 20);
    const std::int64_t step =
        round % 7 == 0 ? 0 : (static_cast<std::int64_t>(rng.below(1 << 18)) - (1 << 17)) >> rng.below(16);
    const image::detail::Span span(start, step, size, steps);
    for (std::int64_t x = 0; x < steps; ++x) {
      const std::int64_t at = (start + x * step) >> 16;
      REQUIRE((x >= span.first && x < span.last) == (at >= 0 && at < size));
    }
  }
}

TEST_CASE("operation, strength and sign are drawn uniformly") {
  Rng rng(5);
  constexpr int kDraws = 14 * 62 * 100;
  std::map<const AugmentOp*, int> ops;
  std::map<float, int> rotations;
  for (int i = 0; i < kDraws; ++i) {
    const auto [op, strength] = draw_trivial_augment(rng);
    ++ops[op];
    if (op == &kRotate) ++rotations[strength];
    if (!op->has_sign) CHECK(strength >= 0);
  }
  REQUIRE(ops.size() == kTrivialAugmentWide.size());
  for (const auto& [op, count] : ops) CHECK(count == doctest::Approx(6200).epsilon(0.07));
  CHECK(rotations.size() == 61);  // 0 has no sign
  for (const auto& [strength, count] : rotations) CHECK(std::abs(count - (strength == 0 ? 200 : 100)) < 75);
}

TEST_CASE("a seed means the same operations as ever") {
  const std::pair<std::string_view, float> expected[] = {{"posterize", 8},
                                                         {"equalize", 0},
                                                         {"contrast", -0.0989999995f},
                                                         {"sharpness", 0.263999999f},
                                                         {"sharpness", 0.693000019f},
                                                         {"equalize", 0},
                                                         {"translate_y", -22.3999996f},
                                                         {"translate_y", 0},
                                                         {"equalize", 0},
                                                         {"solarize", 93.5f},
                                                         {"equalize", 0},
                                                         {"shear_x", -0.957000017f},
                                                         {"translate_y", 21.3333321f},
                                                         {"identity", 0}};
  Rng rng(5);
  for (const auto& [name, strength] : expected) {
    const Augmentation drawn = draw_trivial_augment(rng);
    CHECK(drawn.op->name == name);
    CHECK(drawn.strength == strength);
  }
}

TEST_CASE("a shift or shear beyond the image leaves black, at any strength") {
  const Image image = fixture::noise(7, 5), black = make_image(7, 5);
  for (const float far : {8.0f, 1000.0f, 1e4f})
    for (const float strength : {far, -far}) {
      CHECK(apply(kTranslateX, image, strength) == black);
      CHECK(apply(kTranslateY, image, strength) == black);
      for (const AugmentOp* const op : {&kShearX, &kShearY, &kRotate})
        CHECK(apply(*op, image, strength).pixels.size() == image.pixels.size());
    }
}

TEST_CASE("what cannot be augmented is refused") {
  CHECK(message_of<ShapeError>([] { return apply(kColor, fixture::noise(3, 3, 1), 0); }) ==
        "augment: image has 1 channels, expected 3 (RGB)");
  CHECK(
      message_of<ShapeError>([] { return apply(kColor, Image{}, 0); }).starts_with("augment: image of 0x0"));
  const Image image = fixture::noise(3, 3);
  CHECK(message_of<Error>([&] { return apply(kPosterize, image, 9); }) ==
        "augment: posterize keeps 0 to 8 bits, not 9");
  for (const float bad : {NAN, HUGE_VALF, -2e4f})
    CHECK(message_of<Error>([&] { return apply(kRotate, image, bad); }).starts_with("augment: strength "));
}
