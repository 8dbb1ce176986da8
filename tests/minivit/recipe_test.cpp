// Recipes: what is chosen for which images, machine and time.
#include "recipe.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "minivit/core/number.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

const RecipeFacts kCifar{.images = 48000, .classes = 10, .size = {32, 32}, .budget = 1800, .speed = 1e11};

std::string of(const std::vector<RecipeChoice>& choices, std::string_view name) {
  const auto at = std::ranges::find(choices, name, &RecipeChoice::name);
  return at == choices.end() ? "" : at->value;
}

double number_of(const std::vector<RecipeChoice>& choices, std::string_view name) {
  return to_number<double>(of(choices, name)).value_or(-1);
}

/// The settings with everything that is chosen: they must be valid.
TrainConfig applied(const std::vector<RecipeChoice>& choices) {
  TrainConfig c = TrainConfig::from(std::vector<std::string_view>{"data.train=photos"});
  c.apply(choices);
  return c;
}

}  // namespace

TEST_CASE(
    "small images keep their size, large ones get what the time allows; patches give a few dozen tokens") {
  struct Case {
    int width, height;
    std::int64_t edge, patch;
  };
  for (const Case& c :
       {Case{8, 8, 8, 2}, Case{3, 3, 8, 2}, Case{16, 16, 16, 4}, Case{28, 28, 28, 4}, Case{32, 32, 32, 4},
        Case{37, 50, 40, 4}, Case{64, 64, 64, 8}, Case{400, 533, 128, 16}, Case{0, 0, 128, 16}}) {
    CAPTURE(c.width);
    RecipeFacts facts = kCifar;
    facts.size = {c.width, c.height};
    const TrainConfig config = applied(choose_recipe(facts));
    CHECK(config.model.image_width == c.edge);
    CHECK(config.model.patch_size == c.patch);
    CHECK(config.model.patches() >= 16);
    CHECK(config.model.patches() <= 100);
  }
}

TEST_CASE("more time, a faster machine and more images never make the model smaller") {
  const auto dim = [](RecipeFacts facts, double budget, double speed, std::size_t images) {
    facts.budget = budget, facts.speed = speed, facts.images = images;
    const TrainConfig c = applied(choose_recipe(facts));
    return c.model.embedding_dim * c.model.num_layers;
  };
  std::int64_t before = 0;
  for (const double budget : {10.0, 60.0, 600.0, 1800.0, 7200.0, 86400.0, 1e7}) {
    const std::int64_t now = dim(kCifar, budget, 1e11, 48000);
    CHECK(now >= before);
    CHECK(now == dim(kCifar, budget / 10, 1e12, 48000));
    before = now;
  }
  CHECK(before == 512 * 10);
  CHECK(dim(kCifar, 1, 1e11, 48000) == 64 * 3);
}

TEST_CASE("what comes often is changed more, and small gray images are not mirrored") {
  RecipeFacts few = kCifar;
  few.images = 1000;
  CHECK(of(choose_recipe(kCifar), "data.augment").empty());
  CHECK(of(choose_recipe(few), "data.augment") == "trivial");
  CHECK(of(choose_recipe(few), "data.hflip").empty());
  few.gray = true, few.size = {8, 8};
  CHECK(of(choose_recipe(few), "data.hflip") == "0");
  CHECK(of(choose_recipe(few), "model.channels") == "1");
  few.size = {500, 500};
  CHECK(of(choose_recipe(few), "data.hflip").empty());
}

TEST_CASE("a pretrained model keeps its sizes; of few images only the head is trained") {
  const ViTConfig trained = ViTConfig::small();
  RecipeFacts facts = kCifar;
  const auto many = choose_recipe(facts, &trained);
  CHECK(std::ranges::none_of(many, [](const auto& c) { return c.name.starts_with("model."); }));
  CHECK(of(many, "training.layer_decay") == "0.75");
  facts.images = 100;
  CHECK(of(choose_recipe(facts, &trained), "training.freeze") == "backbone");
}

