// What a batch is trained towards, against the formulas.
#include "minivit/train/objective.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "minivit/model/vit.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

const Tensor kLogits = Tensor::from({2, 3}, std::vector<float>{0.5f, -1.0f, 2.0f, 1.5f, 0.0f, -0.5f});
const Tensor kTaught = Tensor::from({2, 3}, std::vector<float>{1.0f, 3.0f, -1.0f, 0.0f, 0.2f, 0.1f});
const std::vector<int> kLabels{2, 1};

/// Probabilities of row i at temperature T, in double precision.
std::vector<double> softmax_of(const Tensor& logits, std::int64_t i, double T) {
  std::vector<double> p;
  double sum = 0;
  for (std::int64_t k = 0; k < 3; ++k) p.push_back(std::exp(logits(i, k) / T)), sum += p.back();
  for (double& v : p) v /= sum;
  return p;
}

}  // namespace

TEST_CASE("soft targets are the teacher's probabilities at a temperature, times its square") {
  for (const double T : {1.0, 4.0}) {
    double expected = 0;
    for (std::int64_t i = 0; i < 2; ++i) {
      const auto p = softmax_of(kTaught, i, T), q = softmax_of(kLogits, i, T);
      for (std::size_t k = 0; k < 3; ++k) expected -= p[k] * std::log(q[k]) / 2 * T * T;
    }
    CHECK(taught_loss(kLogits, kTaught, {.temperature = T}).item() ==
          doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("hard targets are the teacher's first choice") {
  const Var loss = taught_loss(kLogits, kTaught, {.hard = true});
  CHECK(loss.item() == cross_entropy(kLogits, std::vector<int>{1, 1}).item());
}

TEST_CASE("labels and teacher have their shares; a student with two heads learns with each from one") {
  const auto teacher = [](const Tensor&) { return kTaught; };
  const ObjectiveOptions options{.teacher = {.logits = teacher, .share = 0.25}};
  const auto student = [](const Tensor&) { return Var(kLogits); };
  const double labels = cross_entropy(kLogits, kLabels).item(),
               taught = taught_loss(kLogits, kTaught, {}).item();
  const BatchLoss together = batch_loss(student, Tensor(), kLabels, {}, options);
  CHECK(together.loss.item() == doctest::Approx(0.75 * labels + 0.25 * taught).epsilon(1e-6));

  manual_seed(3);
  VisionTransformer net({.image_height = 8,
                         .image_width = 8,
                         .patch_size = 4,
                         .num_classes = 3,
                         .embedding_dim = 16,
                         .num_layers = 1,
                         .num_heads = 2,
                         .distillation = Distillation::head});
  for_each_parameter(net, [](const std::string&, Parameter& p) { init_uniform(p.value, 0.5f); });
  Tensor images = Tensor::empty({2, 3, 8, 8});
  Rng rng(1);
  for (float& v : images.values()) v = rng.normal();
  const auto [own, other] = net.both_logits(images);
  const BatchLoss two = batch_loss(net, images, kLabels, {}, options);
  CHECK(two.loss.item() == doctest::Approx(0.75 * cross_entropy(own, kLabels).item() +
                                           0.25 * taught_loss(other, kTaught, {}).item())
                               .epsilon(1e-6));
  const Tensor mean = net(images).value();
  for (std::int64_t i = 0; i < 6; ++i)
    CHECK(two.logits.data()[i] == doctest::Approx(mean.data()[i]).epsilon(1e-6));
}

TEST_CASE("the binary loss asks of each class for itself, smoothed as timm's") {
  double expected = 0;
  const float e = 0.3f;
  for (std::int64_t i = 0; i < 2; ++i)
    for (std::int64_t k = 0; k < 3; ++k) {
      const double z = static_cast<double>(kLogits(i, k)),
                   t = (kLabels[static_cast<std::size_t>(i)] == k ? 1.0 - 0.3 : 0.0) + 0.3 / 3;
      expected += (std::log1p(std::exp(-std::fabs(z))) + std::max(z, 0.0) - z * t) / 6;
    }
  const Var loss = label_loss(kLogits, kLabels, {}, {.label_smoothing = e, .binary = true});
  CHECK(loss.item() == doctest::Approx(expected).epsilon(1e-5));
}

TEST_CASE("what does not go together is refused") {
  const std::vector<float> weights{1, 2, 3};
  CHECK(message_of<ConfigError>([&] {
          ObjectiveOptions{.class_weights = weights, .binary = true}.validate();
        }) == "objective: class weights go with cross-entropy only, not with binary");
  CHECK(message_of<ConfigError>([] { ObjectiveOptions{.teacher = {.temperature = 0}}.validate(); }) ==
        "objective: the temperature is 0, expected above 0");
  CHECK(message_of<ShapeError>([] {
          static_cast<void>(taught_loss(kLogits, Tensor::zeros({2, 4}), {}));
        }) == "taught_loss: the teacher's logits are (2, 4), expected (2, 3)");
}
