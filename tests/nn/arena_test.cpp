// All weights in one piece of memory.
#include "minivit/nn/arena.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "minivit/nn/encoder.hpp"
#include "minivit/nn/sequential.hpp"
#include "minivit/ops/reductions.hpp"
#include "minivit/ops/unary.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

const BlockConfig kBlock{.dim = 6, .heads = 2, .hidden = 5, .layer_scale = 0.5f};

template <class Module>
std::vector<Tensor> values_of(const Module& module) {
  std::vector<Tensor> all;
  for_each_parameter(module, [&](const std::string&, const Parameter& p) { all.push_back(p.value.clone()); });
  return all;
}

}  // namespace

TEST_CASE("flatten keeps all values and puts the decayed first, aligned and without overlap") {
  Encoder net(2, kBlock);
  const std::vector<Tensor> before = values_of(net);
  const ParameterArena arena = flatten(net);
  const std::vector<Tensor> after = values_of(net);
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i)
    CHECK(std::ranges::equal(before[i].values(), after[i].values()));

  CHECK(arena.grads.shape() == arena.values.shape());
  CHECK(arena.slots.size() == before.size());
  std::int64_t end = 0;
  bool decayed = true;
  for (const ParameterArena::Slot& slot : arena.slots) {
    CAPTURE(slot.name);
    CHECK(slot.begin % 16 == 0);
    CHECK(slot.begin >= end);
    if (!slot.decay) decayed = false;
    CHECK(slot.decay == decayed);  // once false, never true again
    CHECK(slot.decay == (slot.begin < arena.decayed));
    for (std::int64_t i = end; i < slot.begin; ++i) CHECK(arena.values(i) == 0.0f);  // padding
    end = slot.begin + slot.shape.numel();
  }
  CHECK(end <= arena.size());
  CHECK(arena.size() < end + 16);
  CHECK(reinterpret_cast<std::uintptr_t>(arena.values.data()) % 64 == 0);
  CHECK(arena.decayed % 16 == 0);
  CHECK(std::ranges::all_of(arena.grads.values(), [](float v) { return v == 0.0f; }));
}

TEST_CASE("a slot is where its parameter's value and gradient are") {
  Encoder net(2, kBlock);
  const ParameterArena arena = flatten(net);
  const auto slot = [&](const std::string& name) -> const ParameterArena::Slot& {
    const auto found = std::ranges::find(arena.slots, name, &ParameterArena::Slot::name);
    REQUIRE(found != arena.slots.end());
    return *found;
  };
  for_each_parameter(net, [&](const std::string& name, const Parameter& p) {
    CAPTURE(name);
    CHECK(p.value.data() == arena.values.data() + slot(name).begin);
    CHECK(p.grad.data() == arena.grads.data() + slot(name).begin);
    CHECK(p.value.shape() == slot(name).shape);
    CHECK(p.decay == slot(name).decay);
  });
}

TEST_CASE("backward writes into the arena, and changes of the arena are the model's") {
  Encoder net(1, kBlock), twin = net;
  ParameterArena arena = flatten(net);
  require_grad(twin);
  const Tensor x = Tensor::from({1, 2, 6}, {1, 2, -3, 4, 5, 6, -7, 8, 9, 1, 2, 3});
  backward(sum(square(net(x))));
  backward(sum(square(twin(x))));
  std::size_t i = 0;
  std::vector<Tensor> expected;
  for_each_parameter(twin, [&](const std::string&, const Parameter& p) { expected.push_back(p.grad); });
  for_each_parameter(net, [&](const std::string& name, const Parameter& p) {
    CAPTURE(name);
    CHECK(std::ranges::equal(p.grad.values(), expected[i++].values()));
  });
  CHECK(std::ranges::any_of(arena.grads.values(), [](float v) { return v != 0.0f; }));
  arena.zero_grad();
  CHECK(net.blocks[0].mlp.fc1.weight.grad(0, 0) == 0.0f);
  arena.values.fill(3.0f);
  CHECK(net.blocks[0].mlp.fc1.weight.value(4, 5) == 3.0f);
}

TEST_CASE("frozen parameters stay outside") {
  Linear layer(3, 2);
  layer.weight.trainable = false;
  const float* const weight = layer.weight.value.data();
  const ParameterArena arena = flatten(layer);
  REQUIRE(arena.slots.size() == 1);
  CHECK(arena.slots[0].name == "bias");
  CHECK(arena.decayed == 0);
  CHECK(layer.weight.value.data() == weight);
  CHECK_FALSE(layer.weight.grad.defined());
}

