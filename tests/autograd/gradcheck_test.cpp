#include "minivit/autograd/gradcheck.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <limits>

using namespace minivit;

namespace {

using Function = std::function<Var(const std::vector<Var>&)>;

/// y = a² b, with the gradient of b multiplied by `factor`.
Function square_times(float factor) {
  return [factor](const std::vector<Var>& x) {
    const Var &a = x[0], &b = x[1];
    Tensor y = Tensor::empty(a.shape());
    for (std::int64_t i = 0; i < y.numel(); ++i) y.data()[i] = a.data()[i] * a.data()[i] * b.data()[i];
    return Tape::local().record(std::move(y), {&a, &b}, [a, b, factor](Tape& tape, const Tensor& dy) {
      if (const Sink da = tape.sink(a))
        for (std::int64_t i = 0; i < dy.numel(); ++i)
          da.data[i] += 2 * a.data()[i] * b.data()[i] * dy.data()[i];
      if (const Sink db = tape.sink(b))
        for (std::int64_t i = 0; i < dy.numel(); ++i)
          db.data[i] += factor * a.data()[i] * a.data()[i] * dy.data()[i];
    });
  };
}

}  // namespace

TEST_CASE("gradcheck accepts a right gradient, and leaves inputs as they are") {
  const Tensor a = Tensor::from({3}, {1, -2, 0.5f}), b = Tensor::from({3}, {3, 1, -1});
  const GradcheckResult result = gradcheck(square_times(1), {a, b});
  CHECK(result.ok);
  CHECK(result.worst < 1);
  CHECK(a(1) == -2);
  CHECK(b(2) == -1);
  CHECK(Tape::local().size() == 0);
  CHECK(grad_enabled());
}

TEST_CASE("gradcheck finds a wrong gradient and says where") {
  const Tensor a = Tensor::from({3}, {1, -2, 0.5f}), b = Tensor::from({3}, {3, 1, -1});
  for (const float factor : {1.05f, 0.9f, 0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    CAPTURE(factor);
    const GradcheckResult result = gradcheck(square_times(factor), {a, b});
    CHECK_FALSE(result.ok);
    CHECK(result.message.find(" of input 1 (3): gradient is ") != std::string::npos);
  }
}
