// How the benchmarks measure: medians of repeated runs, against the peak of this machine measured in the same
// process.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include "minivit/core/parallel.hpp"
#include "minivit/kernels/simd.hpp"

namespace bench {

/// Median seconds of a call to `f`: at least 5 calls and 0.3 seconds, after one to warm up.
template <class F>
double seconds(const F& f) {
  using Clock = std::chrono::steady_clock;
  f();
  std::vector<double> times;
  for (double total = 0; times.size() < 5 || total < 0.3; total += times.back()) {
    const auto start = Clock::now();
    f();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

/// FLOP/s of one thread that does nothing but fused multiply-adds in registers: what no kernel can exceed.
inline double peak_flops() {
  using minivit::Vec;
  constexpr int kChains = 12, kSteps = 200'000;  // chains: enough to hide the latency of an addition
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    Vec sums[kChains] = {};
    Vec a = minivit::broadcast(1.000001f), b = minivit::broadcast(1e-9f);
    asm volatile("" : "+x"(a), "+x"(b));  // not known to the compiler
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kSteps; ++i)
#pragma GCC unroll 12
      for (Vec& s : sums) s = s * a + b;
    for (Vec& s : sums) asm volatile("" : "+x"(s));
    const double time = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, 2.0 * minivit::kLanes * kChains * kSteps / time);
  }
  return best;
}

}  // namespace bench
