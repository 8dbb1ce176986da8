// An operation of one's own: its value, its gradient, and the check that both belong together:   custom_op
// It needs no change in the library, and works in models as the built-in ones do. (docs/adding-an-op.md goes
// on to vectors and threads.)
#include <cmath>
#include <cstdio>
#include <minivit/vit.hpp>

using namespace minivit;

/// y = ln(1 + eˣ), any shape: a smooth form of max(x, 0).
Var softplus(const Var& x) {
  Tensor y = Tensor::empty(x.shape());
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const float v = x.data()[i];
    y.data()[i] = std::max(v, 0.0f) + std::log1p(std::exp(-std::fabs(v)));  // never overflows
  }
  // The second part runs in the backward pass: given dy, the gradient of the result, it writes dx. dy/dx = 1
  // / (1 + e⁻ˣ).
  return Tape::local().record(std::move(y), {&x}, [x](Tape& tape, const Tensor& dy) {
    const Sink dx = tape.sink(x);
    if (!dx) return;  // nobody wants the gradient of x
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const float slope = 1.0f / (1.0f + std::exp(-x.data()[i]));
      dx.data[i] =
          (dx.add ? dx.data[i] : 0.0f) + slope * dy.data()[i];  // another operation may have written first
    }
  });
}

/// A layer that uses it, with two matrices as any other.
struct SoftMlp {
  Linear in{8, 16}, out{16, 1};
  Var operator()(const Var& x) const { return out(softplus(in(x))); }
  static void visit(auto& self, auto&& f) {
    f("in", self.in);
    f("out", self.out);
  }
};

int main() {
  // Compared with differences of values: always the first test of an operation.
  const auto result = gradcheck([](const std::vector<Var>& in) { return softplus(in[0]); },
                                {Tensor::from({2, 3}, {-20, -1, -0.1f, 0.3f, 2, 30})});
  std::printf("%s\n", result.ok ? "the gradient is right" : result.message.c_str());

  // Trained to add up its eight inputs.
  manual_seed(0);
  SoftMlp model;
  ParameterArena parameters = flatten(model);
  AdamW optimizer(parameters, {});
  Rng rng(1);
  double error = 0;
  for (int step = 0; step < 500; ++step) {
    Tensor x = Tensor::empty({32, 8}), sum = Tensor::zeros({32, 1});
    for (std::int64_t i = 0; i < x.numel(); ++i) sum.data()[i / 8] += x.data()[i] = rng.normal();
    const Var loss = mean(square(model(x) - sum));
    error = loss.item();
    backward(loss);
    optimizer.step(1e-2f);
    parameters.zero_grad();
  }
  std::printf("squared error after 500 steps: %.4f\n", error);
  return result.ok && error < 0.1 ? 0 : 1;
}
