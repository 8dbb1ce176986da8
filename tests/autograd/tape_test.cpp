#include "minivit/autograd/tape.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <thread>
#include <vector>

#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/rearrange.hpp"
#include "minivit/ops/reductions.hpp"
#include "minivit/ops/unary.hpp"
#include "support/message_of.hpp"

using namespace minivit;

namespace {

const std::string kUsed =
    "the recording that this variable was computed by has been used by an earlier backward(). For several "
    "losses of "
    "one forward pass call backward(loss, Retain{}) for all but the last, or backward of their sum; "
    "otherwise "
    "compute the variable again, or use detach() to go on with its value alone";

Var leaf(std::initializer_list<float> values) {
  return variable(Tensor::from({static_cast<std::int64_t>(values.size())}, values));
}

void expect(const Var& x, std::initializer_list<float> gradient) {
  REQUIRE(x.numel() == static_cast<std::int64_t>(gradient.size()));
  std::int64_t i = 0;
  for (const float g : gradient) CHECK(x.grad().data()[i++] == doctest::Approx(g).epsilon(1e-5));
}

/// y = x, or an exception, forward or backward.
Var fragile(const Var& x, bool forward, bool backward) {
  Tensor y = x.value().clone();
  if (forward) throw std::runtime_error("forward");
  return Tape::local().record(std::move(y), {&x}, [x, backward](Tape& tape, const Tensor& dy) {
    if (backward) throw std::runtime_error("backward");
    tape.pass(x.edge(), dy);
  });
}

}  // namespace

TEST_CASE("a chain of a hundred residual connections") {
  const Var x = leaf({1, -2});
  Var y = x;
  for (int i = 0; i < 100; ++i) y = y + y * 0.01f;
  CHECK(Tape::local().size() == 200);
  backward(y, Tensor::from({2}, {1, 3}));
  const float g = static_cast<float>(std::pow(1.01, 100));
  expect(x, {g, 3 * g});
  CHECK(Tape::local().size() == 0);
}

TEST_CASE("a graph with 2^60 paths takes no longer than its nodes") {
  const Var x = leaf({1});
  Var y = x * 1.0f;
  for (int i = 0; i < 60; ++i) y = add(y, y);
  backward(y);
  expect(x, {0x1p60f});
}

TEST_CASE("diamonds") {
  const Var x = leaf({0.5f, 2});
  const Var a = square(x), b = a * 3.0f, c = a * b, d = c + b + a;  // 3 x⁴ + 4 x²
  backward(sum(d));
  expect(x, {12 * 0.125f + 4, 12 * 8 + 16});
}

TEST_CASE("a variable that is used many times") {
  const Var x = leaf({2});
  Var y = x * x;
  for (int i = 0; i < 50; ++i) y = y + x;
  backward(y * x);  // x³ + 50 x²
  expect(x, {12 + 200});
}

// `pass` lets several gradients share memory: whoever writes must not change those of the others.
TEST_CASE("shared gradients are copied before they are written into") {
  SUBCASE("both operands are the same result") {
    const Var x = leaf({1, 2}), u = x * 1.0f;
    backward(add(u, u), Tensor::from({2}, {3, 5}));
    expect(x, {6, 10});
  }
  SUBCASE("two results share, then one of them is written to") {
    const Var x = leaf({1, 2}), z = leaf({1, 2}), u = x * 1.0f, v = z * 1.0f;
    const Var direct = u * 10.0f;  // runs backward after the sum has passed its gradient to u and v
    const Var both = add(u, v);
    backward(add(direct, both), Tensor::from({2}, {1, 2}));
    expect(x, {11, 22});
    expect(z, {1, 2});
  }
  SUBCASE("the other is written to") {
    const Var x = leaf({1, 2}), z = leaf({1, 2}), u = x * 1.0f, v = z * 1.0f;
    const Var direct = v * 10.0f;
    const Var both = add(u, v);
    backward(add(direct, both), Tensor::from({2}, {1, 2}));
    expect(x, {1, 2});
    expect(z, {11, 22});
  }
  SUBCASE("written first, then passed to") {
    const Var x = leaf({1, 2}), z = leaf({1, 2}), u = x * 1.0f, v = z * 1.0f;
    const Var both = add(u, v);
    const Var direct = u * 10.0f;
    backward(add(both, direct), Tensor::from({2}, {1, 2}));
    expect(x, {11, 22});
    expect(z, {1, 2});
  }
  SUBCASE("a result used by two operations whose gradients are shared too") {
    const Var x = leaf({1, 2}), y = leaf({1, 2}), u = x * 1.0f, w = y * 1.0f;
    const Var a = add(u, w), b = add(u, a), c = add(a, b);  // 3 u + 2 w
    backward(c, Tensor::from({2}, {1, 10}));
    expect(x, {3, 30});
    expect(y, {2, 20});
  }
  SUBCASE("reshapes of a shared gradient") {
    const Var x = variable(Tensor::from({2, 2}, {1, 2, 3, 4}));
    const Var u = x * 1.0f;
    const Var flat = reshape(u, {4}), tall = reshape(u, {4, 1});
    const Var more = flat * 5.0f, back = reshape(tall, {4});
    backward(add(add(flat, more), add(back, flat)), Tensor::from({4}, {1, 2, 3, 4}));
    expect(x, {8, 16, 24, 32});
  }
  SUBCASE("the seed belongs to the caller") {
    const Tensor seed = Tensor::from({2}, {1, 2});
    const Var x = leaf({1, 2}), u = x * 1.0f, v = add(u, u);
    backward(add(v, reshape(u, {2})), seed);
    expect(x, {3, 6});
    CHECK(seed(0) == 1);
    CHECK(seed(1) == 2);
  }
}

