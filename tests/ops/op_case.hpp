// One test for all differentiable operations: a case says what an operation computes, `problems` finds what
// is wrong.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "minivit/autograd/var.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/kernels/simd.hpp"
#include "support/reference.hpp"

namespace op_test {

/// Shape and values of an input.
struct Input {
  minivit::Shape shape;
  float low = -1, high = 1;  ///< uniform in between,
  bool spread = false;       ///< or 0.1 apart from each other and at least 0.05 from 0, in random order
};

inline Input in(const minivit::Shape& shape, float low = -1, float high = 1) {
  return {shape, low, high, false};
}
inline Input spread(const minivit::Shape& shape) { return {shape, 0, 0, true}; }

using Op = std::function<minivit::Var(const std::vector<minivit::Var>&)>;
using Reference = std::function<reference::Array(const std::vector<reference::Array>&)>;

/// An operation on these inputs, and the same in double precision. Tolerances are relative to the largest
/// element. `optional` numbers the inputs that are documented to mean "none" when they are empty.
struct OpCase {
  std::string name;
  std::vector<Input> inputs;
  Op op;
  Reference reference;
  double forward = 1e-5, gradient = 1e-4;
  std::vector<std::size_t> optional{};
};

/// What the driver finds wrong, one line each; empty if nothing is:
///   - values differ from the reference; gradients differ from differences of the reference, or `gradcheck`
///   complains;
///   - using an input twice, or going backward twice, from new recordings or one that was retained, does not
///   double the gradient, for leaves and for results;
///   - one variable in place of two inputs of the same shape does not get the sum of their gradients;
///   - an empty tensor in place of an input is not refused by an error that names operation and argument;
///   - gradients depend on whether other inputs want one; inputs are changed;
///   - 1, 2 and 3 threads do not give the same bits; without recording the values are others or something is
///   recorded.
std::vector<std::string> problems(const OpCase& c);

/// Reports each problem as a failed check.
void check_op(const OpCase& c);

/// The input as the driver fills it.
minivit::Tensor make(const Input& input, std::uint64_t seed = 1);

/// The same numbers in double precision.
reference::Array to_reference(const minivit::Tensor& x);

/// Extents at which loops over vectors begin, end and have rests.
inline std::vector<std::int64_t> odd_sizes() {
  using minivit::kernels::kLanes;
  return {0, 1, 2, 3, 5, 7, 13, 31, kLanes - 1, kLanes, kLanes + 1, 2 * kLanes + 1};
}

/// A number that is neither small nor divisible by anything: several chunks for every loop over elements.
inline constexpr std::int64_t kMany = 3 * 16384 + 5;

}  // namespace op_test
