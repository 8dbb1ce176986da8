// For tests that count allocations.
#pragma once

#include "minivit/core/parallel.hpp"

/// While it lives, kernels use the calling thread alone. A thread of the team gets its scratch memory when it
/// is first given a chunk, which for small tensors may be in any step.
struct OneThread {
  int before = minivit::num_threads();
  OneThread() { minivit::set_num_threads(1); }
  ~OneThread() { minivit::set_num_threads(before); }
};
