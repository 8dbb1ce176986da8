// The driver behind op_case.hpp, and its own tests with operations that are wrong.
#include "ops/op_case.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <regex>
#include <set>

#include "minivit/autograd/gradcheck.hpp"
#include "minivit/autograd/tape.hpp"
#include "minivit/core/parallel.hpp"
#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/defined.hpp"
#include "minivit/ops/unary.hpp"

using namespace minivit;
using op_test::Op;
using op_test::OpCase;
using reference::Array;

namespace {

/// Weight of each element of the result in what is differentiated: uneven, so that errors cannot cancel.
Tensor weights(const Shape& shape) {
  Tensor w = Tensor::empty(shape);
  Rng rng(99);
  for (float& v : w.values()) v = rng.uniform(0.5f, 1.5f) * (rng.below(2) ? 1.0f : -1.0f);
  return w;
}

/// The next tensors of this shape start with NaN in them: what is not written shows.
void poison(const Shape& shape) {
  std::vector<Tensor> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(Tensor::full(shape, std::numeric_limits<float>::quiet_NaN()));
}

struct Run {
  Tensor y;
  std::vector<Tensor> gradients;
};

/// `times` passes forward and backward. `wanted` is the only input that gets a gradient, -1: all do.
/// `retain`: each recording is run backwards twice.
Run run(const Op& f, const std::vector<Tensor>& inputs, int times = 1, int wanted = -1, bool retain = false) {
  std::vector<Var> x;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const bool leaf = wanted < 0 || wanted == static_cast<int>(k);
    x.push_back(leaf ? variable(inputs[k]) : Var(inputs[k]));
  }
  Run result;
  for (int i = 0; i < times; ++i) {
    for (const Tensor& input : inputs) poison(input.shape());
    const Var y = f(x);
    poison(y.shape());
    for (const Tensor& input : inputs) poison(input.shape());
    result.y = y.value().clone();
    if (retain) backward(y, weights(y.shape()), Retain{});
    if (y.requires_grad()) backward(y, weights(y.shape()));
  }
  for (const Var& leaf : x) result.gradients.push_back(leaf.requires_grad() ? leaf.grad() : Tensor());
  return result;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         (a.numel() == 0 ||
          std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.numel()) * sizeof(float)) == 0);
}

double largest(const std::vector<double>& values) {
  double m = 0;
  for (const double v : values)
    if (std::isfinite(v)) m = std::max(m, std::fabs(v));
  return m;
}

bool near(double found, double expected, double tolerance) {
  if (std::isnan(expected) || std::isinf(expected))
    return std::isnan(expected) ? std::isnan(found) : found == expected;
  return std::fabs(found - expected) <= tolerance;  // false for NaN
}

/// Σ weight · y of the reference at these points.
double objective(const OpCase& c, const std::vector<Array>& points, const Array& w) {
  const Array y = c.reference(points);
  double total = 0;
  for (std::size_t i = 0; i < y.values.size(); ++i) total += w.values[i] * y.values[i];
  return total;
}

class Driver {
 public:
  explicit Driver(const OpCase& c) : c_(c) {
    std::uint64_t seed = 1;
    for (const op_test::Input& input : c.inputs) {
      inputs_.push_back(op_test::make(input, seed++));
      points_.push_back(op_test::to_reference(inputs_.back()));
    }
  }

  std::vector<std::string> problems() {
    std::vector<Tensor> before;
    for (const Tensor& x : inputs_) before.push_back(x.clone());
    plain_ = run(c_.op, inputs_);
    if (forward()) {
      gradients();
      accumulation();
      one_gradient();
      one_variable_twice();
      empty_arguments();
      threads();
      no_grad();
      differences_of_floats();
    }
    for (std::size_t k = 0; k < inputs_.size(); ++k)
      if (!same_bits(inputs_[k], before[k])) complain("input ", k, " has been changed");
    if (Tape::local().size() != 0) complain("the tape is not empty at the end");
    return std::move(problems_);
  }

