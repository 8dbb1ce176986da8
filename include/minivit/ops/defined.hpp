// The check that an operation was given the tensors that it needs.
#pragma once

#include "minivit/autograd/var.hpp"

namespace minivit::inline MINIVIT_ABI::detail {

/// Throws ShapeError, in the name of `op`, if the argument `name` is an empty tensor.
inline void check_defined(const char* op, const char* name, const Tensor& x) {
  check<ShapeError>(x.defined(), op, ": ", name, " is empty, expected a tensor");
}
inline void check_defined(const char* op, const char* name, const Var& x) {
  check_defined(op, name, x.value());
}

}  // namespace minivit::inline MINIVIT_ABI::detail
