// The facts that a recipe is chosen by: images looked at, speeds measured.
#include "recipe_choice.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "data_facts.hpp"
#include "duration.hpp"
#include "minivit/core/number.hpp"
#include "minivit/train/masked_autoencoder.hpp"
#include "minivit/vit.hpp"
#include "printable.hpp"
#include "train_stages.hpp"
#include "yaml.hpp"

namespace minivit::cli {

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Seconds for each item of work, which is asked for until so many seconds are over; what comes before the
/// first `untimed` items is not counted.
class Stopwatch {
 public:
  Stopwatch(double seconds, int untimed) : seconds_(seconds), untimed_(untimed) {}

  /// After `count` items more; whether to go on.
  bool go_on(std::int64_t count) {
    if (untimed_-- > 0) {
      begin_ = Clock::now();
      return true;
    }
    done_ += count;
    return since(begin_) < seconds_;
  }

  double each() const { return done_ > 0 ? since(begin_) / static_cast<double>(done_) : 0; }

 private:
  double seconds_;
  int untimed_;
  Clock::time_point begin_ = Clock::now();
  std::int64_t done_ = 0;
};

/// Whether the first images of every class have no color.
bool all_gray(const TrainingImages& images) {
  constexpr std::size_t kLooked = 32;
  const std::size_t step = std::max<std::size_t>(images.train_part.size() / kLooked, 1);
  for (std::size_t i = 0; i < images.train_part.size(); i += step) try {
      const Image image = image::decode_image(images.train.paths()[images.train_part[i]],
                                              image::DecodeOptions{.max_pixels = images.train.max_pixels()})
                              .image;
      for (std::size_t k = 0; k + 2 < image.pixels.size(); k += 3)
        if (image.pixels[k] != image.pixels[k + 1] || image.pixels[k] != image.pixels[k + 2]) return false;
    } catch (const Error&) {  // what cannot be read is known
    }
  return true;
}

/// A new model in training, to be measured. Of small models the optimizer takes a part of the time that
/// counts.
template <class Optimizer, class Model>
struct Trial {
  Model net;
  ParameterArena parameters;
  Optimizer optimizer;

  explicit Trial(Model model) : net(std::move(model)), parameters(flatten(net)), optimizer(parameters, {}) {}

  /// Seconds for an image in training, with these batches.
  template <class Batches>
  double train(Batches&& batches, double seconds, std::int64_t batch_size) {
    Stopwatch watch(seconds, 2);
    std::optional<Ema> ema;
    train_epoch(net, batches, parameters, optimizer, CosineSchedule{.peak = 1e-6}, ema, {},
                [&](const StepReport&) { return watch.go_on(batch_size); });
    return watch.each();
  }

