// Successive halving: the weaker half of the jobs stops at a part of the epochs (K. Jamieson, A. Talwalkar,
// "Non-stochastic Best Arm Identification and io::Hyperparameter Optimization", AISTATS 2016).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace minivit::cli {

/// A stretch of successive halving: the epochs [begin, end) that the jobs train which are still there.
struct Rung {
  std::int64_t begin = 0, end = 0;
  friend bool operator==(const Rung&, const Rung&) = default;
};

/// The rungs of a training of `epochs` epochs that is halved after these fractions of them, each rounded to a
/// whole epoch: {0.25, 0.5} of 20 gives [0, 5), [5, 10), [10, 20). Throws ConfigError if the fractions are
/// not between 0 and 1 and rising, or fall on the same epoch, the first or the last.
std::vector<Rung> halving_rungs(std::int64_t epochs, std::span<const double> fractions);

/// How good a job is at the end of a rung.
struct RungResult {
  int job = 0;
  std::optional<double> val_acc;  ///< best validation accuracy; nothing (or not a number) if it failed
};

/// The numbers, rising, of the jobs that go on: of those that did not fail the better half, the odd one
/// included; of equals the earlier.
std::vector<int> survivors(std::span<const RungResult> results);

}  // namespace minivit::cli
