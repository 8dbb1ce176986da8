// Distance of two tensors.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "minivit/tensor/tensor.hpp"

/// The largest difference of two elements in the same place; tensors of different shape fail the test.
inline double distance(const minivit::Tensor& a, const minivit::Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double most = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i)
    most = std::max(most, std::fabs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
  return most;
}
