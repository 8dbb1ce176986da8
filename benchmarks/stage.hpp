// Common parts of the topics of stages.cpp: several ways to compute one thing.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "minivit/core/rng.hpp"
#include "minivit/tensor/eigen.hpp"

namespace bench {

using minivit::Tensor, minivit::kernels::Vec, minivit::kernels::load, minivit::kernels::store,
    minivit::kernels::kLanes, minivit::kernels::kTileRows, minivit::kernels::kTileVectors,
    minivit::kernels::kTileColumns;

struct Stage {
  std::string name;
  std::function<void()> run;
  bool threads = false;     // uses all of them, not one
  double tolerance = 2e-5;  // error relative to the largest element that is taken for rounding
};

/// What all stages of a topic compute from the same operands.
struct Topic {
  std::string name, size;
  double flops = 0, bytes = 0;  // one of them, what the share is of
  Tensor result, expected;
  std::vector<Stage> stages;

  Topic(std::string name, std::string size) : name(std::move(name)), size(std::move(size)) {}
  Topic(const Topic&) = delete;
  Topic& operator=(const Topic&) = delete;
  virtual ~Topic() = default;

  /// The error of a stage, relative to the largest element; NaN if there is one.
  double error(const Stage& stage) {
    result.fill(std::numeric_limits<float>::quiet_NaN());
    stage.run();
    return minivit::as_array(result).isNaN().any()
               ? std::nan("")
               : (minivit::as_array(result) - minivit::as_array(expected)).abs().maxCoeff() /
                     minivit::as_array(expected).abs().maxCoeff();
  }
};

inline Tensor random(const minivit::Shape& shape, std::uint64_t seed, float low = -1, float high = 1) {
  Tensor t = Tensor::empty(shape);
  minivit::Rng rng(seed);
  for (float& v : t.values()) v = rng.uniform(low, high);
  return t;
}

}  // namespace bench
