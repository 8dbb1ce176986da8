// Policies of augmentation: which operations an image gets, and how strong.
//
// TrivialAugment: S. Müller, F. Hutter, 2021, arXiv:2103.10158. RandAugment: E. Cubuk et al., 2019,
// arXiv:1909.13719. AutoAugment: E. Cubuk et al., 2018, arXiv:1805.09501. Ranges and tables are
// torchvision's. 3-Augment: H. Touvron et al., "DeiT III", 2022, arXiv:2204.07118.
#pragma once

#include <array>
#include <cstddef>

#include "minivit/core/fields.hpp"
#include "minivit/data/augment.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// How images are changed at random for training.
/// trivial: one operation of any strength. rand: some operations of one strength. auto_…: one of 25 pairs of
/// operations, each with its probability and strength, found for that data set. three: gray, solarized or
/// blurred, one of them.
enum class AugmentPolicy { none, trivial, rand, auto_imagenet, auto_cifar10, auto_svhn, three };

/// The operations that one image gets, in order.
struct AugmentPlan {
  static constexpr std::size_t kMost = 8;  ///< of a policy; then there may be the three of the jitter
  std::array<Augmentation, kMost + 3> steps{};
  std::size_t size = 0;

  void add(const Augmentation& step) { steps[size++] = step; }
};

/// Settings of a policy.
struct AugmentOptions {
  AugmentPolicy policy = AugmentPolicy::none;
  int operations = 2;  ///< of rand, 1 to AugmentPlan::kMost
  int magnitude = 9;   ///< of rand, 0 to 30
  float jitter = 0;    ///< brightness, contrast and color change by up to this part, in random order, behind
                       ///< the policy: torchvision's ColorJitter(j, j, j); 0 to 1

  /// Throws ConfigError for a value out of range.
  void validate() const;
};

/// Draws what an image of width x height pixels gets.
[[nodiscard]] AugmentPlan draw_augment(const AugmentOptions& options, int width, int height, Rng& rng);

/// Strength number `bin` of 0…bins - 1 for `op` in RandAugment and AutoAugment, without sign, on an image of
/// this size: 0.3 for shearing at most, 150/331 of the image for translating, 30 degrees, 0.9 for enhancing,
/// 4 bits, 255. 0 for operations without strength. Throws Error if there is no such bin.
[[nodiscard]] float auto_strength(const AugmentOp& op, int bin, int bins, int width, int height);

}  // namespace minivit::inline MINIVIT_ABI::image

namespace minivit::inline MINIVIT_ABI {
template <>
inline constexpr auto kEnumNames<image::AugmentPolicy> =
    std::to_array<EnumName<image::AugmentPolicy>>({{image::AugmentPolicy::none, "none"},
                                                   {image::AugmentPolicy::trivial, "trivial"},
                                                   {image::AugmentPolicy::rand, "rand"},
                                                   {image::AugmentPolicy::auto_imagenet, "auto_imagenet"},
                                                   {image::AugmentPolicy::auto_cifar10, "auto_cifar10"},
                                                   {image::AugmentPolicy::auto_svhn, "auto_svhn"},
                                                   {image::AugmentPolicy::three, "three"}});
}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cmath>
#include <cstdint>
#include <utility>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI::image {

