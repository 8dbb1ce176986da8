// Comparison with PyTorch: outputs, and gradients of the inputs given those of the outputs.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "minivit/autograd/tape.hpp"
#include "minivit/io/safetensors.hpp"
#include "minivit/ops/attention.hpp"
#include "minivit/ops/gelu.hpp"
#include "minivit/ops/layer_norm.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/ops/softmax.hpp"

using namespace minivit;

namespace {

const io::SafetensorsFile& fixtures() {
  static const io::SafetensorsFile file(MINIVIT_TEST_DATA "/ops.fixtures.safetensors");
  return file;
}

Tensor fixture(const std::string& name) { return fixtures().tensor(name); }

/// Within 1e-5 of the largest element, or of 1.
void expect(const std::string& name, const Tensor& found) {
  CAPTURE(name);
  const Tensor expected = fixture(name);
  REQUIRE(found.numel() == expected.numel());
  float largest = 1, worst = 0;
  for (const float v : expected.values()) largest = std::max(largest, std::fabs(v));
  for (std::int64_t i = 0; i < expected.numel(); ++i) {
    const float error = std::fabs(found.data()[i] - expected.data()[i]);
    if (!(error <= worst)) worst = error;
  }
  CHECK(worst <= 1e-5f * largest);
}

Var leaf(const std::string& name) { return variable(fixture(name)); }

/// Checks y and goes backward from it.
void check_output(const std::string& op, const Var& y) {
  expect(op + ".y", y.value());
  backward(y, fixture(op + ".dy").reshape(y.shape()));
}

}  // namespace

TEST_CASE("layer_norm") {
  const Var x = leaf("layer_norm.x"), gamma = leaf("layer_norm.gamma"), beta = leaf("layer_norm.beta");
  check_output("layer_norm", layer_norm(x, gamma, beta));
  expect("layer_norm.dx", x.grad());
  expect("layer_norm.dgamma", gamma.grad());
  expect("layer_norm.dbeta", beta.grad());
}

TEST_CASE("softmax, gelu, gelu_tanh") {
  const std::pair<const char*, Var (*)(const Var&)> kOperations[] = {
      {"softmax", [](const Var& x) { return softmax(x); }}, {"gelu", gelu}, {"gelu_tanh", gelu_tanh}};
  for (const auto& [name, op] : kOperations) {
    const Var x = leaf(str_cat(name, ".x"));
    check_output(name, op(x));
    expect(str_cat(name, ".dx"), x.grad());
  }
}

TEST_CASE("attention") {
  const Var qkv = leaf("attention.qkv");
  check_output("attention", attention(qkv, 3));
  expect("attention.dqkv", qkv.grad());
}

TEST_CASE("cross_entropy") {
  const Var logits = leaf("cross_entropy.logits");
  std::vector<int> labels;
  for (const std::int64_t label : fixtures().integers("cross_entropy.labels"))
    labels.push_back(static_cast<int>(label));
  check_output("cross_entropy", cross_entropy(logits, labels, {.label_smoothing = 0.1f}));
  expect("cross_entropy.dlogits", logits.grad());
}
