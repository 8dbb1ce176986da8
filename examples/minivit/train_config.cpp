// The settings of a training, read and resolved.
#include "train_config.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <tuple>

#include "class_weights.hpp"
#include "duration.hpp"
#include "minivit/core/number.hpp"
#include "minivit/core/utf8.hpp"
#include "minivit/io/pretrained.hpp"
#include "model_path.hpp"
#include "train_stages.hpp"
#include "user_path.hpp"

namespace minivit::cli {

const char* command_of(Task task) { return task == Task::train ? "minivit train" : "minivit pretrain"; }

bool is_of_pretraining(std::span<const Assignment> settings) {
  return std::ranges::any_of(settings, [](const Assignment& a) { return a.name.starts_with("pretrain."); });
}

TrainConfig::TrainConfig(Task of) : task(of) {
  if (task == Task::train) return;
  data.scale_min = 0.4;
  training.lr = 3e-3, training.weight_decay = 0.05f, training.beta2 = 0.95f;
}

Settings TrainConfig::settings() {
  Settings s;
  s.usual({"data.train", "data.val", "pretrain.mask", "model.preset", "model.pretrained", "model.image_size",
           "training.budget", "training.epochs", "training.batch_size", "training.lr", "output.dir"});
  s.group("Images");
  s.add("data.train", data.train,
        pretrains()
            ? "folder of images, in it and in all folders below; or one with train/ and val/"
            : "folder with one sub-folder of images for each class, or with train/, val/ and test/ of "
              "that kind");
  s.add("data.val", data.val, "the same for validation; empty: a part of data.train");
  s.add("data.test", data.test, "the same for a test of the best model at the end; empty: none");
  s.add("data.val_fraction", data.val_fraction,
        pretrains() ? "part of the images set aside if there is no data.val"
                    : "part of each class set aside if there is no data.val",
        0.01, 0.9);
  s.add("data.bad_fraction", data.bad_fraction,
        "largest part of the images that may be unreadable, if it is ten or more; 0: none may be", 0.0, 1.0);
  s.group("Preprocessing");
  Preprocess::fields(data.preprocess, [&]<class T>(std::string_view name, T& value, std::string_view help,
                                                   const Range& range) {
    // Given by model.image_size, model.channels and data.normalization.
    if (name == "height" || name == "width" || name == "channels") return;
    if constexpr (NamedEnum<T> || std::is_arithmetic_v<T>)
      s.add_field(str_cat("data.", name), value, std::string(help), range);
  });
  s.add("data.normalization", data.normalization,
        "imagenet, half (0.5 and 0.5), or mean and deviation of each channel as 0.5 0.5 0.5 / 0.2 0.2 0.2");
  s.group("Augmentation");
  s.add("data.scale_min", data.scale_min, "least part of the area in a random crop; 1: no random crop", 0.01,
        1.0);
  s.add("data.hflip", data.hflip, "probability of mirroring", 0.0, 1.0);
  s.add("data.flip", data.flip,
        "random, or alternating: mirrored in every second epoch (unless data.hflip is 0)",
        {"random", "alternating"});
  s.add_field(
      "data.augment", data.augment.policy,
      "operations on each image: TrivialAugmentWide, RandAugment, AutoAugment's policy for that data set, or "
      "3-Augment (gray, solarized or blurred)",
      {});
  s.add("data.augment_operations", data.augment.operations, "of data.augment=rand on an image", 1,
        static_cast<int>(image::AugmentPlan::kMost));
  s.add("data.augment_magnitude", data.augment.magnitude, "of data.augment=rand: strength of its operations",
        0, 30);
  s.add("data.color_jitter", data.augment.jitter,
        "part by which brightness, contrast and color change at most, as 0.3; 0: none", 0.0f, 1.0f);
  s.add("data.erase", data.erase, "probability of random erasing: a part of the image is set to the mean",
        0.0, 1.0);
  s.group("Loading");
  s.add("data.fast_decode", data.fast_decode,
        "decode large JPEGs at 1/2, 1/4 or 1/8 size for training (validation is always exact)");
  s.add("data.max_pixels", data.max_pixels,
        "largest image that is decoded, in pixels; a larger JPEG is decoded at a part of its size",
        std::int64_t{1}, image::kLargestImage);
  s.add("data.cache_mb", data.cache_mb, "memory for decoded images, in MiB; 0: none", std::int64_t{0},
        std::int64_t{1} << 20);
  s.add("data.workers", data.workers, "threads that load images; 0: none", 0, 64);
  s.group("Unequal classes");
  s.add("data.sampler", data.sampler,
        "shuffle: every image once an epoch; balanced: every class equally often, images of small ones again",
        {"shuffle", "balanced"});
  s.add("data.repeats", data.repeats,
        "how often each image comes in a row, each time augmented anew, of fewer images an epoch", 1, 64);
  s.group("Test");
  s.add("data.test_flip", data.test_flip,
        "test of the best model: the mean of what it says of each image and of its mirror image");
  s.group("The model");
  s.add("model.preset", preset, "sizes to start from", {"tiny", "small", "base", "large", "mini"});
  s.add("model.pretrained", pretrained,
        "model folder or safetensors file of minivit, timm or transformers to begin with: its sizes and "
        "preprocessing are the defaults, the head is new for classes that it does not know");
  s.add("model.architecture", architecture, "timm's name of model.pretrained, if it has no config.json");
  s.add("model.init", init,
        "how the weights of a new model begin: timm, or mimetic: attention as trained models have it",
        {"timm", "mimetic"});
  s.add("model.image_size", image_size, "pixels: 224, or height x width as 224x160");
  ViTConfig::fields(model,
                    [&](std::string_view name, auto& value, std::string_view help, const Range& range) {
                      // Given by model.image_size and the images.
                      if (name == "image_height" || name == "image_width" || name == "num_classes") return;
                      if (name == "head_dropout") s.group("Dropout");
                      s.add_field(str_cat("model.", name), value, std::string(help), range);
                    });
  s.group("Pretraining");
  s.add("pretrain.mask", pretrain.mask, "part of the patches that is hidden", 0.01, 0.99);
  s.add("pretrain.decoder_dim", pretrain.decoder_dim,
        "channels of the decoder, which completes the images; divisible by 4", std::int64_t{8},
        std::int64_t{65536});
  s.add("pretrain.decoder_layers", pretrain.decoder_layers, "blocks of the decoder", std::int64_t{0},
        std::int64_t{1024});
  s.add("pretrain.decoder_heads", pretrain.decoder_heads, "attention heads of the decoder", std::int64_t{1},
        std::int64_t{1024});
  s.add("pretrain.normalize_pixels", pretrain.normalize_pixels,
        "learn the pixels of each patch less their mean, divided by their deviation");
  s.group("Length and batches");
  s.add("training.epochs", training.epochs, "passes over the images", std::int64_t{1}, std::int64_t{1000000});
  s.add("training.epoch_images", training.epoch_images,
        "images in an epoch, after which the model is evaluated; 0: all of them once", std::int64_t{0},
        std::int64_t{1} << 40);
  s.add(
      "training.budget", training.budget,
      "time for the whole training, as 90s, 30m or 2h, for which all settings that are not given are chosen "
      "by the images and the machine; 0, or training.epochs given: none are");
  s.add("training.batch_size", training.batch_size, "images in a batch", std::int64_t{1},
        std::int64_t{65536});
  s.add("training.accumulate", training.accumulate, "batches in a step", std::int64_t{1},
        std::int64_t{65536});
  s.group("Smaller images first");
  s.add(
      "training.image_sizes", training.image_sizes,
      "sizes of the images in the first epochs, each with its part of all epochs, as \"16:0.3 24:0.4\"; the "
      "rest has model.image_size");
  s.add("training.patch_sizes", training.patch_sizes,
        "the same for patches, as \"32:0.5\"; the rest has model.patch_size");
  s.add("training.patch_dropout", training.patch_dropout,
        "part of the patches that is left out of each image in training, others every time", 0.0f, 0.99f);
  s.group("Optimizer");
  s.add("training.optimizer", training.optimizer,
        "AdamW, LAMB, Muon for the matrices of the blocks, or SGD with momentum",
        {"adamw", "lamb", "muon", "sgd"});
  s.add("training.lr", training.lr, "highest learning rate", 0.0, 1000.0);
  s.add("training.min_lr", training.min_lr, "learning rate at the end", 0.0, 1000.0);
  s.add("training.warmup", training.warmup, "part of all steps in which the learning rate rises", 0.0, 1.0);
  s.add("training.restarts", training.restarts,
        "how often the learning rate begins again at its highest after it has fallen", std::int64_t{0},
        std::int64_t{1000});
  s.add("training.sam", training.sam,
        "how far off the weights are at which the gradient is taken (sharpness-aware minimization), as 0.05; "
        "twice the work; 0: not at all",
        0.0, 100.0);
  s.add("training.weight_decay", training.weight_decay, "of matrices", 0.0f, 10.0f);
  s.add("training.momentum", training.momentum, "of sgd and muon; beta1 of adamw and lamb", 0.0f, 0.9999f);
  s.add("training.beta2", training.beta2, "of adamw, lamb and muon", 0.0f, 0.999999f);
  s.group("Mixed images");
  s.add("training.mixup", training.mix.mixup,
        "a of Beta(a, a), from which the shares of two images and labels are drawn, as 0.8; 0: no Mixup", 0.0,
        1000.0);
  s.add(
      "training.cutmix", training.mix.cutmix,
      "the same for a part of one image in another, as 1; with Mixup half of the batches each; 0: no CutMix",
      0.0, 1000.0);
  s.add("training.mix_probability", training.mix.probability, "of a batch to be mixed", 0.0, 1.0);
  s.add("training.mix_off_epoch", training.mix_off_epoch,
        "epoch after which nothing is mixed any more; 0: none", std::int64_t{0}, std::int64_t{1000000});
  s.group("Loss");
  s.add("training.loss", training.loss, "cross_entropy, or binary: each class for itself, yes or no",
        {"cross_entropy", "binary"});
  s.add("training.label_smoothing", training.label_smoothing, "part of the target that all classes share",
        0.0f, 1.0f);
  s.add("training.class_weights", training.class_weights,
        "of the classes in the loss: none, balanced (images / classes / images of the class), or a number "
        "for each "
        "class in the order of their names, as 1 2.5 0.5");
  s.group("Teacher");
  s.add("training.teacher", training.teacher,
        "model folder, or run, from which the model learns besides the labels; it knows all classes");
  s.add("training.teacher_share", training.teacher_share, "of the teacher in the loss", 0.0, 1.0);
  s.add("training.teacher_targets", training.teacher_targets,
        "soft: all its probabilities; hard: the class that it finds most probable", {"soft", "hard"});
  s.add("training.teacher_temperature", training.teacher_temperature,
        "of soft targets: the higher, the more the other classes count", 0.01, 1000.0);
  s.group("Cross-validation");
  s.add("training.folds", training.folds,
        "parts into which data.train is cut; one training for each, which that part validates; 0: none",
        std::int64_t{0}, std::int64_t{1000});
  s.add("training.fold", training.fold, "only the training of this part, from 0 on", std::int64_t{0},
        std::int64_t{999});
  s.group("Gradient and weights");
  s.add("training.clip_norm", training.clip_norm, "largest norm of the gradient; 0: any", 0.0, 1e9);
  s.group("Fine-tuning");
  s.add("training.freeze", training.fine_tuning.freeze,
        "what is not trained: none, backbone (all but the head), all_but_norm, or the first N blocks");
  s.add("training.layer_decay", training.fine_tuning.layer_decay,
        "factor of the learning rate from each layer to the one below it", 0.01, 1.0);
  s.add("training.backbone_lr", training.fine_tuning.backbone_lr,
        "factor of the learning rate of all but the head", 1e-6, 1000.0);
  s.add("training.lora_rank", training.fine_tuning.lora_rank,
        "of adapters (LoRA) on qkv and proj, trained in place of the backbone; 0: none", std::int64_t{0},
        std::int64_t{65536});
  s.add("training.lora_alpha", training.fine_tuning.lora_alpha, "scale of the adapters times their rank",
        0.0f, 1e6f);
  s.group("Average and memory");
  s.add("training.ema", training.ema, "decay of the weights' moving average; 0: none", 0.0f, 0.99999f);
  s.add("training.recompute", training.recompute,
        "keep only the blocks' inputs and compute the rest again: less memory, a third more time");
  s.group("Stopping and saving");
  s.add("training.patience", training.patience,
        pretrains() ? "epochs without a lower validation loss after which to stop; 0: any number"
                    : "epochs without a better validation accuracy after which to stop; 0: any number",
        std::int64_t{0}, std::int64_t{1000000});
  s.add("training.time_limit", training.time_limit,
        "seconds of this session after which to stop, to be resumed (with as many again); 0: none", 0.0, 1e9);
  s.add("training.save_seconds", training.save_seconds,
        "between checkpoints within an epoch; 0: after every step", 0.0, 1e9);
  s.group("Random numbers");
  s.add("training.seed", training.seed, "of everything random");
  s.group("Log");
  s.add("log.tensorboard", log.tensorboard, "write an event file for TensorBoard");
  s.add("log.histograms", log.histograms, "epochs between histograms of weights and gradients; 0: none",
        std::int64_t{0}, std::int64_t{1000000});
  s.add("log.images", log.images,
        pretrains() ? "validation images in reconstructions.png"
                    : "validation images shown in TensorBoard with what is predicted",
        std::int64_t{0}, std::int64_t{64});
  s.add("log.curves", log.curves, "draw training_curves.png and .svg, if there is gnuplot");
  s.group("Output");
  s.add("output.dir", output, "where run folders go");
  s.add("output.multirun", multirun, "where the folders of sweeps go");
  s.rename("training.checkpoint", "training.recompute");
  s.rename("data.trivial_augment", "data.augment");
  for (const char* const yes : {"true", "yes", "on", "1"}) s.rename_value("data.augment", yes, "trivial");
  for (const char* const no : {"false", "no", "off", "0"}) s.rename_value("data.augment", no, "none");
  s.rename_value("model.preset", "seed", "mini");
  leave_out_of_task(s);
  return s;
}

void TrainConfig::leave_out_of_task(Settings& s) const {
  if (!pretrains()) return s.leave_out({"pretrain."});
  s.leave_out({"data.test",
               "data.sampler",
               "data.repeats",
               "model.pretrained",
               "model.architecture",
               "model.head_dropout",
               "training.mix",
               "training.cutmix",
               "training.loss",
               "training.label_smoothing",
               "training.class_weights",
               "training.teacher",
               "training.fold",
               "training.freeze",
               "training.layer_decay",
               "training.backbone_lr",
               "training.lora",
               "training.image_sizes",
               "training.patch_sizes",
               "training.patch_dropout",
               "output.multirun"});
}

namespace {

/// Throws ConfigError for what a file leaves to the command line and is not there.
void check_given(std::span<const Assignment> assignments, const Settings& settings) {
  for (auto a = assignments.rbegin(); a != assignments.rend(); ++a) {
    const bool set_later =
        std::any_of(assignments.rbegin(), a, [&](const Assignment& b) { return b.name == a->name; });
    if (a->value != kMissing || set_later || a->name.starts_with(kNotes)) continue;
    throw ConfigError(str_cat(a->origin, a->origin.empty() ? "" : ": ", a->name, " has to be given, as ",
                              a->name, a->name == "model.pretrained" ? "=vit-small" : "=…", ": ",
                              settings.help_of(a->name), "; ~", a->name, " does without"));
  }
}

}  // namespace

ViTConfig preset_model(std::string_view name) {
  return name == "tiny"    ? ViTConfig::tiny()
         : name == "small" ? ViTConfig::small()
         : name == "base"  ? ViTConfig::base()
         : name == "large" ? ViTConfig::large()
                           : ViTConfig::mini();
}

TrainConfig TrainConfig::from(std::span<const Assignment> given, bool complete, Task task) {
  TrainConfig c(task);
  Settings settings = c.settings();
  std::vector<Assignment> assignments = respelled(given, settings);
  check_given(assignments, settings);
  std::erase_if(assignments,
                [](const Assignment& a) { return a.value == kMissing && !a.name.starts_with(kNotes); });
  std::vector<Assignment> preset(assignments.begin(), assignments.end());
  std::erase_if(preset, [](const Assignment& a) {
    return a.name != "model.preset" && a.name != "model.pretrained" && a.name != "model.architecture";
  });
  assign(settings, preset);
  c.pretrained = expand_home(c.pretrained);
  c.model = preset_model(c.preset);
  ViTConfig trained;
  const bool looks = !c.pretrained.empty() && !complete;
  std::string chosen;  // of a run its best model
  if (looks) {
    c.pretrained = chosen = find_model(c.pretrained, "model.pretrained").string();
    PretrainedOptions options{.architecture = c.architecture};
    for (const Assignment& a : assignments)  // for weights whose files say nothing about them
      if (a.name == "model.num_heads") options.num_heads = to_number<std::int64_t>(a.value).value_or(0);
    const ModelConfig found = read_pretrained_config(c.pretrained, options);
    trained = found.vit;
    c.adopt(found);
  }
  assign(settings, assignments);
  for (const Assignment& a : assignments) c.given.push_back(a.name);
  for (const Assignment& a : assignments)
    if (a.name.starts_with(kNotes)) c.note(a.name.substr(kNotes.size()), a.value);
  c.pretrained = looks ? chosen : expand_home(c.pretrained);
  c.resolve();
  if (looks) c.check_fits(trained);
  return c;
}

TrainConfig TrainConfig::from(std::span<const std::string_view> overrides) {
  TrainConfig names;
  const Settings schema = names.settings();
  std::vector<Assignment> assignments;
  for (const std::string_view text : overrides) apply_override(assignments, text, schema);
  return from(assignments);
}

std::string TrainConfig::yaml() const {
  TrainConfig copy = *this;  // the schema points into what it describes
  std::string out = copy.settings().yaml();
  if (!notes.empty()) out += "notes:\n";
  for (const auto& [name, text] : notes) out += str_cat("  ", yaml_text(name), ": ", yaml_text(text), "\n");
  return out;
}

void TrainConfig::make_paths_absolute() {
  for (std::string* const path : {&data.train, &data.val, &data.test, &pretrained, &training.teacher})
    *path = absolute_path(*path);
}

Preprocess TrainConfig::preprocess() const {
  Preprocess p = data.preprocess;
  p.height = static_cast<int>(model.image_height);
  p.width = static_cast<int>(model.image_width);
  p.channels = static_cast<int>(model.channels);
  p.mean = Preprocess().mean, p.std = Preprocess().std;
  if (data.normalization != "imagenet") p.mean = p.std = {0.5f, 0.5f, 0.5f};
  if (data.normalization != "imagenet" && data.normalization != "half") {
    float* const numbers[] = {&p.mean[0], &p.mean[1], &p.mean[2], &p.std[0], &p.std[1], &p.std[2]};
    std::string_view rest = data.normalization;
    bool right = true;
    for (int i = 0; i < 6; ++i) {
      const auto skip = [&](std::string_view what) {
        rest.remove_prefix(std::min(rest.find_first_not_of(what), rest.size()));
      };
      skip(" ");
      if (i == 3 && rest.starts_with("/")) rest.remove_prefix(1), skip(" ");
      const std::string_view number = rest.substr(0, rest.find_first_of(" /"));
      right = right && detail::parse_number(number, *numbers[i]);
      rest.remove_prefix(number.size());
    }
    check<ConfigError>(right && rest.empty(), "data.normalization is \"", data.normalization,
                       "\", expected imagenet, half, or three means and three deviations as "
                       "0.5 0.5 0.5 / 0.2 0.2 0.2");
  }
  return p;
}

TrainTransform TrainConfig::train_transform() const {
  return {.base = preprocess(),
          .scale_min = data.scale_min,
          .hflip = data.hflip,
          .alternate = data.flip == "alternating",
          .augment = data.augment,
          .erase = data.erase};
}

void TrainConfig::adopt(const ModelConfig& other) {
  const Preprocess& p = other.preprocess;
  const auto texts = [](const std::array<float, 3>& v) { return str_cat(v[0], " ", v[1], " ", v[2]); };
  model = other.vit;
  model.input_dropout = model.attention_dropout = model.dropout = model.drop_path = model.head_dropout = 0;
  image_size = p.height == p.width ? str_cat(p.height) : str_cat(p.height, "x", p.width);
  data.preprocess = p;
  data.normalization = p.mean == Preprocess().mean && p.std == Preprocess().std
                           ? "imagenet"
                           : str_cat(texts(p.mean), " / ", texts(p.std));
}

void TrainConfig::check_fits(const ViTConfig& trained) const {
  constexpr std::string_view kMayDiffer[] = {
      "image_height", "image_width",   "patch_size",        "channels", "num_classes",
      "head_dropout", "input_dropout", "attention_dropout", "dropout",  "drop_path"};
  const auto wanted = field_texts(model), found = field_texts(trained);
  for (std::size_t i = 0; i < wanted.size(); ++i)
    check<ConfigError>(
        wanted[i] == found[i] || std::ranges::find(kMayDiffer, wanted[i].first) != std::end(kMayDiffer),
        "model.", wanted[i].first, " is ", wanted[i].second, ", model.pretrained=", pretrained, " has ",
        found[i].second, "; leave it out");
  check<ConfigError>(model.channels == trained.channels || model.channels == 1, "model.channels is ",
                     model.channels, ", model.pretrained=", pretrained, " has ", trained.channels,
                     "; expected that, or 1");
}

void TrainConfig::note(std::string name, std::string text) {
  check<ConfigError>(detail::is_utf8(name), kNotes, name,
                     ": the name of a note is not UTF-8, as config.yaml is");
  for (auto& [known, old] : notes)
    if (known == name) return static_cast<void>(old = std::move(text));
  notes.emplace_back(std::move(name), std::move(text));
}

void TrainConfig::resolve() {
  check<ConfigError>(!data.train.empty(), "data.train is not set, expected a folder ",
                     pretrains() ? "of images, as data.train=photos"
                                 : "with a sub-folder of images for each class, as data.train=photos; to try "
                                   "it on handwritten digits: bash examples/demo.sh");
  for (std::string* const path : {&data.train, &data.val, &data.test, &training.teacher, &output, &multirun})
    *path = expand_home(*path);
  std::tie(model.image_height, model.image_width) = size_from(image_size, "model.image_size");
  check<ConfigError>(training.min_lr <= training.lr, "training.min_lr is ", training.min_lr,
                     ", expected at most training.lr, which is ", training.lr);
  check<ConfigError>(duration_from(training.budget).has_value(), "training.budget is \"", training.budget,
                     "\", expected a time as 90s, 30m, 2h or 1h30m, or 0 for none");
  const auto& t = training;
  check<ConfigError>(t.folds == 0 || (t.folds >= 2 && t.fold < t.folds), "training.folds is ", t.folds,
                     " and training.fold ", t.fold, ", expected 2 parts or more, and one of them");
  check<ConfigError>(t.folds == 0 || data.val.empty(),
                     "training.folds cuts data.train into parts; leave out data.val");
  check<ConfigError>(t.sam == 0 || t.accumulate == 1, "training.sam needs training.accumulate=1, it is ",
                     t.accumulate);
  check<ConfigError>(data.repeats == 1 || data.sampler == "shuffle",
                     "data.repeats needs data.sampler=shuffle");
  check<ConfigError>(t.loss != "binary" || t.class_weights == "none",
                     "training.loss=binary has no training.class_weights");
  model.validate();
  if (pretrains()) pretrain.validate();
  preprocess().validate();
  static_cast<void>(TrainStages(*this));  // for what they throw
  static_cast<void>(training.fine_tuning.frozen_blocks(model));
  static_cast<void>(parse_class_weights(training.class_weights));
}

}  // namespace minivit::cli