 private:
  template <class... Parts>
  void complain(const Parts&... parts) {
    problems_.push_back(str_cat(c_.name, ": ", parts...));
  }

  bool forward() {
    const Array expected = c_.reference(points_);
    if (!(plain_.y.shape() == Shape(std::span<const std::int64_t>(expected.shape)))) {
      complain("shape is ", plain_.y.shape(), ", expected ",
               Shape(std::span<const std::int64_t>(expected.shape)));
      return false;
    }
    const double tolerance = c_.forward * largest(expected.values);
    for (std::int64_t i = 0; i < plain_.y.numel(); ++i)
      if (!near(plain_.y.data()[i], expected[i], tolerance)) {
        complain("element ", i, " is ", plain_.y.data()[i], ", expected ", expected[i]);
        break;
      }
    return true;
  }

  /// Against central differences of the reference: of every element of a small input; of some of a large one,
  /// which also is checked as a whole, by the derivative along a few directions.
  void gradients() {
    constexpr double h = 1e-5;
    const Array w = op_test::to_reference(weights(plain_.y.shape()));
    const auto difference = [&](std::size_t k, const std::function<double(std::int64_t)>& direction) {
      const Array before = points_[k];
      const auto at = [&](double step) {
        for (std::size_t i = 0; i < before.values.size(); ++i)
          points_[k].values[i] = before.values[i] + step * direction(static_cast<std::int64_t>(i));
        return objective(c_, points_, w);
      };
      const double slope = (at(h) - at(-h)) / (2 * h);
      points_[k] = before;
      return slope;
    };
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      const Tensor& found = plain_.gradients[k];
      const std::int64_t n = found.numel();
      std::vector<std::int64_t> elements;
      for (std::int64_t i = 0; i < n; ++i)
        if (n <= 128 || i == n - 1 || i % (n / 12) == 0) elements.push_back(i);
      std::vector<double> expected;
      for (const std::int64_t e : elements)
        expected.push_back(difference(k, [&](std::int64_t i) { return i == e ? 1.0 : 0.0; }));
      const double scale = std::max(largest(expected), 1e-2);
      for (std::size_t i = 0; i < elements.size(); ++i)
        if (const double g = found.data()[elements[i]]; !near(g, expected[i], c_.gradient * scale)) {
          complain("gradient of element ", elements[i], " of input ", k, " is ", g, ", expected ",
                   expected[i]);
          break;
        }
      if (n <= 128) continue;
      for (std::uint64_t d = 0; d < 3; ++d) {
        std::vector<double> direction(static_cast<std::size_t>(n));
        Rng rng(17, d);
        double slope = 0, squares = 0;
        for (std::int64_t i = 0; i < n; ++i) {
          const double along = rng.below(2) ? 1.0 : -1.0, g = found.data()[i];
          direction[static_cast<std::size_t>(i)] = along;
          slope += along * g;
          squares += g * g;
        }
        const double wanted =
            difference(k, [&](std::int64_t i) { return direction[static_cast<std::size_t>(i)]; });
        if (!near(slope, wanted, c_.gradient * std::max(std::sqrt(squares), 1e-2)))
          complain("derivative along direction ", d, " of input ", k, " is ", slope, ", expected ", wanted);
      }
    }
  }

  /// The gradients of `other` are `factor` times the plain ones, up to the order in which sums are taken.
  void expect_gradients(const std::string& what, const Run& other, float factor) {
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      const std::vector<double> g = op_test::to_reference(plain_.gradients[k]).values;
      const double tolerance = 1e-5 * factor * std::max(largest(g), 1e-2);
      for (std::size_t i = 0; i < g.size(); ++i)
        if (!near(other.gradients[k].values()[i], factor * g[i], tolerance)) {
          complain(what, ": gradient of element ", i, " of input ", k, " is ", other.gradients[k].values()[i],
                   ", expected ", factor * g[i]);
          break;
        }
    }
  }

  void accumulation() {
    const Op& f = c_.op;
    const auto results = [](const std::vector<Var>& x) {  // no longer leaves, whose gradients start at 0
      std::vector<Var> out;
      for (const Var& v : x) out.push_back(v * 1.0f);
      return out;
    };
    const auto twice = [&](const std::vector<Var>& x) { return add(f(x), f(x)); };
    expect_gradients("f(x) + f(x)", run(twice, inputs_), 2);
    expect_gradients("backward twice", run(f, inputs_, 2), 2);
    expect_gradients("backward, retained, then again", run(f, inputs_, 1, -1, true), 2);
    expect_gradients("f of results", run([&](const std::vector<Var>& x) { return f(results(x)); }, inputs_),
                     1);
    expect_gradients("f(u) + f(u) of results",
                     run([&](const std::vector<Var>& x) { return twice(results(x)); }, inputs_), 2);
    // The result is used by others too: its gradient is shared, and must not be written into.
    const auto shared = [&](const std::vector<Var>& x) {
      const std::vector<Var> u = results(x);
      const Var y = f(u);
      return add(add(y, y), y);
    };
    expect_gradients("f(u) used three times", run(shared, inputs_), 3);
  }

  void one_gradient() {
    if (inputs_.size() == 1) return;
    for (std::size_t k = 0; k < inputs_.size(); ++k)
      if (!same_bits(run(c_.op, inputs_, 1, static_cast<int>(k)).gradients[k], plain_.gradients[k]))
        complain("the gradient of input ", k, " depends on others being wanted");
  }

  /// One variable in place of two inputs, for every pair of the same shape: a leaf, and a result.
  void one_variable_twice() {
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      for (std::size_t j = i + 1; j < inputs_.size(); ++j) {
        if (!(inputs_[i].shape() == inputs_[j].shape())) continue;
        std::vector<Tensor> values = inputs_;
        values[i] = values[j];
        const Run separate = run(c_.op, values);
        for (const bool leaf : {true, false}) {
          const Run together = run(
              [&](std::vector<Var> x) {
                if (!leaf) x[j] = x[j] * 1.0f;
                x[i] = x[j];
                return c_.op(x);
              },
              values);
          const Tensor &a = separate.gradients[i], &b = separate.gradients[j], &found = together.gradients[j];
          double scale = 1e-2;
          for (std::int64_t e = 0; e < a.numel(); ++e)
            for (const float g : {a.data()[e], b.data()[e]})
              if (std::isfinite(g)) scale = std::max(scale, std::fabs(double{g}));
          for (std::int64_t e = 0; e < a.numel(); ++e)
            if (const double sum = double{a.data()[e]} + b.data()[e];
                !near(found.data()[e], sum, 1e-5 * scale)) {
              complain("one ", leaf ? "leaf" : "result", " as inputs ", i, " and ", j,
                       ": gradient of element ", e, " is ", found.data()[e], ", expected ", sum);
              break;
            }
        }
      }
  }

  /// "op: argument is empty, expected a tensor", with a name of its own for each argument.
  void empty_arguments() {
    static const std::regex kExpected("[a-z_0-9]+: [a-z_]+(\\[[0-9]+\\])? is empty, expected a tensor");
    std::set<std::string> messages;
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      std::vector<Var> x(inputs_.begin(), inputs_.end());
      x[k] = Var();
      const bool optional = std::find(c_.optional.begin(), c_.optional.end(), k) != c_.optional.end();
      try {
        c_.op(x);
        if (!optional) complain("input ", k, " may be empty, expected an error");
      } catch (const ShapeError& e) {
        const std::string message = e.what();
        if (optional) {  // without it something else may not fit
          if (message.find("is empty") != std::string::npos)
            complain("input ", k, " may not be empty: ", message);
        } else if (!std::regex_match(message, kExpected)) {
          complain("input ", k, " empty: the error says \"", message, "\"");
        } else if (!messages.insert(message).second) {
          complain("input ", k, " empty: the error names another input: \"", e.what(), "\"");
        }
      }
    }
  }

  void threads() {
    const int before = num_threads();
    set_num_threads(1);
    const Run one = run(c_.op, inputs_);
    for (const int n : {2, 3}) {
      set_num_threads(n);
      const Run more = run(c_.op, inputs_);
      if (!same_bits(one.y, more.y)) complain("values differ between 1 and ", n, " threads");
      for (std::size_t k = 0; k < inputs_.size(); ++k)
        if (!same_bits(one.gradients[k], more.gradients[k]))
          complain("gradients of input ", k, " differ between 1 and ", n, " threads");
    }
    set_num_threads(before);
  }

  void no_grad() {
    const NoGrad scope;
    std::vector<Var> x;
    for (const Tensor& input : inputs_) x.push_back(variable(input));
    const Var y = c_.op(x);
    if (!same_bits(y.value(), plain_.y)) complain("values differ under NoGrad");
    // The result may be an input itself, a leaf.
    const bool input = std::any_of(x.begin(), x.end(), [&](const Var& v) { return v.data() == y.data(); });
    if ((y.requires_grad() && !input) || Tape::local().size() != 0)
      complain("something is recorded under NoGrad");
  }

  /// The library's own check, where it does not take long.
  void differences_of_floats() {
    std::int64_t work = plain_.y.numel() + 16;
    std::int64_t elements = 0;
    for (const Tensor& x : inputs_) elements += x.numel();
    if (work * elements > 50'000 || !std::isfinite(c_.gradient)) return;
    const GradcheckResult result = gradcheck(c_.op, inputs_);
    if (!result.ok) complain(result.message);
  }

  const OpCase& c_;
  std::vector<Tensor> inputs_;
  std::vector<Array> points_;
  Run plain_;
  std::vector<std::string> problems_;
};

}  // namespace

