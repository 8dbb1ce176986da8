// The settings of a training: what `train` understands.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/data/transform.hpp"
#include "minivit/io/model_config.hpp"
#include "minivit/model/vit_config.hpp"
#include "minivit/train/fine_tuning.hpp"
#include "minivit/train/masked_autoencoder.hpp"
#include "minivit/train/mix.hpp"
#include "overrides.hpp"
#include "settings.hpp"

namespace minivit::cli {

/// What is learned: to tell classes apart, or, without labels, to complete images.
enum class Task { train, pretrain };

/// "minivit train" or "minivit pretrain".
const char* command_of(Task task);

/// Whether these are the settings of a run of `minivit pretrain`: `train` knows no pretrain.*.
bool is_of_pretraining(std::span<const Assignment> settings);

/// The sizes that `model.preset` names.
ViTConfig preset_model(std::string_view name);

/// Everything that decides what a training does. The defaults train the `mini` model on photos.
struct TrainConfig {
  TrainConfig() = default;
  /// The defaults of this task.
  explicit TrainConfig(Task task);

  Task task = Task::train;

  struct Data {
    std::string train, val, test;  // folders root/class/*.jpg
    double val_fraction = 0.2;     // of data.train, if there is no data.val
    double bad_fraction = 0.01;    // see too_many_bad
    // Of the preprocessing what data.* says; the whole of it is TrainConfig::preprocess().
    Preprocess preprocess{.fit = Preprocess::Fit::crop};
    std::string normalization = "imagenet";
    double scale_min = 0.8;
    double hflip = 0.5;
    std::string flip = "random";
    bool test_flip = false;
    int repeats = 1;
    image::AugmentOptions augment;
    double erase = 0;
    bool fast_decode = true;
    std::int64_t max_pixels = image::kDefaultMaxPixels;
    std::int64_t cache_mb = 512;
    int workers = 1;
    std::string sampler = "shuffle";
  } data;

  std::string preset = "mini", pretrained, architecture, init = "timm", image_size = "224";
  ViTConfig model = ViTConfig::mini();

  struct Training {
    std::int64_t epochs = 10, epoch_images = 0, batch_size = 32, accumulate = 1;
    std::string budget = "0";              // time for all of it; see recipe.hpp
    std::string image_sizes, patch_sizes;  // of the first epochs; see train_stages.hpp
    float patch_dropout = 0.0f;
    std::string optimizer = "adamw";
    double lr = 3e-4, min_lr = 0.0, warmup = 0.1;
    std::int64_t restarts = 0;
    double sam = 0.0;
    float weight_decay = 0.1f, momentum = 0.9f, beta2 = 0.999f;
    float label_smoothing = 0.0f, ema = 0.0f;
    std::string class_weights = "none", loss = "cross_entropy";
    std::string teacher, teacher_targets = "soft";
    double teacher_share = 0.5, teacher_temperature = 1.0;
    std::int64_t folds = 0, fold = 0;
    MixOptions mix;
    std::int64_t mix_off_epoch = 0;
    bool recompute = false;
    double clip_norm = 1.0;
    FineTuning fine_tuning;
    std::int64_t patience = 0;
    double time_limit = 0.0, save_seconds = 300.0;
    std::uint64_t seed = 0;
  } training;

  MaskedAutoencoderOptions pretrain;  // of Task::pretrain

  struct Log {
    bool tensorboard = true, curves = true;
    std::int64_t histograms = 1, images = 8;
  } log;

  std::vector<std::string> given;  // names of the settings that a file or the command line has set

  std::string output = "outputs", multirun = "multirun";
  std::vector<std::pair<std::string, std::string>> notes;  // the user's own, by name

  bool pretrains() const { return task == Task::pretrain; }

  /// The settings of its task by name, tied to this object.
  Settings settings();

  /// Defaults, the sizes of the preset or of the pretrained model, then the assignments in their order;
  /// preset and pretrained model count first wherever they stand: they are what the others change. Throws
  /// ConfigError that says where the wrong value stands, FileError for the pretrained model. If
  /// `complete` the assignments are a whole configuration, and the pretrained model is not looked at.
  static TrainConfig from(std::span<const Assignment> assignments, bool complete = false,
                          Task task = Task::train);

  /// The same from texts `name=value`.
  static TrainConfig from(std::span<const std::string_view> overrides);

  /// All settings and notes as YAML, which `read_yaml` reads back.
  std::string yaml() const;

  /// Paths from the root on, so that they are the same wherever the run goes on.
  void make_paths_absolute();

  /// Gives settings other values, as from() does. Throws ConfigError.
  template <class Choices>
  void apply(const Choices& choices) {
    Settings all = settings();
    for (const auto& choice : choices) all.set(choice.name, choice.value);
    resolve();
  }

  Preprocess preprocess() const;

  TrainTransform train_transform() const;

 private:
  /// Takes sizes and preprocessing of a trained model as defaults; its dropout rates are its own business.
  void adopt(const ModelConfig& other);

  /// Throws ConfigError, naming the setting, if a pretrained model cannot become the one that is asked for.
  void check_fits(const ViTConfig& trained) const;

  void note(std::string name, std::string text);

  /// Takes out the settings of other tasks.
  void leave_out_of_task(Settings& settings) const;

  /// What several settings say together; throws ConfigError where they contradict each other.
  void resolve();
};

}  // namespace minivit::cli
