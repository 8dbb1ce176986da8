// Activation checkpointing, against the same computation without it.
#include "minivit/ops/recompute.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "minivit/model/vit.hpp"
#include "minivit/ops/dropout.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/ops/reductions.hpp"
#include "minivit/ops/unary.hpp"
#include "ops/op_case.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using op_test::in;

namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.numel()) * sizeof(float)) == 0;
}

/// Loss and all gradients of a small ViT with everything that draws random numbers.
std::vector<Tensor> gradients(bool recomputed, Attention attention) {
  manual_seed(3);
  VisionTransformer model({.image_height = 16,
                           .image_width = 16,
                           .patch_size = 4,
                           .num_classes = 5,
                           .embedding_dim = 24,
                           .num_layers = 3,
                           .num_heads = 3,
                           .input_dropout = 0.1f,
                           .attention_dropout = 0.2f,
                           .dropout = 0.1f,
                           .drop_path = 0.3f,
                           .layer_scale = 0.1f,
                           .attention = attention});
  require_grad(model);
  model.encoder.recompute = recomputed;
  manual_seed(4, 1);
  const std::vector<int> labels{0, 1, 2, 3, 4, 0};
  const Tensor images = op_test::make(in({6, 3, 16, 16}), 5);
  std::vector<Tensor> out;
  {
    const Training training;
    const Var loss = cross_entropy(model(images), labels);
    out.push_back(loss.value().clone());
    backward(loss);
  }
  for_each_parameter(model, [&](const std::string&, const Parameter& p) { out.push_back(p.grad.clone()); });
  Tensor next = Tensor::empty({4});  // what is drawn afterwards is the same, too
  Rng rng = Generator::local().stream(Generator::Purpose::dropout);
  for (float& v : next.values()) v = rng.uniform();
  out.push_back(next);
  return out;
}

}  // namespace

TEST_CASE("a recomputing model has the same loss, gradients and random numbers, to the bit") {
  for (const Attention attention : {Attention::plain, Attention::locality}) {
    const std::vector<Tensor> plain = gradients(false, attention), again = gradients(true, attention);
    REQUIRE(plain.size() == again.size());
    for (std::size_t i = 0; i < plain.size(); ++i) {
      CAPTURE(i);
      CHECK(same_bits(plain[i], again[i]));
    }
  }
}

TEST_CASE("recomputing inside of recomputing, and inputs that are used again") {
  const Tensor value = op_test::make(in({3, 4}), 1);
  const auto inner = [](const Var& x) { return exp(x) * x; };
  const auto outer = [&](const Var& x) { return recompute(inner, tanh(x)) + recompute(inner, x); };
  const Var x = variable(value.clone()), y = variable(value.clone());
  backward(sum(outer(x) * x));
  backward(sum(recompute(outer, y) * y));
  CHECK(same_bits(x.grad(), y.grad()));
  CHECK(Tape::local().size() == 0);
}

TEST_CASE("a function that throws when it is computed again leaves generator and mode as they were") {
  int calls = 0;
  const auto throws_later = [&calls](const Var& x) {
    const Var y = dropout(x, 0.5f);
    check(++calls == 1, "computed again");
    return y;
  };
  const auto mask = [] {
    const Training training;
    return dropout(Tensor::full({64}, 1), 0.5f).value();
  };
  manual_seed(5);
  mask(), mask();
  const Tensor third = mask();

  manual_seed(5);
  Var loss;
  {
    const Training training;
    loss = sum(recompute(throws_later, variable(Tensor::full({8}, 1))));
  }
  mask();
  CHECK(message_of<Error>([&] { backward(loss); }) == "computed again");
  CHECK(calls == 2);
  CHECK(same_bits(mask(), third));
  CHECK_FALSE(is_training());
  CHECK(grad_enabled());
}

TEST_CASE("recompute keeps its input and its result, nothing in between") {
  const Var x = variable(op_test::make(in({64, 1024}), 1));
  const auto deep = [](const Var& in) {
    Var y = in;
    for (int i = 0; i < 8; ++i) y = tanh(y);
    return y;
  };
  const std::size_t before = Pool::instance().stats().in_use;
  {
    const Var y = recompute(deep, x);
    CHECK(Pool::instance().stats().in_use - before < 2 * 64 * 1024 * sizeof(float));
    CHECK(Tape::local().size() == 1);
  }
  {
    const Var y = deep(x);
    CHECK(Pool::instance().stats().in_use - before >= 8 * 64 * 1024 * sizeof(float));
  }
}

TEST_CASE("a recompute that is not recorded is the function") {
  const Tensor value = op_test::make(in({3, 4}), 1);
  int calls = 0;
  const auto counted = [&calls](const Var& x) {
    ++calls;
    return exp(x);
  };
  {
    const NoGrad off;
    CHECK(same_bits(recompute(counted, variable(value.clone())).value(), exp(Var(value)).value()));
  }
  CHECK(calls == 1);
  CHECK(!recompute(counted, Var(value)).requires_grad());
  CHECK(calls == 2);
}