namespace detail {

/// An operation of a pair of AutoAugment: its probability, and its strength of ten.
struct AutoStep {
  const AugmentOp* op;
  float probability;
  int bin = 0;
};
using AutoPairs = std::array<std::array<AutoStep, 2>, 25>;

inline constexpr AutoPairs kAutoImageNet{{
    {{{&kPosterize, 0.4f, 8}, {&kRotate, 0.6f, 9}}}, {{{&kSolarize, 0.6f, 5}, {&kAutoContrast, 0.6f}}},
    {{{&kEqualize, 0.8f}, {&kEqualize, 0.6f}}},      {{{&kPosterize, 0.6f, 7}, {&kPosterize, 0.6f, 6}}},
    {{{&kEqualize, 0.4f}, {&kSolarize, 0.2f, 4}}},   {{{&kEqualize, 0.4f}, {&kRotate, 0.8f, 8}}},
    {{{&kSolarize, 0.6f, 3}, {&kEqualize, 0.6f}}},   {{{&kPosterize, 0.8f, 5}, {&kEqualize, 1.0f}}},
    {{{&kRotate, 0.2f, 3}, {&kSolarize, 0.6f, 8}}},  {{{&kEqualize, 0.6f}, {&kPosterize, 0.4f, 6}}},
    {{{&kRotate, 0.8f, 8}, {&kColor, 0.4f, 0}}},     {{{&kRotate, 0.4f, 9}, {&kEqualize, 0.6f}}},
    {{{&kEqualize, 0.0f}, {&kEqualize, 0.8f}}},      {{{&kInvert, 0.6f}, {&kEqualize, 1.0f}}},
    {{{&kColor, 0.6f, 4}, {&kContrast, 1.0f, 8}}},   {{{&kRotate, 0.8f, 8}, {&kColor, 1.0f, 2}}},
    {{{&kColor, 0.8f, 8}, {&kSolarize, 0.8f, 7}}},   {{{&kSharpness, 0.4f, 7}, {&kInvert, 0.6f}}},
    {{{&kShearX, 0.6f, 5}, {&kEqualize, 1.0f}}},     {{{&kColor, 0.4f, 0}, {&kEqualize, 0.6f}}},
    {{{&kEqualize, 0.4f}, {&kSolarize, 0.2f, 4}}},   {{{&kSolarize, 0.6f, 5}, {&kAutoContrast, 0.6f}}},
    {{{&kInvert, 0.6f}, {&kEqualize, 1.0f}}},        {{{&kColor, 0.6f, 4}, {&kContrast, 1.0f, 8}}},
    {{{&kEqualize, 0.8f}, {&kEqualize, 0.6f}}},
}};
inline constexpr AutoPairs kAutoCifar10{{
    {{{&kInvert, 0.1f}, {&kContrast, 0.2f, 6}}},         {{{&kRotate, 0.7f, 2}, {&kTranslateX, 0.3f, 9}}},
    {{{&kSharpness, 0.8f, 1}, {&kSharpness, 0.9f, 3}}},  {{{&kShearY, 0.5f, 8}, {&kTranslateY, 0.7f, 9}}},
    {{{&kAutoContrast, 0.5f}, {&kEqualize, 0.9f}}},      {{{&kShearY, 0.2f, 7}, {&kPosterize, 0.3f, 7}}},
    {{{&kColor, 0.4f, 3}, {&kBrightness, 0.6f, 7}}},     {{{&kSharpness, 0.3f, 9}, {&kBrightness, 0.7f, 9}}},
    {{{&kEqualize, 0.6f}, {&kEqualize, 0.5f}}},          {{{&kContrast, 0.6f, 7}, {&kSharpness, 0.6f, 5}}},
    {{{&kColor, 0.7f, 7}, {&kTranslateX, 0.5f, 8}}},     {{{&kEqualize, 0.3f}, {&kAutoContrast, 0.4f}}},
    {{{&kTranslateY, 0.4f, 3}, {&kSharpness, 0.2f, 6}}}, {{{&kBrightness, 0.9f, 6}, {&kColor, 0.2f, 8}}},
    {{{&kSolarize, 0.5f, 2}, {&kInvert, 0.0f}}},         {{{&kEqualize, 0.2f}, {&kAutoContrast, 0.6f}}},
    {{{&kEqualize, 0.2f}, {&kEqualize, 0.6f}}},          {{{&kColor, 0.9f, 9}, {&kEqualize, 0.6f}}},
    {{{&kAutoContrast, 0.8f}, {&kSolarize, 0.2f, 8}}},   {{{&kBrightness, 0.1f, 3}, {&kColor, 0.7f, 0}}},
    {{{&kSolarize, 0.4f, 5}, {&kAutoContrast, 0.9f}}},   {{{&kTranslateY, 0.9f, 9}, {&kTranslateY, 0.7f, 9}}},
    {{{&kAutoContrast, 0.9f}, {&kSolarize, 0.8f, 3}}},   {{{&kEqualize, 0.8f}, {&kInvert, 0.1f}}},
    {{{&kTranslateY, 0.7f, 9}, {&kAutoContrast, 0.9f}}},
}};
inline constexpr AutoPairs kAutoSvhn{{
    {{{&kShearX, 0.9f, 4}, {&kInvert, 0.2f}}},          {{{&kShearY, 0.9f, 8}, {&kInvert, 0.7f}}},
    {{{&kEqualize, 0.6f}, {&kSolarize, 0.6f, 6}}},      {{{&kInvert, 0.9f}, {&kEqualize, 0.6f}}},
    {{{&kEqualize, 0.6f}, {&kRotate, 0.9f, 3}}},        {{{&kShearX, 0.9f, 4}, {&kAutoContrast, 0.8f}}},
    {{{&kShearY, 0.9f, 8}, {&kInvert, 0.4f}}},          {{{&kShearY, 0.9f, 5}, {&kSolarize, 0.2f, 6}}},
    {{{&kInvert, 0.9f}, {&kAutoContrast, 0.8f}}},       {{{&kEqualize, 0.6f}, {&kRotate, 0.9f, 3}}},
    {{{&kShearX, 0.9f, 4}, {&kSolarize, 0.3f, 3}}},     {{{&kShearY, 0.8f, 8}, {&kInvert, 0.7f}}},
    {{{&kEqualize, 0.9f}, {&kTranslateY, 0.6f, 6}}},    {{{&kInvert, 0.9f}, {&kEqualize, 0.6f}}},
    {{{&kContrast, 0.3f, 3}, {&kRotate, 0.8f, 4}}},     {{{&kInvert, 0.8f}, {&kTranslateY, 0.0f, 2}}},
    {{{&kShearY, 0.7f, 6}, {&kSolarize, 0.4f, 8}}},     {{{&kInvert, 0.6f}, {&kRotate, 0.8f, 4}}},
    {{{&kShearY, 0.3f, 7}, {&kTranslateX, 0.9f, 3}}},   {{{&kShearX, 0.1f, 6}, {&kInvert, 0.6f}}},
    {{{&kSolarize, 0.7f, 2}, {&kTranslateY, 0.6f, 7}}}, {{{&kShearY, 0.8f, 4}, {&kInvert, 0.8f}}},
    {{{&kShearX, 0.7f, 9}, {&kTranslateY, 0.8f, 3}}},   {{{&kShearY, 0.8f, 5}, {&kAutoContrast, 0.7f}}},
    {{{&kShearX, 0.7f, 2}, {&kInvert, 0.1f}}},
}};

inline constexpr int kAutoBins = 10;

inline AugmentPlan draw_pair(const AutoPairs& pairs, int width, int height, Rng& rng) {
  const std::array<AutoStep, 2>& pair = pairs[rng.below(static_cast<std::uint32_t>(pairs.size()))];
  AugmentPlan plan;
  for (const AutoStep& step : pair) {
    const bool happens = rng.uniform() < step.probability, negative = rng.below(2) == 1;
    const float strength = auto_strength(*step.op, step.bin, kAutoBins, width, height);
    if (happens) plan.add({step.op, step.op->has_sign && negative ? -strength : strength});
  }
  return plan;
}

}  // namespace detail