namespace op_test {
std::vector<std::string> problems(const OpCase& c) { return Driver(c).problems(); }

void check_op(const OpCase& c) {
  for (const std::string& problem : problems(c)) FAIL_CHECK(problem);
  CHECK(Tape::local().size() == 0);
}

Tensor make(const Input& input, std::uint64_t seed) {
  Tensor x = Tensor::empty(input.shape);
  Rng rng(seed, 5);
  if (!input.spread) {
    for (float& v : x.values()) v = rng.uniform(input.low, input.high);
    return x;
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(x.numel()));
  std::iota(order.begin(), order.end(), -x.numel() / 2);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[rng.below(static_cast<std::uint32_t>(i))]);
  for (std::size_t i = 0; i < order.size(); ++i) x.values()[i] = 0.1f * (static_cast<float>(order[i]) + 0.5f);
  return x;
}

Array to_reference(const Tensor& x) {
  Array y(reference::Extents(x.shape().begin(), x.shape().end()));
  for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] = x.values()[i];
  return y;
}

}  // namespace op_test

namespace {

/// y = x², with what a test wants to go wrong.
struct WrongSquare {
  float value_factor = 1, derivative_factor = 1;
  bool overwrites = false, ignores_no_grad = false, spoils_input = false;

  Var operator()(const std::vector<Var>& inputs) const {
    const Var& x = inputs[0];
    detail::check_defined("square", "x", x);
    Tensor y = Tensor::empty(x.shape());
    for (std::int64_t i = 0; i < x.numel(); ++i) y.data()[i] = value_factor * x.data()[i] * x.data()[i];
    if (spoils_input) Tensor(x.value()).data()[0] = 0;
    if (ignores_no_grad && !grad_enabled()) y.data()[0] += 1;
    return Tape::local().record(std::move(y), {&x}, [x, *this](Tape& tape, const Tensor& dy) {
      const Sink dx = tape.sink(x);
      for (std::int64_t i = 0; i < x.numel(); ++i) {
        const float g = derivative_factor * 2 * x.data()[i] * dy.data()[i];
        dx.data[i] = dx.add && !overwrites ? dx.data[i] + g : g;
      }
    });
  }
};

/// y = a + b, taking both sinks before it fills one, without a look at what it gets.
Var careless_sum(const std::vector<Var>& inputs) {
  const Var &a = inputs[0], &b = inputs[1];
  Tensor y = Tensor::empty(a.shape());
  for (std::int64_t i = 0; i < a.numel() && b.value().defined(); ++i) y.data()[i] = a.data()[i] + b.data()[i];
  return Tape::local().record(std::move(y), {&a, &b}, [a, b](Tape& tape, const Tensor& dy) {
    const Sink da = tape.sink(a), db = tape.sink(b);
    for (std::int64_t i = 0; i < dy.numel(); ++i)
      for (const Sink& d : {db, da})
        if (d) d.data[i] = d.add ? d.data[i] + dy.data()[i] : dy.data()[i];
  });
}

std::string problems_of(const WrongSquare& op) {
  const OpCase c{"square", {op_test::in({5}, 0.5f, 1)}, op, [](const std::vector<Array>& x) {
                   return each(x[0], [](double v) { return v * v; });
                 }};
  std::string all;
  for (const std::string& problem : op_test::problems(c)) all += problem + "\n";
  return all;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the driver finds nothing wrong with a right operation") { CHECK(problems_of({}) == ""); }

TEST_CASE("the driver finds a wrong value") {
  CHECK(contains(problems_of({.value_factor = 1.001f}), "square: element 0 is"));
}

TEST_CASE("the driver finds a wrong gradient") {
  const std::string found = problems_of({.derivative_factor = 1.02f});
  CHECK(contains(found, "square: gradient of element 0 of input 0 is"));
  CHECK(contains(found, "square: gradcheck: element"));
}

TEST_CASE("the driver finds a gradient that overwrites") {
  const std::string found = problems_of({.overwrites = true});
  CHECK(contains(found, "f(x) + f(x): gradient"));
  CHECK(contains(found, "backward twice: gradient"));
  CHECK(contains(found, "f(u) + f(u) of results: gradient"));
  CHECK_FALSE(contains(found, "f of results: gradient"));
}

TEST_CASE("the driver finds an operation that takes two sinks before it fills one") {
  const OpCase c{"sum", {op_test::in({5}), op_test::in({5})}, careless_sum, [](const std::vector<Array>& x) {
                   Array y = x[0];
                   for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] += x[1].values[i];
                   return y;
                 }};
  std::string all;
  for (const std::string& problem : op_test::problems(c)) all += problem + "\n";
  CHECK(contains(all, "sum: one result as inputs 0 and 1: gradient of element 0 is"));
  CHECK_FALSE(contains(all, "one leaf"));
  CHECK(contains(all, "sum: input 1 may be empty, expected an error"));
}

TEST_CASE("the driver finds an error that does not say what is empty") {
  const Op op = [](const std::vector<Var>& x) {
    check<ShapeError>(x[0].value().defined(), "wrong input");
    return x[0] * 1.0f;
  };
  const OpCase c{"copy", {op_test::in({5})}, op, [](const std::vector<Array>& x) { return x[0]; }};
  CHECK(op_test::problems(c) ==
        std::vector<std::string>{"copy: input 0 empty: the error says \"wrong input\""});
}

TEST_CASE("the driver finds other values under NoGrad") {
  CHECK(contains(problems_of({.ignores_no_grad = true}), "square: values differ under NoGrad\n"));
}

TEST_CASE("the driver finds a changed input") {
  CHECK(contains(problems_of({.spoils_input = true}), "input 0 has been changed"));
}
