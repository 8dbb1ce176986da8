// A program that uses the library from outside: the sum of a tensor of 2 x 3 sevens.
#include <minivit/vit.hpp>

#include <cstdio>
#include <numeric>

int main() {
  minivit::Tensor x = minivit::Tensor::full({2, 3}, 7.0f);
  const auto values = x.values();
  const float sum = std::accumulate(values.begin(), values.end(), 0.0f);
  std::printf("minivit %s: %s sums to %g\n", minivit::kVersion, x.shape().str().c_str(),
              static_cast<double>(sum));
}