TEST_CASE("a moved model stays in its arena, a copied one leaves it") {
  Linear layer(3, 2);
  ParameterArena arena = flatten(layer);
  const Linear copy = layer;
  const Linear moved = std::move(layer);
  ParameterArena moved_arena = std::move(arena);
  moved_arena.values.fill(4.0f);
  CHECK(moved.weight.value(1, 2) == 4.0f);
  CHECK(copy.weight.value(1, 2) != 4.0f);
}

TEST_CASE("a module without parameters has an empty arena") {
  Dropout nothing;
  const ParameterArena arena = flatten(nothing);
  CHECK(arena.size() == 0);
  CHECK(arena.slots.empty());
  CHECK(arena.decayed == 0);
}

TEST_CASE("parameters that are treated alike lie together, in groups that make up the arena") {
  Encoder net(2, kBlock);
  for (const auto& [name, p] : named_parameters(net))
    p->lr_scale = name.starts_with("blocks.0.") ? 0.5f : 1.0f;
  const ParameterArena arena = flatten(net);
  REQUIRE(arena.groups.size() == 4);
  std::int64_t end = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const ParameterArena::Group& g = arena.groups[i];
    CHECK(g.begin == end);
    CHECK(g.decay == (i < 2));
    CHECK(g.lr_scale == (i % 2 == 0 ? 1.0f : 0.5f));
    for (const ParameterArena::Slot& slot : arena.slots)
      if (slot.begin >= g.begin && slot.begin < g.end) {
        CHECK(slot.decay == g.decay);
        CHECK(slot.name.starts_with(g.lr_scale == 1.0f ? "blocks.1." : "blocks.0."));
      }
    end = g.end;
  }
  CHECK(end == arena.size());
}

TEST_CASE("a second arena is refused while the first is in use, and made when it is not") {
  Linear layer(3, 2);
  const std::string refusal = "flatten: the gradient of weight is in use: by an earlier arena";
  const auto message = [&] { return message_of<Error>([&] { (void)flatten(layer); }); };
  {
    ParameterArena first = flatten(layer);
    CHECK(message().starts_with(refusal));
    CHECK(layer.weight.value.data() == first.values.data());  // nothing has been moved
    const ParameterArena moved = std::move(first);
    CHECK(message().starts_with(refusal));
    CHECK(message_of<Error>([&] {
            (void)flatten({{"head", &layer.weight}});
          }).starts_with("flatten: the gradient of head is in use"));
  }
  layer.weight.value(1, 2) = 7.0f;
  const ParameterArena second = flatten(layer);
  CHECK(layer.weight.value.data() == second.values.data());
  CHECK(layer.weight.value(1, 2) == 7.0f);
}

TEST_CASE("an arena that ends before its model leaves the weights where they are") {
  Linear layer(3, 2);
  const std::vector<Tensor> before = values_of(layer);
  { const ParameterArena arena = flatten(layer); }
  const std::vector<Tensor> after = values_of(layer);
  for (std::size_t i = 0; i < after.size(); ++i)
    CHECK(std::ranges::equal(before[i].values(), after[i].values()));
  backward(sum(layer(Tensor::full({1, 3}, 1.0f))));
  CHECK(layer.bias.grad(1) == 1.0f);
}

namespace {

/// One weight under two names.
struct Tied {
  Linear in{2, 2};
  static void visit(auto& self, auto&& f) {
    f("in", self.in);
    f("out", self.in.weight);
  }
};

}  // namespace

TEST_CASE("a parameter under two names lies in the arena once") {
  Tied tied;
  const ParameterArena arena = flatten(tied);
  REQUIRE(arena.slots.size() == 2);
  CHECK(arena.slots[0].name == "in.weight");
  CHECK(arena.slots[1].name == "in.bias");
  CHECK(tied.in.weight.value.data() == arena.values.data());
}

TEST_CASE("two parameters that share their values are refused, not parted") {
  Sequential<Linear, Linear> net(Linear(4, 4), Linear(4, 4));
  Linear &first = std::get<0>(net.layers), &second = std::get<1>(net.layers);
  second.weight.value = first.weight.value;
  const std::string message = message_of<Error>([&] { (void)flatten(net); });
  CHECK(message.starts_with("flatten: 0.weight and 1.weight share their values; tie weights by"));
  second.weight.value = first.weight.value.rows(1, 4);  // a part of them
  CHECK_THROWS_AS((void)flatten(net), Error);
  second.weight.value = first.weight.value.clone();
  CHECK(flatten(net).slots.size() == 4);
}
