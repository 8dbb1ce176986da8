// Policies of augmentation: strengths and tables of torchvision, and what is drawn from them.
#include "minivit/data/augment_policy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../support/message_of.hpp"
#include "fixture.hpp"
#include "minivit/data/transform.hpp"

using namespace minivit;
using namespace minivit::image;

namespace {

constexpr std::array kOps{&kShearX,     &kShearY,       &kTranslateX, &kTranslateY, &kRotate,
                          &kBrightness, &kColor,        &kContrast,   &kSharpness,  &kPosterize,
                          &kSolarize,   &kAutoContrast, &kEqualize,   &kInvert};

/// Depends on every entry of the table and on its place.
std::int64_t checksum(const image::detail::AutoPairs& pairs) {
  std::int64_t sum = 0, place = 1;
  for (const auto& pair : pairs)
    for (const image::detail::AutoStep& step : pair) {
      const auto op = std::ranges::find(kOps, step.op) - kOps.begin();
      sum += place++ * (std::lround(step.probability * 10) + 11 * step.bin + 110 * op);
    }
  return sum;
}

}  // namespace

TEST_CASE("strengths of RandAugment and AutoAugment are those of torchvision") {
  const auto rand = [](const AugmentOp& op, int bin) { return auto_strength(op, bin, 31, 160, 224); };
  CHECK(rand(kShearX, 9) == doctest::Approx(0.09000000357627869));
  CHECK(rand(kShearY, 30) == 0.3f);
  CHECK(rand(kTranslateX, 16) == doctest::Approx(38.670692443847656));
  CHECK(rand(kTranslateY, 29) == doctest::Approx(98.12689208984375));
  CHECK(rand(kRotate, 15) == 15.0f);
  CHECK(rand(kBrightness, 9) == doctest::Approx(0.26999998092651367));
  CHECK(rand(kSharpness, 30) == 0.9f);
  CHECK(rand(kSolarize, 1) == 246.5f);
  CHECK(rand(kEqualize, 5) == 0.0f);
  CHECK(rand(kIdentity, 5) == 0.0f);
  const int bits[] = {8, 8, 8, 8, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6,
                      6, 6, 6, 5, 5, 5, 5, 5, 5, 5, 5, 4, 4, 4, 4};
  for (int bin = 0; bin < 31; ++bin) CHECK(rand(kPosterize, bin) == static_cast<float>(bits[bin]));

  const auto ten = [](const AugmentOp& op, int bin) { return auto_strength(op, bin, 10, 48, 32); };
  CHECK(ten(kShearX, 5) == doctest::Approx(0.1666666716337204));
  CHECK(ten(kTranslateY, 8) == doctest::Approx(12.89023208618164));
  CHECK(ten(kSolarize, 5) == doctest::Approx(113.33333587646484));
  CHECK(ten(kRotate, 1) == doctest::Approx(3.3333332538604736));
  const int ten_bits[] = {8, 8, 7, 7, 6, 6, 5, 5, 4, 4};
  for (int bin = 0; bin < 10; ++bin) CHECK(ten(kPosterize, bin) == static_cast<float>(ten_bits[bin]));
  CHECK(message_of<Error>([] { static_cast<void>(auto_strength(kRotate, 10, 10, 8, 8)); }) ==
        "augment: bin 10 is out of range, expected 0 to 9");
}

TEST_CASE("AutoAugment's tables are those of torchvision") {
  CHECK(checksum(image::detail::kAutoImageNet) == 1351359);
  CHECK(checksum(image::detail::kAutoCifar10) == 1254262);
  CHECK(checksum(image::detail::kAutoSvhn) == 966638);
}

TEST_CASE("inverting gives the negative") {
  const Image image = fixture::noise(5, 3);
  const Image inverted = apply(kInvert, image, 0);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) CHECK(inverted.pixels[i] == 255 - image.pixels[i]);
}

TEST_CASE("RandAugment draws operations and signs uniformly, with one strength") {
  std::map<std::string_view, int> seen;
  int negative = 0, with_sign = 0;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    Rng rng(seed);
    const AugmentPlan plan = draw_augment({AugmentPolicy::rand, 3, 12}, 40, 24, rng);
    REQUIRE(plan.size == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& [op, strength] = plan.steps[i];
      ++seen[op->name];
      CHECK(std::abs(strength) == auto_strength(*op, 12, kAugmentBins, 40, 24));
      with_sign += op->has_sign, negative += strength < 0;
    }
  }
  CHECK(seen.size() == kTrivialAugmentWide.size());
  for (const auto& [name, n] : seen) CHECK(std::abs(n - 9000 / 14) < 130);
  CHECK(std::abs(negative - with_sign / 2) < 200);
}

TEST_CASE("AutoAugment takes one pair of 25, each step with its probability") {
  // The second pair of the policy for CIFAR-10: rotate with 0.7, translate_x with 0.3; no other has both.
  int both = 0, empty = 0;
  constexpr int kDraws = 20000;
  for (std::uint64_t seed = 0; seed < kDraws; ++seed) {
    Rng rng(seed);
    const AugmentPlan plan = draw_augment({AugmentPolicy::auto_cifar10}, 32, 32, rng);
    REQUIRE(plan.size <= 2);
    empty += plan.size == 0;
    if (plan.size != 2 || plan.steps[0].op != &kRotate || plan.steps[1].op != &kTranslateX) continue;
    ++both;
    CHECK(std::abs(plan.steps[0].strength) == auto_strength(kRotate, 2, 10, 32, 32));
    CHECK(std::abs(plan.steps[1].strength) == auto_strength(kTranslateX, 9, 10, 32, 32));
  }
  CHECK(std::abs(both - kDraws * 0.7 * 0.3 / 25) < 60);
  double none = 0;
  for (const auto& pair : image::detail::kAutoCifar10)
    none += (1.0 - pair[0].probability) * (1.0 - pair[1].probability) / 25;
  CHECK(std::abs(empty - kDraws * none) < 5 * std::sqrt(kDraws * none));
}

TEST_CASE("in training, the operations come one after the other behind mirroring") {
  const Image image = fixture::noise(24, 20);
  for (const auto& name : kEnumNames<AugmentPolicy>) {
    const AugmentOptions options{name.value, 3, 15};
    const TrainTransform t{.base = {.height = 20, .width = 24}, .scale_min = 1, .augment = options};
    std::vector<float> out(3 * 20 * 24), expected(out.size());
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      Rng rng(seed), again(seed);
      t(image, rng, out.data());
      Image changed = again.uniform() < t.hflip ? flip(image) : image;
      const AugmentPlan plan = draw_augment(options, 24, 20, again);
      for (std::size_t i = 0; i < plan.size; ++i)
        changed = apply(*plan.steps[i].op, changed, plan.steps[i].strength);
      to_tensor(changed, t.base, expected.data());
      CHECK(out == expected);
    }
  }
}

TEST_CASE("settings of a policy out of range are refused") {
  CHECK_THROWS_AS((AugmentOptions{AugmentPolicy::rand, 0}.validate()), ConfigError);
  CHECK_THROWS_AS((AugmentOptions{AugmentPolicy::rand, 9}.validate()), ConfigError);
  CHECK_THROWS_AS((AugmentOptions{AugmentPolicy::rand, 2, 31}.validate()), ConfigError);
  CHECK_NOTHROW((AugmentOptions{AugmentPolicy::rand, 8, 30}.validate()));
}
