// Weights that a model takes over from another.
#include "minivit/io/transfer.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "support/message_of.hpp"

using namespace minivit;

namespace {

const std::vector<std::string> kLabels{"a", "b", "c"};

ModelBundle model_of(std::int64_t dim, std::int64_t classes, std::uint64_t seed, float layer_scale = 0.0f) {
  manual_seed(seed);
  ModelBundle m;
  m.net = VisionTransformer({.image_height = 8,
                             .image_width = 8,
                             .patch_size = 4,
                             .num_classes = classes,
                             .embedding_dim = dim,
                             .num_layers = 2,
                             .num_heads = 2,
                             .layer_scale = layer_scale});
  m.labels = {kLabels.begin(), kLabels.begin() + classes};
  return m;
}

std::vector<bool> same_parameters(ModelBundle& a, ModelBundle& b) {
  std::vector<bool> same;
  const auto x = named_parameters(a.net), y = named_parameters(b.net);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Tensor &u = x[i].parameter->value, &v = y[i].parameter->value;
    same.push_back(u.shape() == v.shape() &&
                   std::memcmp(u.data(), v.data(), static_cast<std::size_t>(u.numel()) * sizeof(float)) == 0);
  }
  return same;
}

}  // namespace

TEST_CASE("weights of a model with the same classes are taken over whole") {
  ModelBundle from = model_of(16, 3, 1), to = model_of(16, 3, 2);
  CHECK(take_weights(to.net, kLabels, from));
  for (const bool same : same_parameters(from, to)) CHECK(same);
}

TEST_CASE("other classes, or another order, leave the head as it is") {
  ModelBundle from = model_of(16, 3, 1), fewer = model_of(16, 2, 2), before = model_of(16, 2, 2);
  CHECK_FALSE(take_weights(fewer.net, {"a", "b"}, from));
  const auto taken = same_parameters(from, fewer), kept = same_parameters(before, fewer);
  for (std::size_t i = 0; i + 2 < taken.size(); ++i) CHECK(taken[i]);
  CHECK(kept[kept.size() - 1]);
  CHECK(kept[kept.size() - 2]);
  ModelBundle other = model_of(16, 3, 2);
  CHECK_FALSE(take_weights(other.net, {"b", "a", "c"}, from));
  CHECK_FALSE(same_parameters(from, other)[taken.size() - 2]);
}

TEST_CASE("other sizes are refused by name, and nothing is changed") {
  ModelBundle from = model_of(16, 3, 1), wider = model_of(32, 3, 2), before = model_of(32, 3, 2),
              scaled = model_of(16, 3, 2, 0.1f);
  const std::string message = message_of<ConfigError>([&] { take_weights(wider.net, kLabels, from); });
  CHECK(message.starts_with(
      "the weights do not fit the model's sizes: cls_token is (1, 1, 16), expected (1, 1, 32), "));
  CHECK(message.ends_with(" more"));
  for (const bool same : same_parameters(before, wider)) CHECK(same);
  CHECK(message_of<ConfigError>([&] {
          take_weights(scaled.net, kLabels, from);
        }).find("blocks.0.ls1.gamma is missing, expected (16)") != std::string::npos);
  CHECK(message_of<ConfigError>([&] {
          take_weights(from.net, kLabels, scaled);
        }).find("parameters, expected") != std::string::npos);
}