MINIVIT_INLINE void AugmentOptions::validate() const {
  check<ConfigError>(operations >= 1 && operations <= static_cast<int>(AugmentPlan::kMost),
                     "augment: operations is ", operations, ", expected 1 to ", AugmentPlan::kMost);
  check<ConfigError>(magnitude >= 0 && magnitude < kAugmentBins, "augment: magnitude is ", magnitude,
                     ", expected 0 to ", kAugmentBins - 1);
  check<ConfigError>(jitter >= 0 && jitter <= 1, "augment: jitter is ", jitter, ", expected 0 to 1");
}

MINIVIT_INLINE float auto_strength(const AugmentOp& op, int bin, int bins, int width, int height) {
  check(bin >= 0 && bin < bins, "augment: bin ", bin, " is out of range, expected 0 to ", bins - 1);
  if (!op.strength) return 0.0f;
  const auto between = [=](float first, float last) {
    return detail::strength_between(bin, first, last, bins);
  };
  if (&op == &kShearX || &op == &kShearY) return between(0.0f, 0.3f);
  if (&op == &kTranslateX) return between(0.0f, static_cast<float>(150.0 / 331.0 * width));
  if (&op == &kTranslateY) return between(0.0f, static_cast<float>(150.0 / 331.0 * height));
  if (&op == &kRotate) return between(0.0f, 30.0f);
  if (&op == &kPosterize)
    return 8.0f - std::nearbyint(static_cast<float>(bin) / (static_cast<float>(bins - 1) / 4.0f));
  if (&op == &kSolarize) return between(255.0f, 0.0f);
  return between(0.0f, 0.9f);  // brightness, color, contrast, sharpness
}

