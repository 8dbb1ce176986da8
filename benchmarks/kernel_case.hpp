// Common parts of the cases of kernels.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "minivit/autograd/tape.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/tensor/eigen.hpp"

namespace bench {

using minivit::Tensor, minivit::Var, minivit::as_array, minivit::as_matrix, minivit::parallel_for;

/// One kernel, and the same thing written in Eigen. Eigen's expressions run on one thread, only its products
/// on all: they get the same rows from the same `parallel_for` as ours, so that threads are not what differs.
struct Case {
  std::string name, size;
  double bytes = 0;  // of all cache lines that it must fetch, those that it overwrites, too; 0 if arithmetic
                     // is the limit,
  double flops = 0;  // then this
  std::vector<std::pair<Tensor*, Tensor*>> results;  // ours, Eigen's

  Case(std::string name, std::string size) : name(std::move(name)), size(std::move(size)) {}
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;
  virtual ~Case() = default;

  virtual void ours() = 0;
  virtual void eigen() = 0;

  /// Our own operations one after the other, if that is something else. False: it is not.
  virtual bool unfused() { return false; }

  /// Before results are compared, for what accumulates.
  virtual void reset() {}

  /// The largest difference of a result from Eigen's, relative to the largest element; NaN if there is one.
  double error() {
    reset();
    ours();
    eigen();
    double worst = 0;
    for (const auto& [mine, expected] : results) {
      const double largest = as_array(*expected).abs().maxCoeff(),
                   difference = (as_array(*mine) - as_array(*expected)).abs().maxCoeff<Eigen::PropagateNaN>();
      if (const double e = difference / largest; !(e <= worst)) worst = e;
    }
    return worst;
  }
};

inline std::string by(std::int64_t a, std::int64_t b) { return std::to_string(a) + "x" + std::to_string(b); }

inline Tensor random(const minivit::Shape& shape, std::uint64_t seed, float low = -1, float high = 1) {
  Tensor t = Tensor::empty(shape);
  minivit::Rng rng(seed);
  for (float& v : t.values()) v = rng.uniform(low, high);
  return t;
}

/// t = f(), t's memory being given back before: the result gets the same, as a preallocated one of Eigen's.
template <class F>
void remake(Tensor& t, const F& f) {
  t = Tensor();
  t = f().value();
}

/// A value whose gradient goes to `gradient` and is written, not added, as within a model.
class Source {
 public:
  explicit Source(const minivit::Shape& shape)
      : leaf_(Var::leaf(Tensor::empty(shape), Tensor::empty(shape))) {}

  Var operator()(const Tensor& value, Tensor& gradient) const {
    return minivit::Tape::local().record(value, {&leaf_},
                                         [&](minivit::Tape&, const Tensor& d) { gradient = d; });
  }

 private:
  Var leaf_;
};

}  // namespace bench
