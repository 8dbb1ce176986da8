// Element-wise functions of one input: neg, exp, log, sqrt, square, tanh, sigmoid, relu, silu.
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI {

/// y = -x, any shape.
[[nodiscard]] Var neg(const Var& x);

/// y = e^x, any shape. Relative error ≤ 2e-7.
[[nodiscard]] Var exp(const Var& x);

/// y = ln(x), any shape; NaN below 0, -infinity at 0.
[[nodiscard]] Var log(const Var& x);

/// y = √x, any shape; NaN below 0. The gradient is infinite at 0.
[[nodiscard]] Var sqrt(const Var& x);

/// y = x², any shape.
[[nodiscard]] Var square(const Var& x);

/// y = tanh(x), any shape. Relative error ≤ 3e-7.
[[nodiscard]] Var tanh(const Var& x);

/// y = 1 / (1 + e^-x), any shape.
[[nodiscard]] Var sigmoid(const Var& x);

/// y = max(x, 0), any shape; NaN stays NaN. The gradient at 0 is 0.
[[nodiscard]] Var relu(const Var& x);

/// y = x · sigmoid(x), any shape (S. Elfwing et al., arXiv:1702.03118).
[[nodiscard]] Var silu(const Var& x);

[[nodiscard]] inline Var operator-(const Var& x) { return neg(x); }

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include "minivit/autograd/tape.hpp"
#include "minivit/kernels/math.hpp"
#include "minivit/ops/defined.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

using kernels::Vec;

/// y[i] = f(x[i]) on all threads. Throws ShapeError, in the name of `op`, if x is empty.
template <class F>
Tensor map_elements(const char* op, const Var& x, const F& f) {
  check_defined(op, "x", x);
  Tensor y = Tensor::empty(x.shape());
  Sink{y.data(), false}.write_all(y.numel(), f, x.data());
  return y;
}

/// Records y = f(x), given f'(x) as a function of x.
template <class D>
Var unary_by_input(const Var& x, Tensor y, const D& derivative) {
  return Tape::local().record(std::move(y), {&x}, [x, derivative](Tape& tape, const Tensor& dy) {
    if (const Sink dx = tape.sink(x))
      dx.write_all(
          x.numel(), [&](Vec g, Vec v) { return g * derivative(v); }, dy.data(), x.data());
  });
}

/// Records y = f(x), given f'(x) as a function of y: the input need not be kept.
template <class D>
Var unary_by_output(const Var& x, const Tensor& y, const D& derivative) {
  return Tape::local().record(y, {&x}, [x = x.edge(), y, derivative](Tape& tape, const Tensor& dy) {
    if (const Sink dx = tape.sink(x))
      dx.write_all(
          y.numel(), [&](Vec g, Vec v) { return g * derivative(v); }, dy.data(), y.data());
  });
}

}  // namespace detail

MINIVIT_INLINE Var neg(const Var& x) {
  return detail::unary_by_output(x, detail::map_elements("neg", x, [](auto v) { return -v; }),
                                 [](auto) { return kernels::broadcast(-1.0f); });
}

MINIVIT_INLINE Var exp(const Var& x) {
  return detail::unary_by_output(x, detail::map_elements("exp", x, [](auto v) { return kernels::exp(v); }),
                                 [](auto y) { return y; });
}

MINIVIT_INLINE Var log(const Var& x) {
  return detail::unary_by_input(x, detail::map_elements("log", x, [](auto v) { return kernels::log(v); }),
                                [](auto v) { return 1.0f / v; });
}

MINIVIT_INLINE Var sqrt(const Var& x) {
  return detail::unary_by_output(x, detail::map_elements("sqrt", x, [](auto v) { return kernels::sqrt(v); }),
                                 [](auto y) { return 0.5f / y; });
}

MINIVIT_INLINE Var square(const Var& x) {
  return detail::unary_by_input(x, detail::map_elements("square", x, [](auto v) { return v * v; }),
                                [](auto v) { return 2.0f * v; });
}

MINIVIT_INLINE Var tanh(const Var& x) {
  return detail::unary_by_output(x, detail::map_elements("tanh", x, [](auto v) { return kernels::tanh(v); }),
                                 [](auto y) { return 1.0f - y * y; });
}

MINIVIT_INLINE Var sigmoid(const Var& x) {
  return detail::unary_by_output(
      x, detail::map_elements("sigmoid", x, [](auto v) { return kernels::logistic(v); }),
      [](auto y) { return y * (1.0f - y); });
}

MINIVIT_INLINE Var relu(const Var& x) {
  return detail::unary_by_output(
      x, detail::map_elements("relu", x, [](auto v) { return v < 0.0f ? kernels::Vec{} : v; }),
      [](auto y) { return y <= 0.0f ? kernels::Vec{} : kernels::broadcast(1.0f); });
}

MINIVIT_INLINE Var silu(const Var& x) {
  return detail::unary_by_input(
      x, detail::map_elements("silu", x, [](auto v) { return v * kernels::logistic(v); }), [](auto v) {
        const auto s = kernels::logistic(v);
        return s * (1.0f + v * (1.0f - s));
      });
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