namespace detail {

inline AugmentPlan draw_three(Rng& rng) {
  AugmentPlan plan;
  switch (rng.below(3)) {
    case 0:
      plan.add({&kColor, -1.0f});  // gray
      break;
    case 1:
      plan.add({&kSolarize, 128.0f});
      break;
    default:
      plan.add({&kBlur, rng.uniform(0.1f, 2.0f)});
  }
  return plan;
}

inline void add_jitter(AugmentPlan& plan, float jitter, Rng& rng) {
  std::array<const AugmentOp*, 3> ops{&kBrightness, &kContrast, &kColor};
  for (std::size_t i = ops.size(); i > 1; --i)
    std::swap(ops[i - 1], ops[rng.below(static_cast<std::uint32_t>(i))]);
  for (const AugmentOp* const op : ops) plan.add({op, rng.uniform(-jitter, jitter)});
}

AugmentPlan draw_policy(const AugmentOptions& options, int width, int height, Rng& rng);

}  // namespace detail

MINIVIT_INLINE AugmentPlan draw_augment(const AugmentOptions& options, int width, int height, Rng& rng) {
  AugmentPlan plan = detail::draw_policy(options, width, height, rng);
  if (options.jitter > 0) options.validate(), detail::add_jitter(plan, options.jitter, rng);
  return plan;
}

MINIVIT_INLINE AugmentPlan detail::draw_policy(const AugmentOptions& options, int width, int height,
                                               Rng& rng) {
  AugmentPlan plan;
  switch (options.policy) {
    case AugmentPolicy::none:
      break;
    case AugmentPolicy::trivial:
      plan.add(draw_trivial_augment(rng));
      break;
    case AugmentPolicy::rand:
      options.validate();
      for (int i = 0; i < options.operations; ++i) {
        const AugmentOp* const op = kTrivialAugmentWide[rng.below(kTrivialAugmentWide.size())];
        const float strength = auto_strength(*op, options.magnitude, kAugmentBins, width, height);
        const bool negative = rng.below(2) == 1;
        plan.add({op, op->has_sign && negative ? -strength : strength});
      }
      break;
    case AugmentPolicy::auto_imagenet:
      return detail::draw_pair(detail::kAutoImageNet, width, height, rng);
    case AugmentPolicy::auto_cifar10:
      return detail::draw_pair(detail::kAutoCifar10, width, height, rng);
    case AugmentPolicy::auto_svhn:
      return detail::draw_pair(detail::kAutoSvhn, width, height, rng);
    case AugmentPolicy::three:
      return detail::draw_three(rng);
  }
  return plan;
}

}  // namespace minivit::inline MINIVIT_ABI::image
#endif  // MINIVIT_DEFINITIONS
