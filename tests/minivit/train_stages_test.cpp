// Stages of a training: which epoch has which size, and what is refused.
#include "train_stages.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "minivit/model/summary.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

TrainConfig config_of(std::initializer_list<std::string_view> assignments) {
  std::vector<std::string_view> all{"data.train=photos", "model.image_size=32", "model.patch_size=4",
                                    "training.epochs=10"};
  all.insert(all.end(), assignments);
  return TrainConfig::from(all);
}

std::string complaint(std::initializer_list<std::string_view> assignments) {
  return message_of<ConfigError>([&] { config_of(assignments); });
}

}  // namespace

TEST_CASE("without settings every epoch has the model's own size") {
  const TrainStages stages(config_of({}));
  CHECK(stages.at(0) == ViewOptions{});
  CHECK(stages.at(9) == ViewOptions{});
  CHECK(stages.work(3) == 1);
  CHECK(stages.mean_work() == 1);
  CHECK(stages.text().empty());
}

TEST_CASE("parts of the epochs have smaller images or larger patches, the last its own") {
  const TrainConfig c = config_of({"training.image_sizes=16:0.3 24x32:0.4", "training.patch_sizes=8:0.5"});
  const TrainStages stages(c);
  const ViewOptions first{.image_height = 16, .image_width = 16, .patch_size = 8},
      second{.image_height = 24, .image_width = 32, .patch_size = 8},
      third{.image_height = 24, .image_width = 32};
  for (std::int64_t epoch = 0; epoch < 10; ++epoch) {
    CAPTURE(epoch);
    CHECK(stages.at(epoch) == (epoch < 3 ? first : epoch < 5 ? second : epoch < 7 ? third : ViewOptions{}));
  }
  ViTConfig seen = c.model;
  seen.image_height = seen.image_width = 16, seen.patch_size = 8;
  const double part = static_cast<double>(mult_adds(seen)) / static_cast<double>(mult_adds(c.model));
  CHECK(part < 0.1);
  CHECK(stages.work(2) == doctest::Approx(part));
  CHECK(stages.work(9) == 1);
  CHECK(stages.mean_work() ==
        doctest::Approx((3 * stages.work(0) + 2 * stages.work(3) + 2 * stages.work(5) + 3) / 10));
  CHECK(stages.text() ==
        "images of 16 in patches of 8 from epoch 1, 24x32 in patches of 8 from epoch 4, 24x32 from epoch 6, "
        "the model's own size from epoch 8");
}

TEST_CASE("stages that make no sense are refused by name") {
  CHECK(complaint({"training.image_sizes=16"}) ==
        "training.image_sizes has \"16\", expected sizes with the part of the epochs that each has, as "
        "\"16:0.3 24:0.5\"");
  CHECK(complaint({"training.image_sizes=16:0"}).starts_with("training.image_sizes has \"16:0\""));
  CHECK(complaint({"training.image_sizes=16:0.5 24:0.5"}) ==
        "training.image_sizes: the parts are 1 together, expected less than 1: the last epochs have the "
        "model's own size");
  CHECK(complaint({"training.image_sizes=x:0.5"}) ==
        "training.image_sizes is \"x\", expected pixels as 224, or height x width as 224x160");
  CHECK(complaint({"training.image_sizes=18:0.5"}).starts_with("training.image_sizes: image size 18x18"));
  CHECK(complaint({"training.patch_sizes=5:0.5"}).starts_with("training.patch_sizes: image size 32x32"));
  CHECK(complaint({"training.patch_sizes=8:0.5", "model.stem=conv"}) ==
        "training.patch_sizes needs model.stem=patch, it is conv");
}
