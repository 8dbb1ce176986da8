// Names of parameters, copies of modules, counting, gradients.
#include "minivit/nn/module.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "minivit/nn/encoder.hpp"
#include "minivit/nn/sequential.hpp"
#include "minivit/ops/reductions.hpp"
#include "minivit/ops/unary.hpp"

using namespace minivit;

namespace {

template <class Module>
std::vector<std::string> names(Module& module) {
  std::vector<std::string> all;
  for_each_parameter(
      module, [&](const std::string& name, auto& p) { all.push_back(str_cat(name, " ", p.value.shape())); });
  return all;
}

using Names = std::vector<std::string>;

const BlockConfig kBlock{.dim = 4, .heads = 2, .hidden = 6};

}  // namespace

TEST_CASE("parameters are named by the path to them, in the order of visit") {
  Encoder encoder(2, kBlock);
  const Names expected{"norm1.weight (4)",   "norm1.bias (4)",          "attn.qkv.weight (12, 4)",
                       "attn.qkv.bias (12)", "attn.proj.weight (4, 4)", "attn.proj.bias (4)",
                       "norm2.weight (4)",   "norm2.bias (4)",          "mlp.fc1.weight (6, 4)",
                       "mlp.fc1.bias (6)",   "mlp.fc2.weight (4, 6)",   "mlp.fc2.bias (4)"};
  CHECK(names(encoder.blocks[0]) == expected);
  Names both;
  for (const char* block : {"blocks.0.", "blocks.1."})
    for (const std::string& name : expected) both.push_back(block + name);
  CHECK(names(encoder) == both);
  CHECK(names(std::as_const(encoder)) == both);
}

TEST_CASE("a parameter that is not there has no name") {
  const Linear no_bias(3, 2, false);
  CHECK(names(no_bias) == Names{"weight (2, 3)"});
  const Linear empty;
  CHECK(names(empty).empty());
  BlockConfig with_scale = kBlock;
  with_scale.layer_scale = 1e-4f;
  const EncoderBlock block(with_scale);
  const Names all = names(block);
  REQUIRE(all.size() == 14);
  CHECK(all[6] == "ls1.gamma (4)");
  CHECK(all[13] == "ls2.gamma (4)");
}

TEST_CASE("a const module shows const parameters") {
  const Linear layer(3, 2);
  for_each_parameter(layer, [](const std::string&, auto& p) {
    static_assert(std::is_same_v<decltype(p), const Parameter&>);
    CHECK(p.defined());
  });
  Linear changeable(3, 2);
  for_each_parameter(changeable, [](const std::string&, auto& p) {
    static_assert(std::is_same_v<decltype(p), Parameter&>);
    p.value.fill(2.0f);
  });
  CHECK(changeable.weight.value(0, 0) == 2.0f);
}

TEST_CASE("sequential: layers and functions one after the other, named by position") {
  const auto half = [](const Var& x) { return x * 0.5f; };
  const Sequential net{Linear(3, 4), half, Linear(4, 2)};
  CHECK(names(net) == Names{"0.weight (4, 3)", "0.bias (4)", "2.weight (2, 4)", "2.bias (2)"});
  const NoGrad values_only;
  const Tensor x = Tensor::from({2, 3}, {1, 2, 3, -4, 5, 6});
  const auto& [first, function, last] = net.layers;
  CHECK(std::ranges::equal(net(x).value().values(), last(half(first(x))).value().values()));

  const Sequential nested{Sequential{Linear(2, 3, false), Linear(3, 2, false)}, Linear(2, 1, false)};
  CHECK(names(nested) == Names{"0.0.weight (3, 2)", "0.1.weight (2, 3)", "1.weight (1, 2)"});
}

TEST_CASE("parameter_count counts all weights, or those that are trained") {
  Linear layer(3, 2);
  CHECK(parameter_count(layer) == 8);
  CHECK(parameter_count(layer, true) == 8);
  layer.bias.trainable = false;
  CHECK(parameter_count(layer) == 8);
  CHECK(parameter_count(layer, true) == 6);
  CHECK(parameter_count(Linear()) == 0);
}

TEST_CASE("weight decay applies to matrices only") {
  BlockConfig config = kBlock;
  config.layer_scale = 0.1f;
  const EncoderBlock block(config);
  for_each_parameter(block, [](const std::string& name, const Parameter& p) {
    CAPTURE(name);
    CHECK(p.decay == (p.value.rank() > 1));
    CHECK(p.trainable);
  });
}

TEST_CASE("gradients add up until zero_grad; frozen parameters get none") {
  Linear layer(2, 1);
  const Tensor x = Tensor::from({1, 2}, {3, 5});
  CHECK_FALSE(layer.weight.grad.defined());
  require_grad(layer);
  backward(sum(layer(x)));
  CHECK(layer.weight.grad(0, 0) == 3.0f);
  CHECK(layer.bias.grad(0) == 1.0f);
  backward(sum(layer(x)));
  CHECK(layer.weight.grad(0, 1) == 10.0f);
  zero_grad(layer);
  CHECK(std::ranges::count(layer.weight.grad.values(), 0.0f) == 2);
  CHECK(layer.bias.grad(0) == 0.0f);

  layer.weight.trainable = false;
  backward(sum(layer(x)));
  CHECK(layer.weight.grad(0, 0) == 0.0f);
  CHECK(layer.bias.grad(0) == 1.0f);
  Linear never_used(2, 1);
  zero_grad(never_used);
  CHECK_FALSE(never_used.weight.grad.defined());
}

TEST_CASE("a module records nothing until its parameters have gradients") {
  Linear layer(2, 1);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(layer(Tensor::zeros({1, 2})).requires_grad());
  CHECK_FALSE(layer.weight.grad.defined());
  layer.bias.trainable = false;
  require_grad(layer);
  CHECK(layer.weight.grad.defined());
  CHECK_FALSE(layer.bias.grad.defined());
  CHECK(layer(Tensor::zeros({1, 2})).requires_grad());
  const Linear copy = layer;  // a copy begins without
  CHECK_FALSE(copy(Tensor::zeros({1, 2})).requires_grad());
}

TEST_CASE("a copied module has weights of its own, a moved one keeps them") {
  Encoder original(2, kBlock);
  require_grad(original);
  backward(sum(original(Tensor::full({1, 2, 4}, 1.0f))));
  const Encoder copy = original;
  const Tensor &weight = original.blocks[1].mlp.fc1.weight.value,
               &copied = copy.blocks[1].mlp.fc1.weight.value;
  CHECK(weight.data() != copied.data());
  CHECK(std::ranges::equal(weight.values(), copied.values()));
  CHECK_FALSE(copy.blocks[1].mlp.fc1.weight.grad.defined());
  CHECK(copy.blocks[1].mlp.fc1.weight.decay);
  original.blocks[1].mlp.fc1.weight.value.fill(7.0f);
  CHECK(copied(0, 0) != 7.0f);

  const float *values = weight.data(), *gradient = original.blocks[1].mlp.fc1.weight.grad.data();
  Encoder moved = std::move(original);
  CHECK(moved.blocks[1].mlp.fc1.weight.value.data() == values);
  CHECK(moved.blocks[1].mlp.fc1.weight.grad.data() == gradient);

  Encoder assigned;
  assigned = moved;
  CHECK(assigned.blocks[1].mlp.fc1.weight.value.data() != values);
  CHECK(assigned.blocks[1].mlp.fc1.weight.value(0, 0) == 7.0f);
}
