// A gradient in ten lines: d/dw of the mean of (x·w - y)², checked against the formula.
#include <cstdio>
#include <minivit/vit.hpp>

using namespace minivit;

int main() {
  const Tensor x = Tensor::from({3, 2}, {1, 2, 3, 4, 5, 6});  // three samples of two numbers
  const Tensor y = Tensor::from({3, 1}, {1, 2, 3});
  const Var w = variable(Tensor::from({2, 1}, {0.5f, -0.5f}));  // what we want the gradient of

  const Var error = matmul(x, w) - y;  // operations record themselves …
  const Var loss = mean(square(error));
  backward(loss);  // … and are run backwards

  std::printf("loss %.4f, gradient (%.4f, %.4f)\n", loss.item(), w.grad()(0, 0), w.grad()(1, 0));

  // By hand: dL/dw = 2/3 xᵀ (x w - y).
  const Tensor expected = (matmul(x, error.detach(), true) * (2.0f / 3.0f)).value();
  std::printf("by hand          (%.4f, %.4f)\n", expected(0, 0), expected(1, 0));
}