TEST_CASE("gradients of leaves add up until they are cleared") {
  const Var x = leaf({3});
  for (int i = 1; i <= 3; ++i) {
    backward(square(x));
    expect(x, {6.0f * static_cast<float>(i)});
  }
  Tensor value = Tensor::scalar(2), grad = Tensor::scalar(100);
  backward(square(Var::leaf(value, grad)));
  CHECK(grad.item() == 104);
  backward(x);  // of itself it is 1
  expect(x, {19});
}

TEST_CASE("constants get no gradient and record nothing") {
  const Var a = Tensor::scalar(2), b = a * a;
  CHECK_FALSE(b.requires_grad());
  CHECK(Tape::local().size() == 0);
  CHECK(message_of<Error>([&] { backward(b); }) ==
        "backward: the loss does not depend on anything that requires a gradient; parameters have one after "
        "flatten(model) or require_grad(model), and nothing is recorded under NoGrad");
  const Var x = leaf({3}), y = x * x.detach();
  backward(y);
  expect(x, {3});
  CHECK(message_of<Error>([&] { y.grad(); }) ==
        "grad: only leaves (made by `variable` or from a parameter with a gradient) keep a gradient");
}

TEST_CASE("backward says what is wrong with the loss or its gradient") {
  const Var x = leaf({1, 2});
  CHECK(message_of<ShapeError>([&] { backward(x * 2.0f); }) ==
        "backward: the loss has shape (2), expected one element; sum() or mean() it, or pass the gradient of "
        "each element");
  CHECK(message_of<ShapeError>([&] {
          backward(x * 2.0f, Tensor::zeros({1, 2}));
        }) == "backward: the gradient of the loss has shape (1, 2), expected (2)");
  CHECK(message_of<ShapeError>([&] { Tape::local().pass(x.edge(), Tensor::zeros({3})); }) ==
        "pass: gradient has shape (3), expected (2)");
  CHECK(message_of<ShapeError>([] { (void)Var::leaf(Tensor::zeros({2}), Tensor::zeros({3})); }) ==
        "leaf: gradient has shape (3), expected (2)");
}

TEST_CASE("what was recorded is used up by backward") {
  const Var x = leaf({2}), y = square(x), z = y * 3.0f;
  backward(z);
  CHECK(message_of<Error>([&] { backward(z); }) == kUsed);
  CHECK(message_of<Error>([&] { return y * 2.0f; }) == kUsed);
  CHECK(message_of<Error>([&] { return add(x, y); }) == kUsed);
  CHECK(message_of<Error>([&] { return concat({x, y}, 0); }) == kUsed);
  CHECK(Tape::local().size() == 0);
  {
    const NoGrad scope;  // values may be used on
    CHECK((y * 2.0f).item() == 8);
  }
  CHECK((y.detach() * 2.0f).item() == 8);
  expect(x, {12});
}

TEST_CASE("several losses of one forward pass") {
  const Var x = leaf({2}), y = square(x), first = y * 3.0f, second = y * 5.0f;
  backward(first, Retain{});
  expect(x, {12});
  backward(first, Retain{});
  expect(x, {24});
  backward(second, Tensor::scalar(1).reshape({1}), Retain{});
  expect(x, {44});
  backward(second);
  expect(x, {64});
  CHECK(message_of<Error>([&] { backward(first); }) == kUsed);  // y is used up
}