  template <class Batches>
  double evaluate(Batches&& batches, double seconds, std::int64_t batch_size) {
    Stopwatch watch(seconds, 1);
    minivit::evaluate(net, batches, [&] { return watch.go_on(batch_size); });
    return watch.each();
  }
};

/// Multiplications with addition that this machine does in a second of training.
double machine_speed() {
  constexpr std::int64_t kBatch = 64;
  const ViTConfig size{.image_height = 32,
                       .image_width = 32,
                       .patch_size = 4,
                       .num_classes = 10,
                       .embedding_dim = 128,
                       .num_layers = 4,
                       .num_heads = 4,
                       .mlp_ratio = 2};
  Batch batch;
  batch.images = Tensor::empty({kBatch, 3, 32, 32});
  Rng rng(1);
  for (float& v : batch.images.values()) v = rng.normal();
  batch.labels.assign(static_cast<std::size_t>(kBatch), 1);
  Trial<AdamW, VisionTransformer> trial((VisionTransformer(size)));
  const double image = trial.train(std::vector<Batch>(10000, batch), 0.7, kBatch);
  return 3 * static_cast<double>(mult_adds(trial.net.config)) / image;
}

/// How long the parts of the training of `model` take as it is now, with its images.
template <class Optimizer, class Model>
RecipeSpeed measured_with(Model model, const TrainConfig& c, const TrainingImages& images) {
  const std::int64_t batch = c.training.batch_size;
  LoaderOptions options{.batch_size = static_cast<std::size_t>(batch),
                        .shuffle = true,
                        .workers = c.data.workers,
                        .max_bad_fraction = 1.0,
                        .known_bad = images.train_bad};
  const Subset<ImageFolder> train(images.train, images.train_part), val(images.val, images.val_part);
  DataLoader train_loader(train, options);
  options.shuffle = false, options.known_bad = images.val_bad;
  DataLoader val_loader(val, options);
  Trial<Optimizer, Model> trial(std::move(model));
  RecipeSpeed speed;
  speed.image = trial.train(train_loader.epoch(0), 2.0,
                            std::min<std::int64_t>(batch, static_cast<std::int64_t>(train.size())));
  if (speed.image == 0)  // a few batches are all that there is
    speed.image = 3 * static_cast<double>(mult_adds(c.model)) / machine_speed();
  speed.val = trial.evaluate(val_loader.epoch(0), 0.5, batch);
  if (speed.val == 0) speed.val = speed.image / 3;
  return speed;
}

template <class Model>
RecipeSpeed measured_of(Model model, const TrainConfig& c, const TrainingImages& images) {
  const std::string& optimizer = c.training.optimizer;
  return optimizer == "muon"   ? measured_with<Muon>(std::move(model), c, images)
         : optimizer == "lamb" ? measured_with<Lamb>(std::move(model), c, images)
                               : measured_with<AdamW>(std::move(model), c, images);
}

RecipeSpeed measured(const TrainConfig& c, const TrainingImages& images) {
  ViTConfig size = c.model;
  size.num_classes = static_cast<std::int64_t>(images.classes().size());
  VisionTransformer net(size);
  return c.pretrains() ? measured_of(MaskedAutoencoder(std::move(net), c.pretrain), c, images)
                       : measured_of(std::move(net), c, images);
}

/// Whether a model is that of a run of `minivit pretrain`.
bool is_of_pretraining_run(const std::filesystem::path& model) {
  const std::filesystem::path settings = model.parent_path() / "config.yaml";
  std::error_code error;
  if (!std::filesystem::is_regular_file(settings, error)) return false;
  try {
    return is_of_pretraining(read_yaml(settings));
  } catch (const Error&) {  // somebody else's file
    return false;
  }
}

/// The work of an image as a part of that of the sizes which were measured, on average over all epochs.
double mean_work(TrainConfig c) {
  c.training.epochs = 1000;  // not known yet
  return TrainStages(c).mean_work();
}

}  // namespace

bool chooses_recipe(const TrainConfig& c) {
  const bool length = std::ranges::find(c.given, "training.epochs") != c.given.end();
  return !length && duration_from(c.training.budget).value_or(0) > 0;
}

void choose_split(TrainConfig& c) {
  if (!chooses_recipe(c) || !c.data.val.empty() ||
      std::ranges::find(c.given, "data.val_fraction") != c.given.end())
    return;
  const ImageFolderOptions options{.unlabeled = c.pretrains()};
  c.data.val_fraction = val_fraction_for(ImageFolder(c.data.train, c.preprocess(), options).size());
}

std::vector<RecipeChoice> choose_recipe_for(TrainConfig& c, TrainingImages& images, Clock::time_point begun) {
  const double budget = *duration_from(c.training.budget);
  const DataFacts data = DataFacts::of(c, images);
  const RecipeFacts facts{.images = data.train_total(),
                          .classes = data.classes.size(),
                          .size = data.median,
                          .gray = all_gray(images),
                          .budget = budget,
                          .speed = machine_speed(),
                          .unlabeled = !c.pretrained.empty() && is_of_pretraining_run(c.pretrained)};
  std::vector<RecipeChoice> choices =
      not_given(c.pretrains() ? choose_pretraining(facts)
                              : choose_recipe(facts, c.pretrained.empty() ? nullptr : &c.model),
                c.given);
  c.apply(choices);
  images = images.prepared_for(c);
  RecipeSpeed speed = measured(c, images);
  speed.image *= mean_work(c);
  // The test at the end, and what nobody foresees.
  const double test = images.test ? speed.val * static_cast<double>(images.test->size()) : 0.0,
               left = 0.99 * budget - since(begun) - test;
  const auto choose_more = [&](std::vector<RecipeChoice> more) {
    more = not_given(std::move(more), c.given);
    c.apply(more);
    std::ranges::move(more, std::back_inserter(choices));
  };
  choose_more(choose_length(left, speed, facts.images, data.val_total(), c.training.batch_size));
  if (!c.pretrains())
    choose_more({choose_average(c.training.epochs * c.training.epoch_images / c.training.batch_size)});

  std::printf("chosen for %s%s on this machine, which does %.0f GFLOP/s in training; what is given stays:\n",
              printable(c.training.budget).c_str(), to_number<double>(c.training.budget) ? " seconds" : "",
              2e-9 * facts.speed);
  for (const RecipeChoice& choice : choices)
    std::printf("  %-34s %s\n", str_cat(choice.name, '=', choice.value).c_str(), choice.reason.c_str());
  std::fflush(stdout);
  return choices;
}

}  // namespace minivit::cli