TEST_CASE("a model that has seen no labels is trained as one from scratch, and has its sizes") {
  RecipeFacts few = kCifar;
  few.images = 100;
  const auto sizes = [](const std::vector<RecipeChoice>& choices) {
    std::vector<std::string> out;
    for (const RecipeChoice& c : choices)
      if (c.name.starts_with("model.") && c.name != "model.drop_path") out.push_back(c.name + "=" + c.value);
    return out;
  };
  const auto scratch = choose_recipe(few), pretraining = choose_pretraining(few);
  CHECK(sizes(pretraining) == sizes(scratch));
  CHECK(of(pretraining, "training.optimizer") == "adamw");
  CHECK(of(pretraining, "training.batch_size") == "32");
  CHECK(of(pretraining, "training.label_smoothing").empty());
  TrainConfig c(Task::pretrain);
  c.data.train = "photos";
  c.apply(pretraining);
  few.unlabeled = true;
  const auto fine_tuning = choose_recipe(few, &c.model);
  CHECK(sizes(fine_tuning).empty());
  CHECK(of(fine_tuning, "training.freeze").empty());
  CHECK(of(fine_tuning, "training.optimizer") == "muon");
  CHECK(of(fine_tuning, "training.lr") == of(scratch, "training.lr"));
}

TEST_CASE("epochs and their images fill the time, whatever the number of images") {
  for (const std::size_t images : {20u, 281u, 1702u, 48000u, 1000000u})
    for (const double seconds : {20.0, 60.0, 1800.0, 7200.0}) {
      CAPTURE(images);
      CAPTURE(seconds);
      const RecipeSpeed speed{.image = 1.6e-3, .val = 5e-4, .epoch = 0.2};
      const std::size_t val = images / 20 + 1;
      const auto length = choose_length(seconds, speed, images, val, 128);
      const double epochs = number_of(length, "training.epochs"),
                   in_each = number_of(length, "training.epoch_images");
      CHECK(epochs >= 3);
      CHECK(epochs <= 60);
      CHECK(static_cast<std::int64_t>(in_each) % 128 == 0);
      const double batch = 128 * speed.image, val_time = speed.val * static_cast<double>(val) + speed.epoch,
                   total = epochs * (in_each * speed.image + val_time);
      const bool feasible = seconds > 3 * (batch + val_time);
      if (feasible) CHECK(total <= seconds);
      if (feasible) CHECK(total > seconds - epochs * batch);
    }
}

TEST_CASE("what is given stays") {
  const std::vector<RecipeChoice> all = choose_recipe(kCifar);
  const std::vector<std::string> given{"training.lr", "model.preset"};
  const std::vector<RecipeChoice> rest = not_given(all, given);
  CHECK(of(rest, "training.lr").empty());
  CHECK(of(rest, "model.embedding_dim").empty());
  CHECK(of(rest, "model.image_size") == "32");
  CHECK(rest.size() == all.size() - 5);
}

TEST_CASE("a pooling that is given decides on the class token") {
  const std::vector<std::string> given{"model.pooling"};
  TrainConfig c =
      TrainConfig::from(std::vector<std::string_view>{"data.train=photos", "model.pooling=token"});
  c.apply(not_given(choose_recipe(kCifar), given));
  CHECK(c.model.class_token);
  CHECK(c.model.stem == Stem::conv);
}

TEST_CASE("reasons are those of the time that there is") {
  const auto reason = [](const std::vector<RecipeChoice>& choices, std::string_view name) {
    const auto at = std::ranges::find(choices, name, &RecipeChoice::name);
    return at == choices.end() ? "" : at->reason;
  };
  RecipeFacts facts = kCifar;
  CHECK(reason(choose_recipe(facts), "model.embedding_dim") ==
        "the largest that sees every image 12.2 times in that time");
  facts.budget = 1;
  CHECK(reason(choose_recipe(facts), "model.embedding_dim") ==
        "the smallest; the time is too short to see every image 12.2 times");
  const RecipeSpeed speed{.image = 1e-3, .val = 5e-4, .epoch = 0.2};
  CHECK(reason(choose_length(2000, speed, 1000, 100, 64), "training.epoch_images")
            .starts_with("every image is seen"));
  CHECK(reason(choose_length(1, speed, 100000, 100, 64), "training.epoch_images") ==
        "the time is so short that 0.192 % of the images are seen");
  CHECK(choose_average(100).value == "0.9");
  CHECK(choose_average(1000).value == "0.99");
  CHECK(choose_average(12345).value == "0.999");
  CHECK(choose_average(12345).reason == "an average of the weights in the last of 12345 steps");
}

TEST_CASE("of many images a smaller part is enough for validation") {
  CHECK(val_fraction_for(100) == 0.2);
  CHECK(val_fraction_for(10000) == 0.1);
  CHECK(val_fraction_for(50000) == 0.04);
}
