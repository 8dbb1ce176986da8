// Measuring: medians of repeated runs, and the limits of this machine measured in the same
// process at nearly the same time, since clocks drift and other programs run too.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include "minivit/core/parallel.hpp"
#include "minivit/core/pool.hpp"
#include "minivit/kernels/simd.hpp"

namespace bench {

/// Seconds since some moment in the past.
inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds of one call to `f`.
template <class F>
double seconds_once(const F& f) {
  const double start = now();
  f();
  return now() - start;
}

/// The value in the middle; `values` has at least one.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Median seconds of a call to `f`: at least 5 calls and 0.3 seconds, after one to warm up.
template <class F>
double seconds(const F& f) {
  f();
  std::vector<double> times;
  for (double total = 0; times.size() < 5 || total < 0.3; total += times.back())
    times.push_back(seconds_once(f));
  return median(times);
}

/// Median seconds of each of `runs`, which take turns: whatever slows the machine down for a while slows all
/// of them. A turn is one call to warm up and then calls for at least 15 ms. Before each turn the machine is
/// left alone for a moment, because the threads of the one before spin for some milliseconds in wait of work.
inline std::vector<double> seconds_in_turn(std::span<const std::function<void()>> runs, int rounds) {
  std::vector<std::vector<double>> times(runs.size());
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < runs.size(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(8));
      runs[i]();
      for (double total = 0; total < 0.015; total += times[i].back())
        times[i].push_back(seconds_once(runs[i]));
    }
  std::vector<double> medians;
  for (const auto& t : times) medians.push_back(median(t));
  return medians;
}

/// Multiply-adds of registers and nothing else; returns the number of FLOPs. What no kernel can exceed.
inline double multiply_add(int steps) {
  using minivit::kernels::Vec;
  constexpr int kChains = 12;  // hides the latency: 2 units of 4 cycles need 8
  Vec sums[kChains] = {}, a = minivit::kernels::broadcast(1.000001f), b = minivit::kernels::broadcast(1e-9f);
  // From here on nothing is known of any of them. Chains that start alike would be computed only once.
  for (Vec& s : sums) asm volatile("" : "+m"(s));
  asm volatile("" : "+m"(a), "+m"(b));
  for (int i = 0; i < steps; ++i)
#pragma GCC unroll 12
    for (Vec& s : sums) s = s * a + b;
  for (Vec& s : sums) asm volatile("" : "+m"(s));
  return 2.0 * minivit::kernels::kLanes * kChains * steps;
}

/// FLOP/s of all threads together that do nothing but fused multiply-adds: the best of several runs. To be
/// measured before, after or in turn with what is compared to it. All threads work at once, but what counts
/// is the median over chunks of some 0.07 ms: hardly one of them is cut by a program that shares the machine.
inline double peak_flops() {
  constexpr int kSteps = 20'000, kChunks = 8, kRuns = 10;
  const int threads = minivit::num_threads(), cores = static_cast<int>(std::thread::hardware_concurrency());
  std::vector<double> rates(static_cast<std::size_t>(kChunks * threads));
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    minivit::parallel_for(kChunks * threads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const double start = now(), flops = multiply_add(kSteps);
        rates[static_cast<std::size_t>(i)] = flops / (now() - start);
      }
    });
    best = std::max(best, median(rates));
  }
  return best * (cores > 0 ? std::min(threads, cores) : threads);
}

/// What memory gives all threads together, in bytes/s that the loop names (a line that is fetched only to be
/// overwritten is not counted, as in STREAM): `copy` is a = b, `triad` is a = b + 3 c.
struct Bandwidth {
  double copy, triad;
};

/// Over three buffers of 256 MB, far larger than any L3; the best of five runs each.
inline Bandwidth memory_bandwidth() {
  constexpr std::int64_t kFloats = 64 << 20, kGrain = 1 << 18;
  const minivit::Buffer buffers[3] = {minivit::Buffer(kFloats * sizeof(float)),
                                      minivit::Buffer(kFloats * sizeof(float)),
                                      minivit::Buffer(kFloats * sizeof(float))};
  float* const a = static_cast<float*>(buffers[0].data());
  float* const b = static_cast<float*>(buffers[1].data());
  float* const c = static_cast<float*>(buffers[2].data());
  const auto best_of = [&](double bytes, const auto& f, const auto*... x) {
    double best = 0;
    for (int run = 0; run < 6; ++run) {
      const double time = seconds_once([&] {
        minivit::parallel_for(kFloats, kGrain, [&](std::int64_t begin, std::int64_t end) {
          minivit::kernels::map(end - begin, a + begin, f, x + begin...);
        });
      });
      if (run > 0) best = std::max(best, bytes * kFloats / time);  // the first one touches the pages
    }
    return best;
  };
  for (float* x : {b, c}) std::fill(x, x + kFloats, 1.0f);
  const auto three = minivit::kernels::broadcast(3.0f);
  return {.copy = best_of(
              8, [](minivit::kernels::Vec v) { return v; }, b),
          .triad = best_of(
              12, [=](minivit::kernels::Vec v, minivit::kernels::Vec w) { return v + three * w; }, b, c)};
}

}  // namespace bench
