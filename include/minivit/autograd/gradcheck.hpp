// Compares the gradient of a function with differences of its values.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "minivit/autograd/tape.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Result of `gradcheck`.
struct GradcheckResult {
  bool ok = true;
  double worst = 0;     ///< largest |difference| / (absolute + relative · |expected|); up to 1 is fine
  std::string message;  ///< which element of which input, what was found and expected
};

/// Tolerances of `gradcheck`. Values are float32, so the step is large and the rule is of fourth order:
/// f'(x) ≈ (f(x-2h) - 8 f(x-h) + 8 f(x+h) - f(x+2h)) / 12h, with an error of h⁴/30 f⁽⁵⁾.
struct GradcheckOptions {
  float step = 1e-2f;
  double absolute = 2e-3, relative = 1e-2;
};

/// Checks the gradient of `f(inputs)`, any shape, with respect to every element of every input. `f` takes
/// `std::vector<Var>` and returns a Var; it must be deterministic and smooth around the inputs. The result's
/// elements are weighted unevenly, so that errors cannot cancel.
template <class F>
GradcheckResult gradcheck(const F& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {}) {
  const auto weight = [](std::int64_t i) {
    return 0.5f + 0.37f * static_cast<float>(i % 7) - 0.11f * static_cast<float>(i % 3);
  };
  std::vector<Tensor> points;
  std::vector<Var> leaves;
  for (const Tensor& x : inputs) {
    points.push_back(x.clone());
    leaves.push_back(variable(points.back()));
  }
  {
    const Var y = f(leaves);
    Tensor seed = Tensor::empty(y.shape());
    for (std::int64_t i = 0; i < y.numel(); ++i) seed.data()[i] = weight(i);
    backward(y, seed);
  }
  const NoGrad values_only;
  const auto value = [&] {
    const Var y = f(std::vector<Var>(points.begin(), points.end()));
    double total = 0;
    for (std::int64_t i = 0; i < y.numel(); ++i) total += double{weight(i)} * y.data()[i];
    return total;
  };
  GradcheckResult result;
  for (std::size_t k = 0; k < points.size(); ++k) {
    for (std::int64_t i = 0; i < points[k].numel(); ++i) {
      float& x = points[k].data()[i];
      const float before = x;
      const auto at = [&](float offset) {
        x = before + offset;
        const double v = value();
        x = before;
        return v;
      };
      const float h = options.step;
      const double expected = (at(-2 * h) - 8 * at(-h) + 8 * at(h) - at(2 * h)) / (12.0 * h);
      const double found = leaves[k].grad().data()[i];
      const double error =
          std::fabs(found - expected) / (options.absolute + options.relative * std::fabs(expected));
      if (!(error <= result.worst)) {  // also for NaN
        result.worst = error;
        result.message = str_cat("gradcheck: element ", i, " of input ", k, " ", inputs[k].shape(),
                                 ": gradient is ", found, ", differences say ", expected);
      }
    }
  }
  result.ok = result.worst <= 1.0;
  return result;
}

}  // namespace minivit::inline MINIVIT_ABI
