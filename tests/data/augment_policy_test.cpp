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

TEST_CASE("3-Augment makes an image gray, solarizes or blurs it, each a third of the time") {
  std::map<std::string, int> counts;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    Rng rng(4, i);
    const AugmentPlan plan = draw_augment({.policy = AugmentPolicy::three}, 32, 32, rng);
    REQUIRE(plan.size == 1);
    ++counts[std::string(plan.steps[0].op->name)];
    if (plan.steps[0].op == &kColor) CHECK(plan.steps[0].strength == -1.0f);
    if (plan.steps[0].op == &kSolarize) CHECK(plan.steps[0].strength == 128.0f);
    if (plan.steps[0].op == &kBlur) CHECK(std::fabs(plan.steps[0].strength - 1.05f) <= 0.95f);
  }
  CHECK(counts.size() == 3);
  for (const auto& [name, count] : counts) CHECK(std::abs(count - 1000) < 120);
}

TEST_CASE("the jitter changes brightness, contrast and color in random order, behind the policy") {
  std::map<std::string, int> orders;
  for (std::uint64_t i = 0; i < 600; ++i) {
    Rng rng(4, i);
    const AugmentPlan plan =
        draw_augment({.policy = AugmentPolicy::rand, .operations = 8, .jitter = 0.3f}, 32, 32, rng);
    REQUIRE(plan.size == 11);
    std::string order;
    for (std::size_t k = 8; k < 11; ++k) {
      order += plan.steps[k].op->name;
      CHECK(std::fabs(plan.steps[k].strength) <= 0.3f);
    }
    ++orders[order];
  }
  CHECK(orders.size() == 6);
  for (const auto& [order, count] : orders) CHECK(count > 50);
  CHECK(message_of<ConfigError>([] { AugmentOptions{.jitter = 1.5f}.validate(); }) ==
        "augment: jitter is 1.5, expected 0 to 1");
}

TEST_CASE("blurring gives the bytes of Pillow 9.4's GaussianBlur") {
  Image image = make_image(7, 5);
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 7; ++x) {
      image.row(y)[x * 3] = static_cast<std::uint8_t>(x * 37 + y * 91);
      image.row(y)[x * 3 + 1] = static_cast<std::uint8_t>(x * x * 13 + y * 7);
      image.row(y)[x * 3 + 2] = static_cast<std::uint8_t>(x * 5 + y * y * 29 + 11);
    }
  struct Case {
    float radius;
    std::int64_t checksum;  // each byte times its place
    std::vector<int> first;
  };
  for (const Case& c : {Case{0.1f, 689792, {0, 0, 11, 37, 13, 16, 74, 52, 21}},
                        Case{0.7f, 679892, {29, 4, 19, 57, 20, 24, 90, 59, 29}},
                        Case{1.3f, 661982, {73, 18, 38, 85, 36, 41, 106, 71, 45}},
                        Case{2.0f, 658851, {86, 37, 54, 93, 54, 57, 105, 78, 60}},
                        Case{3.9f, 646372, {100, 80, 89, 105, 89, 91, 109, 100, 92}}}) {
    CAPTURE(c.radius);
    const Image out = apply(kBlur, image, c.radius);
    std::int64_t sum = 0, place = 1;
    for (const std::uint8_t v : out.pixels) sum += place++ * v;
    CHECK(sum == c.checksum);
    CHECK(std::vector<int>(out.pixels.begin(), out.pixels.begin() + 9) == c.first);
  }
}

TEST_CASE("blurring keeps flat images, the mean of large ones, and is the same from all sides") {
  Image flat = make_image(9, 5);
  std::ranges::fill(flat.pixels, std::uint8_t{77});
  CHECK(apply(kBlur, flat, 1.5f) == flat);
  CHECK(apply(kBlur, fixture::noise(5, 3), 0.0f) == fixture::noise(5, 3));
  // A point becomes a bell whose deviation is the radius.
  Image point = make_image(41, 41);
  for (int c = 0; c < 3; ++c) point.row(20)[20 * 3 + c] = 255;
  const Image bell = apply(kBlur, point, 2.0f);
  double sum = 0, squares = 0;
  for (int y = 0; y < 41; ++y)
    for (int x = 0; x < 41; ++x) {
      const double v = bell.row(y)[x * 3];
      sum += v, squares += v * (x - 20) * (x - 20);
      CHECK(std::abs(bell.row(y)[x * 3] - bell.row(x)[y * 3]) <= 1);  // each axis is rounded
      CHECK(bell.row(y)[x * 3] == bell.row(y)[(40 - x) * 3]);
    }
  CHECK(sum == doctest::Approx(255).epsilon(0.15));  // rounded to bytes six times
  CHECK(std::sqrt(squares / sum) == doctest::Approx(2.0).epsilon(0.15));
}

TEST_CASE("an alternating flip mirrors every image in every second epoch, half of them in the first") {
  const Image image = fixture::noise(8, 8);
  const TrainTransform plain{.base = {.height = 8, .width = 8}, .scale_min = 1, .hflip = 0},
      alternating{.base = {.height = 8, .width = 8}, .scale_min = 1, .alternate = true};
  std::vector<float> upright(192), found(192);
  Rng none(0);
  plain(image, none, upright.data());
  int first = 0;
  for (std::uint64_t index = 0; index < 200; ++index) {
    std::vector<bool> mirrored;
    for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
      Rng rng(5, epoch, index);
      alternating(image, rng, found.data());
      mirrored.push_back(found != upright);
    }
    first += mirrored[0];
    CHECK(mirrored[1] == !mirrored[0]);
    CHECK(mirrored[2] == mirrored[0]);
    CHECK(mirrored[3] == mirrored[1]);
  }
  CHECK(std::abs(first - 100) < 40);
}
