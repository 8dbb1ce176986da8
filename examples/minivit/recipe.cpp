// Recipes: the rules by which they are chosen. docs/recipe.md says from which measurements they are.
#include "recipe.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "minivit/core/check.hpp"
#include "minivit/model/summary.hpp"
#include "program.hpp"

namespace minivit::cli {

namespace {

/// Sizes of models, the smallest first.
struct Size {
  std::int64_t dim, layers, heads;
};
constexpr std::array<Size, 8> kSizes{
    {{64, 3, 2}, {96, 4, 3}, {128, 4, 4}, {128, 6, 4}, {192, 7, 6}, {256, 8, 8}, {384, 9, 6}, {512, 10, 8}}};

/// Edge of the images that the model sees, and of its patches, for images of this size.
std::pair<std::int64_t, std::int64_t> image_and_patch(const RecipeFacts& f) {
  const std::int64_t edge = std::min(f.size.width, f.size.height);
  const auto up = [](std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; };
  if (edge <= 0) return {128, 16};
  if (edge <= 12) return {std::max<std::int64_t>(up(edge, 2), 8), 2};
  if (edge <= 40) return {up(edge, 4), 4};
  if (edge <= 80) return {up(edge, 8), 8};
  return {f.budget >= 4 * 3600 ? 192 : f.budget >= 600 ? 128 : 96, 16};
}

/// How often every image should be seen at least before a larger model is worth its time.
double passes_wanted(double images) { return std::clamp(12.0 * std::sqrt(50000.0 / images), 12.0, 200.0); }

ViTConfig model_of(const Size& size, std::int64_t edge, std::int64_t patch, std::int64_t channels) {
  ViTConfig c;
  c.image_height = c.image_width = edge, c.patch_size = patch, c.channels = channels;
  c.stem = Stem::conv, c.pooling = Pooling::sequence, c.class_token = false;
  c.embedding_dim = size.dim, c.num_layers = size.layers, c.num_heads = size.heads, c.mlp_ratio = 2;
  return c;
}

/// Multiplications with addition of one image in training.
double work(const ViTConfig& c) { return 3 * static_cast<double>(mult_adds(c)); }

std::string number(double value) { return format(value >= 100 ? "%.0f" : "%.3g", value); }

/// The model for training from scratch. Calls choose(setting, value, reason).
template <class Choose>
ViTConfig choose_model(const RecipeFacts& f, const Choose& choose) {
  const double images = static_cast<double>(std::max<std::size_t>(f.images, 1));
  const auto [edge, patch] = image_and_patch(f);
  const std::int64_t channels = f.gray ? 1 : 3;
  const double most = passes_wanted(images);
  const auto passes = [&](const ViTConfig& c) { return f.budget * f.speed / work(c) / images; };
  ViTConfig model = model_of(kSizes[0], edge, patch, channels);
  const bool in_time = passes(model) >= most;
  for (const Size& size : kSizes)
    if (const ViTConfig larger = model_of(size, edge, patch, channels); passes(larger) >= most)
      model = larger;
  choose("model.image_size", str_cat(edge),
         edge >= std::min(f.size.width, f.size.height)
             ? str_cat("the images are ", f.size.width, "x", f.size.height)
             : std::string("as much as the time allows"));
  choose("model.patch_size", str_cat(patch), str_cat(model.patches(), " tokens"));
  choose("model.channels", str_cat(channels), f.gray ? "the images are gray" : "the images have colors");
  choose("model.stem", "conv", "learns more from few images than patches alone");
  choose("model.pooling", "sequence", "learns more from few images than a class token");
  choose("model.class_token", "false", "not needed with this pooling");
  choose("model.init", "mimetic", "attention begins as trained models have it");
  const std::string why =
      in_time ? str_cat("the largest that sees every image ", number(most), " times in that time")
              : str_cat("the smallest; the time is too short to see every image ", number(most), " times");
  choose("model.embedding_dim", str_cat(model.embedding_dim), why);
  choose("model.num_layers", str_cat(model.num_layers), "the same");
  choose("model.num_heads", str_cat(model.num_heads), "channels of a head: 32 or 64");
  choose("model.mlp_ratio", "2", "small models need no more");
  return model;
}

int batch_for(const RecipeFacts& f) { return f.images >= 4000 ? 128 : f.images >= 1000 ? 64 : 32; }

/// What is chosen whatever is learned.
template <class Choose>
void choose_for_all(const RecipeFacts& f, const Choose& choose) {
  if (f.gray && f.size.width <= 40)
    choose("data.hflip", "0", "small gray images are mostly characters, which mirrored are others");
  choose("training.batch_size", str_cat(batch_for(f)), str_cat(f.images, " images"));
}

}  // namespace

double val_fraction_for(std::size_t images) { return images >= 20000 ? 0.04 : images >= 5000 ? 0.1 : 0.2; }

std::vector<RecipeChoice> choose_recipe(const RecipeFacts& f, const ViTConfig* pretrained) {
  std::vector<RecipeChoice> out;
  const auto choose = [&](const char* name, std::string value, std::string reason) {
    out.push_back({name, std::move(value), std::move(reason)});
  };
  const double images = static_cast<double>(std::max<std::size_t>(f.images, 1));
  if (pretrained && !f.unlabeled) {
    const bool few = f.images < 20 * f.classes;
    if (few) {
      choose("training.freeze", "backbone", "fewer than 20 images a class: only the head is trained");
      choose("training.lr", "0.003", "of a head alone");
    } else {
      choose("training.layer_decay", "0.75", "lower layers know what all images have in common");
      choose("training.lr", "0.0003", "of fine-tuning");
    }
    choose("data.scale_min", "0.5", "parts of an image show what it is");
    choose("data.augment", "trivial", "another look of each image every time");
  } else {
    const ViTConfig model = pretrained ? *pretrained : choose_model(f, choose);
    const double passes = f.budget * f.speed / (work(model) * images);
    choose("training.optimizer", "muon", "learns more in few steps than AdamW");
    choose("training.momentum", "0.95", "of Muon");
    choose("training.lr", number(4e-3 * std::sqrt(128.0 / static_cast<double>(model.embedding_dim))),
           "the wider, the lower");
    choose("data.scale_min", passes < 8 ? "0.8" : "0.6", "random crops");
    if (passes >= 40) choose("data.augment", "trivial", "every image comes often, each time another way");
    if (passes >= 100) {
      choose("training.cutmix", "1", "every image comes very often");
      choose("training.mix_probability", "0.5", "half of the batches");
      choose("data.erase", "0.1", "every image comes very often");
    }
    choose("model.drop_path", passes >= 40 ? "0.1" : "0",
           passes >= 40 ? "every image comes often" : "every image comes seldom");
  }
  choose_for_all(f, choose);
  choose("training.weight_decay", "0.05", "as in the papers on small data");
  choose("training.label_smoothing", "0.1", "as in the papers on small data");
  return out;
}

std::vector<RecipeChoice> choose_pretraining(const RecipeFacts& f) {
  std::vector<RecipeChoice> out;
  const auto choose = [&](const char* name, std::string value, std::string reason) {
    out.push_back({name, std::move(value), std::move(reason)});
  };
  static_cast<void>(choose_model(f, choose));
  choose("training.optimizer", "adamw", "as in the paper");
  choose("training.lr", "0.003", "of AdamW, for small models");
  choose("training.beta2", "0.95", "as in the paper");
  choose("training.weight_decay", "0.05", "as in the paper");
  choose("data.scale_min", "0.4",
         "random crops and mirroring are enough: each time something else is hidden");
  choose_for_all(f, choose);
  return out;
}

std::vector<RecipeChoice> choose_length(double seconds, const RecipeSpeed& speed, std::size_t images,
                                        std::size_t val_images, std::int64_t batch_size) {
  const double batch = static_cast<double>(batch_size),
               val = speed.val * static_cast<double>(val_images) + speed.epoch,
               all = static_cast<double>(std::max<std::size_t>(images, 1));
  // Evaluations take a tenth of the time at most, and of few epochs one would be too many.
  const double passes = std::max(seconds / (all * speed.image + val), 0.0);
  const double most = std::clamp(std::floor(0.1 * seconds / val), 3.0, 60.0);
  const auto epochs = static_cast<std::int64_t>(std::clamp(std::round(passes), 3.0, most));
  const double in_epoch = (seconds / static_cast<double>(epochs) - val) / speed.image;
  const auto batches = static_cast<std::int64_t>(std::max(std::floor(in_epoch / batch), 1.0));
  const double seen = static_cast<double>(epochs * batches) * batch;
  return {{"training.epochs", str_cat(epochs), "evaluated so often that it takes little of the time"},
          {"training.epoch_images", str_cat(batches * batch_size),
           seen >= all ? str_cat("every image is seen ", number(seen / all), " times in all")
                       : str_cat("the time is so short that ", number(100 * seen / all),
                                 " % of the images are seen")}};
}

RecipeChoice choose_average(std::int64_t steps) {
  return {"training.ema",
          steps >= 4000  ? "0.999"
          : steps >= 400 ? "0.99"
                         : "0.9",
          str_cat("an average of the weights in the last of ", steps, " steps")};
}

std::vector<RecipeChoice> not_given(std::vector<RecipeChoice> choices, std::span<const std::string> given) {
  const auto has = [&](std::string_view name) { return std::ranges::find(given, name) != given.end(); };
  const bool preset = has("model.preset");
  std::erase_if(choices, [&](const RecipeChoice& choice) {
    // A pooling that is given may need the class token that the chosen one does without.
    return has(choice.name) || (choice.name == "model.class_token" && has("model.pooling")) ||
           (preset && (choice.name == "model.embedding_dim" || choice.name == "model.num_layers" ||
                       choice.name == "model.num_heads" || choice.name == "model.mlp_ratio"));
  });
  return choices;
}

}  // namespace minivit::cli
