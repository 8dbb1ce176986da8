// Dropout and drop path as layers: active inside a `Training` scope only.
#pragma once

#include "minivit/nn/module.hpp"
#include "minivit/ops/dropout.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Drops elements with probability p in [0, 1).
struct Dropout {
  float p = 0.0f;
  Var operator()(const Var& x) const { return dropout(x, p); }
  static void visit(auto&, auto&&) {}
};

/// Drops whole samples of a residual branch with probability p in [0, 1).
struct DropPath {
  float p = 0.0f;
  Var operator()(const Var& x) const { return drop_path(x, p); }
  static void visit(auto&, auto&&) {}
};

}  // namespace minivit::inline MINIVIT_ABI