TEST_CASE("a recording whose last result is gone is gone") {
  const Var x = variable(Tensor::full({1000}, 0.5f));
  const std::size_t before = Pool::instance().stats().in_use;
  for (int i = 0; i < 1000; ++i) {
    const Var y = sum(square(x) * 2.0f);
    CHECK(Tape::local().size() == 3);
  }
  CHECK(Tape::local().size() == 0);
  Var last;
  for (int i = 0; i < 1000; ++i) last = sum(square(x) * 2.0f);  // the next begins before the last one is gone
  CHECK(Tape::local().size() == 3);
  last = Var();
  CHECK(Tape::local().size() == 0);
  CHECK(Pool::instance().stats().in_use == before);
}

TEST_CASE("what the loss does not depend on stays recorded as long as it is used") {
  const Var x = leaf({2}), y = square(x), aside = y * 7.0f;
  backward(square(x) * 3.0f);
  expect(x, {12});
  backward(aside);
  expect(x, {40});
}

TEST_CASE("a recording of a million operations is freed without a deep stack") {
  const Var x = leaf({1});
  Var y = x;
  for (int i = 0; i < 1'000'000; ++i) y = y + x;
  y = Var();
  CHECK(Tape::local().size() == 0);
  y = x;
  for (int i = 0; i < 200'000; ++i) y = y + x;
  backward(y);
  expect(x, {200'001});
}

TEST_CASE("a recording may go from one thread to another") {
  float gradient = 0;
  // In a thread of its own, since `size` counts what a thread records and frees.
  std::jthread([&] {
    const Var x = leaf({2});
    Var y;
    std::jthread([&] { y = square(x); }).join();
    Var z = y * 3.0f;  // recorded after what it uses, although this thread has recorded less
    std::jthread([&] { z = z * y; }).join();
    backward(z);  // 3 x⁴
    gradient = x.grad().item();
    y = Var();
    std::jthread([&] { y = square(x); }).join();
    std::jthread([&] { y = Var(); }).join();  // freed by a third
  }).join();
  CHECK(gradient == 96);
}

TEST_CASE("a variable is a leaf under NoGrad, too; what is computed from it is not recorded") {
  Var x;
  {
    const NoGrad scope;
    x = leaf({3});
    CHECK(x.requires_grad());
    CHECK_FALSE(square(x).requires_grad());
  }
  backward(square(x));
  expect(x, {6});
}

TEST_CASE("an exception in the middle of the forward pass leaves the tape usable") {
  const Var x = leaf({2, 3}), y = square(x);
  CHECK_THROWS_AS(fragile(y, true, false), std::runtime_error);
  CHECK_THROWS_AS(add(y, Tensor::zeros({7, 3})), ShapeError);
  backward(sum(y * 2.0f));
  expect(x, {8, 12});
}

TEST_CASE("an exception in the backward pass clears the tape") {
  const Var x = leaf({2}), y = square(fragile(x * 1.0f, false, true));
  CHECK_THROWS_AS(backward(y), std::runtime_error);
  CHECK(Tape::local().size() == 0);
  CHECK(grad_enabled());
  CHECK(message_of<Error>([&] { backward(y); }) == kUsed);
  expect(x, {0});
  backward(square(x));
  expect(x, {4});
}

TEST_CASE("NoGrad and Training nest, and belong to their thread") {
  CHECK(grad_enabled());
  CHECK_FALSE(is_training());
  {
    const NoGrad outer;
    {
      const NoGrad inner;
      CHECK_FALSE(grad_enabled());
    }
    CHECK_FALSE(grad_enabled());
    const Training on;
    CHECK(is_training());
    {
      const Training off(false);
      CHECK_FALSE(is_training());
    }
    CHECK(is_training());
    bool grad = false, training = true;
    std::jthread([&] { grad = grad_enabled(), training = is_training(); }).join();
    CHECK(grad);
    CHECK_FALSE(training);
  }
  CHECK(grad_enabled());
  CHECK_FALSE(is_training());
  try {
    const NoGrad scope;
    const Training on;
    throw 1;
  } catch (int) {}
  CHECK(grad_enabled());
  CHECK_FALSE(is_training());
}

TEST_CASE("threads train independently at the same time") {
  std::vector<float> results(3);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < results.size(); ++t)
      threads.emplace_back([t, &results] {
        set_num_threads(1);
        // Gradient descent on (w - t)².
        Tensor w = Tensor::full({100}, 10), grad = Tensor::zeros({100});
        for (int step = 0; step < 200; ++step) {
          grad.fill(0);
          backward(sum(square(Var::leaf(w, grad) - static_cast<float>(t))));
          for (std::int64_t i = 0; i < 100; ++i) w.data()[i] -= 0.1f * grad.data()[i];
        }
        results[t] = w.data()[99];
      });
  }
  for (std::size_t t = 0; t < results.size(); ++t)
    CHECK(results[t] == doctest::Approx(static_cast<double>(t)).epsilon(1e-4));
}
