// Successive halving: the weaker half of the jobs stops at a part of the epochs (K. Jamieson, A. Talwalkar,
// "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A stretch of successive halving: the epochs [begin, end) that the jobs train which are still there.
struct Rung {
  std::int64_t begin = 0, end = 0;
  friend bool operator==(const Rung&, const Rung&) = default;
};

/// The rungs of a training of `epochs` epochs that is halved after these fractions of them, each rounded to a
/// whole epoch: {0.25, 0.5} of 20 gives [0, 5), [5, 10), [10, 20). Throws ConfigError if the fractions are
/// not between 0 and 1 and rising, or fall on the same epoch, the first or the last.
inline std::vector<Rung> halving_rungs(std::int64_t epochs, std::span<const double> fractions) {
  check<ConfigError>(epochs >= 1, "halving: there are ", epochs, " epochs, expected 1 or more");
  std::vector<Rung> rungs;
  std::int64_t begin = 0;
  double before = 0;
  for (const double fraction : fractions) {
    check<ConfigError>(fraction > before && fraction<1, "halving: the fraction ", fraction, before> 0
                           ? str_cat(" follows ", before)
                           : std::string(),
                       ", expected rising numbers between 0 and 1, as 0.25,0.5");
    const auto end = static_cast<std::int64_t>(std::llround(fraction * static_cast<double>(epochs)));
    check<ConfigError>(end > begin && end < epochs, "halving: ", fraction, " of ", epochs,
                       " epochs is epoch ", end, ", expected one after ", begin, " and before ", epochs,
                       "; train more epochs or halve less often");
    rungs.push_back({begin, end});
    begin = end, before = fraction;
  }
  rungs.push_back({begin, epochs});
  return rungs;
}

/// How good a job is at the end of a rung.
struct RungResult {
  int job = 0;
  std::optional<double> val_acc;  ///< best validation accuracy; nothing (or not a number) if it failed
};

/// The numbers, rising, of the jobs that go on: of those that did not fail the better half, the odd one
/// included; of equals the earlier.
inline std::vector<int> survivors(std::span<const RungResult> results) {
  std::vector<RungResult> good;
  for (const RungResult& r : results)
    if (r.val_acc && !std::isnan(*r.val_acc)) good.push_back(r);
  std::sort(good.begin(), good.end(), [](const RungResult& a, const RungResult& b) {
    return *a.val_acc != *b.val_acc ? *a.val_acc > *b.val_acc : a.job < b.job;
  });
  std::vector<int> jobs;
  for (std::size_t i = 0; i < (good.size() + 1) / 2; ++i) jobs.push_back(good[i].job);
  std::sort(jobs.begin(), jobs.end());
  return jobs;
}

}  // namespace minivit::inline MINIVIT_ABI
