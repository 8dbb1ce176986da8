// Training and validation images, opened and split.
#include "training_images.hpp"

#include <numeric>
#include <utility>
#include "training_state.hpp"

namespace minivit::cli {

TrainingImages TrainingImages::open(const TrainConfig& c) {
  const auto cache = static_cast<std::size_t>(c.data.cache_mb) << 20;
  ImageFolder train(c.data.train, c.train_transform(),
                    {.cache_bytes = cache, .fast_decode = c.data.fast_decode});
  if (!c.data.val.empty()) {
    ImageFolder val(c.data.val, c.preprocess(), {.classes = train.classes(), .cache_bytes = cache / 4});
    std::vector<std::size_t> all_train(train.size()), all_val(val.size());
    std::iota(all_train.begin(), all_train.end(), std::size_t{0});
    std::iota(all_val.begin(), all_val.end(), std::size_t{0});
    return {std::move(train), std::move(val), std::move(all_train), std::move(all_val)};
  }
  auto [train_part, val_part] = stratified_split(train.labels(), c.data.val_fraction, c.training.seed);
  check<ConfigError>(!val_part.empty(), c.data.train,
                     ": too few images to set some aside for validation; give data.val");
  ImageFolder val(c.data.train, c.preprocess(), {.cache_bytes = cache / 4});
  return {std::move(train), std::move(val), std::move(train_part), std::move(val_part)};
}

std::string TrainingImages::digest() const {
  const auto below = [](const ImageFolder& folder, std::size_t i) {
    return folder.paths()[i].lexically_relative(folder.root()).string();
  };
  return data_digest(train_part.size() + val_part.size(), [&](std::size_t i) {
    return i < train_part.size() ? below(train, train_part[i]) : below(val, val_part[i - train_part.size()]);
  });
}

}  // namespace minivit::cli
