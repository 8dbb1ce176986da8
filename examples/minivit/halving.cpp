// The rungs of successive halving, and who goes on after each.
#include "halving.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "minivit/core/check.hpp"

namespace minivit::cli {

std::vector<Rung> halving_rungs(std::int64_t epochs, std::span<const double> fractions) {
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

std::vector<int> survivors(std::span<const RungResult> results) {
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

}  // namespace minivit::cli
