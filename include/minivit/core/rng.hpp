// Random numbers that are a function of (seed, stream, position): no state to lose, nothing to lock.
//
// Philox-4x32-10: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC
// 2011. Written out because the distributions of the standard library differ between implementations, and
// because dropout, shuffling and augmentation need draws keyed by (seed, epoch, sample).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// One block of Philox-4x32-10: 128 bits of counter and 64 bits of key to 128 random bits.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9;  // golden ratio
    key[1] += 0xBB67AE85;  // sqrt(3) - 1
  }
  return counter;
}

/// A stream of random numbers, chosen by `seed` and up to two further keys (epoch and sample, step, …).
/// Two streams with different keys are independent; the same keys give the same numbers on every machine.
class Rng {
 public:
  /// seed, a, b: any values. `a` and `b` select one of 2^64 streams (the low 32 bits of each count).
  explicit constexpr Rng(std::uint64_t seed = 0, std::uint64_t a = 0, std::uint64_t b = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        stream_{static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b)} {}

  /// The four random words at `position` of this stream, without moving on; for drawing in parallel.
  constexpr std::array<std::uint32_t, 4> at(std::uint64_t position) const {
    return philox4x32({static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32),
                       stream_[0], stream_[1]},
                      key_);
  }

  /// The 4 · kBlocks random words of the positions from `position` on, in order: what `at` gives for each,
  /// many at a time, in loops that the compiler turns into vectors.
  template <int kBlocks>
  void fill(std::uint64_t position, std::uint32_t* words) const {
    std::uint32_t c0[kBlocks], c1[kBlocks], c2[kBlocks], c3[kBlocks];
    // Not unrolled: g++ makes vectors of loops only.
#pragma GCC unroll 1
    for (int i = 0; i < kBlocks; ++i) {
      const std::uint64_t p = position + static_cast<std::uint64_t>(i);
      c0[i] = static_cast<std::uint32_t>(p), c1[i] = static_cast<std::uint32_t>(p >> 32);
      c2[i] = stream_[0], c3[i] = stream_[1];
    }
    std::uint32_t k0 = key_[0], k1 = key_[1];
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9, k1 += 0xBB67AE85)
#pragma GCC unroll 1
      for (int i = 0; i < kBlocks; ++i) {
        const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0[i], p1 = std::uint64_t{0xCD9E8D57} * c2[i];
        c0[i] = static_cast<std::uint32_t>(p1 >> 32) ^ c1[i] ^ k0, c1[i] = static_cast<std::uint32_t>(p1);
        c2[i] = static_cast<std::uint32_t>(p0 >> 32) ^ c3[i] ^ k1, c3[i] = static_cast<std::uint32_t>(p0);
      }
    for (int i = 0; i < kBlocks; ++i)
      words[4 * i] = c0[i], words[4 * i + 1] = c1[i], words[4 * i + 2] = c2[i], words[4 * i + 3] = c3[i];
  }

  /// 32 random bits.
  constexpr std::uint32_t next() {
    if (used_ == 4) {
      block_ = at(position_++);
      used_ = 0;
    }
    return block_[used_++];
  }

  /// Uniform in [0, 1), a multiple of 2^-24.
  constexpr float uniform() { return to_unit(next()); }

  /// Uniform in [low, high).
  constexpr float uniform(float low, float high) { return low + (high - low) * uniform(); }

  /// Uniform integer in [0, n), n ≥ 1, without bias (Lemire, "Fast Random Integer Generation in an Interval",
  /// 2019).
  constexpr std::uint32_t below(std::uint32_t n) {
    std::uint64_t product = std::uint64_t{next()} * n;
    if (static_cast<std::uint32_t>(product) < n) {
      const std::uint32_t threshold = (0u - n) % n;
      while (static_cast<std::uint32_t>(product) < threshold) product = std::uint64_t{next()} * n;
    }
    return static_cast<std::uint32_t>(product >> 32);
  }

  /// Standard normal (Box and Muller, 1958).
  float normal() {
    const double u = (next() + 0.5) * 0x1p-32, v = next() * 0x1p-32;
    return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v));
  }

  /// A 32-bit word as a float in [0, 1).
  static constexpr float to_unit(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

 private:
  std::array<std::uint32_t, 2> key_, stream_;
  std::uint64_t position_ = 0;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

/// Random numbers for whoever does not pass their own: initializers and dropout of this thread.
/// Each draw of a stream is keyed by (seed, step, draw), so that training resumes exactly from its step
/// number.
class Generator {
 public:
  /// Restarts the draws: stream 0 of (seed, step).
  void seed(std::uint64_t seed, std::uint64_t step = 0) { seed_ = seed, step_ = step, draw_ = 0; }

  /// The next stream of this generator.
  Rng stream() { return Rng(seed_, step_, draw_++); }

  /// The generator of the calling thread.
  static Generator& local() { return local_; }

 private:
  std::uint64_t seed_ = 0, step_ = 0, draw_ = 0;
  static thread_local Generator local_;
};

inline thread_local Generator Generator::local_;

/// Restarts the calling thread's draws, as `torch.manual_seed`: equal seeds give equal initial weights and
/// dropout.
inline void manual_seed(std::uint64_t seed, std::uint64_t step = 0) { Generator::local().seed(seed, step); }

}  // namespace minivit::inline MINIVIT_ABI
