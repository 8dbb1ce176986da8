// A generator of random numbers that are a function of (seed, stream, position): no state to lose, nothing to
// lock.
//
// Philox-4x32-10: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC
// 2011. Written out because the distributions of the standard library differ between implementations, and
// because dropout, shuffling and augmentation need draws keyed by (seed, epoch, sample).
#pragma once

#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// One block of Philox-4x32-10: 128 bits of counter and 64 bits of key to 128 random bits.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
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

  /// The keys a and b that chose this stream.
  [[nodiscard]] constexpr std::array<std::uint32_t, 2> keys() const noexcept { return stream_; }

  /// The four random words at `position` of this stream, without moving on; for drawing in parallel.
  [[nodiscard]] constexpr std::array<std::uint32_t, 4> at(std::uint64_t position) const noexcept {
    return philox4x32({static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32),
                       stream_[0], stream_[1]},
                      key_);
  }

  /// The 4 · kBlocks random words of the positions from `position` on, in order: what `at` gives for each,
  /// many at a time, in loops that the compiler turns into vectors.
  template <int kBlocks>
  void fill(std::uint64_t position, std::uint32_t* words) const {
    constexpr auto kSize = static_cast<std::size_t>(kBlocks);
    std::uint32_t c0[kSize], c1[kSize], c2[kSize], c3[kSize];
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
    return block_[static_cast<std::size_t>(used_++)];
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
  [[nodiscard]] static constexpr float to_unit(std::uint32_t word) noexcept {
    return static_cast<float>(word >> 8) * 0x1p-24f;
  }

 private:
  std::array<std::uint32_t, 2> key_, stream_;
  std::uint64_t position_ = 0;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

namespace detail {

/// The seed of a thread that nobody seeded: 0 for the first that asks, another for each further one.
inline std::uint64_t unseeded() {
  static std::atomic<std::uint64_t> threads = 0;
  return threads.fetch_add(1, std::memory_order_relaxed) * 0x9E3779B97F4A7C15;  // odd: no two are equal
}

}  // namespace detail

/// Random numbers for whoever does not pass their own: initializers and dropout of this thread.
///
/// Each draw is a stream of its own, keyed by (seed, step, purpose, number of the draw), so that training
/// resumes exactly from its step number. Weights and dropout never share a stream: what a step drops tells
/// nothing of the weights that it drops from, nor does it depend on how many were drawn. Each purpose has
/// 2^31 streams a step, then they repeat.
class Generator {
 public:
  /// What a stream is for.
  enum class Purpose : std::uint32_t { weights, dropout };

  explicit Generator(std::uint64_t seed = 0, std::uint64_t step = 0) noexcept : seed_(seed), step_(step) {}

  /// Restarts the draws of every purpose.
  void seed(std::uint64_t seed, std::uint64_t step = 0) noexcept { *this = Generator(seed, step); }

  /// The next stream for this purpose.
  [[nodiscard]] Rng stream(Purpose purpose = Purpose::weights) noexcept {
    const auto index = static_cast<std::uint32_t>(purpose);
    return Rng(seed_, step_, (index << 31) | (draws_[index]++ & 0x7FFFFFFF));
  }

  /// The generator of the calling thread. Threads that nobody seeded draw different numbers: the first that
  /// asks has seed 0, so that a program of one thread repeats itself; in which order others ask may differ
  /// from run to run, `manual_seed` in each of them makes them repeat.
  [[nodiscard]] static Generator& local() {
    static thread_local Generator generator(detail::unseeded());
    return generator;
  }

 private:
  std::uint64_t seed_, step_;
  std::array<std::uint32_t, 2> draws_{};  // of each purpose
};

/// Restarts the calling thread's draws, as `torch.manual_seed`: equal seeds give equal initial weights and
/// equal dropout, each from streams of their own. Other threads go on as they were.
inline void manual_seed(std::uint64_t seed, std::uint64_t step = 0) { Generator::local().seed(seed, step); }

}  // namespace minivit::inline MINIVIT_ABI
