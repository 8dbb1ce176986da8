// The order of an epoch's samples.
#include "session.hpp"

namespace minivit::cli {

std::function<std::vector<std::size_t>(std::uint64_t)> order_of(const TrainConfig& c,
                                                                const std::vector<int>& labels) {
  EpochSampler::Pass pass;
  if (c.data.sampler == "balanced") pass = BalancedSampler(labels, c.training.seed);
  if (c.data.repeats > 1)
    pass = EpochSampler::repeated(EpochSampler::shuffled(labels.size(), c.training.seed),
                                  static_cast<std::size_t>(c.data.repeats));
  if (c.training.epoch_images == 0) return pass;
  if (!pass) pass = EpochSampler::shuffled(labels.size(), c.training.seed);
  return EpochSampler(std::move(pass), labels.size(), static_cast<std::size_t>(c.training.epoch_images));
}

}  // namespace minivit::cli
