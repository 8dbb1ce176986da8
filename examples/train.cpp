// Trains a Vision Transformer on a folder of images: train data.train=FOLDER [name=value]...
#include <chrono>
#include <minivit/experiment/history.hpp>
#include <minivit/experiment/run_folder.hpp>
#include <minivit/experiment/run_log.hpp>
#include <minivit/experiment/train_config.hpp>
#include <minivit/vit.hpp>
#include <numeric>
#include <optional>

#include "program.hpp"

using namespace minivit;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The training images and those for validation: of a folder of their own, or a part of each class.
struct Images {
  ImageFolder train, val;
  std::vector<std::size_t> train_part, val_part;  // indices

  static Images open(const TrainConfig& c) {
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
};

template <class Optimizer>
void train(const TrainConfig& c, const std::filesystem::path& run, RunLog& log, const Images& images,
           VisionTransformer& model, ParameterArena& parameters, Optimizer& optimizer) {
  const auto& t = c.training;
  std::size_t skipped = 0;
  const auto on_skip = [&](const std::string& why) {
    ++skipped;
    log.warning(concat("skipped: ", why));
  };
  const Subset train_images(images.train, images.train_part), val_images(images.val, images.val_part);
  const auto batch_size = static_cast<std::size_t>(t.batch_size);
  DataLoader train_loader(train_images, {.batch_size = batch_size,
                                         .shuffle = true,
                                         .drop_last = train_images.size() > batch_size,
                                         .seed = t.seed,
                                         .workers = c.data.workers,
                                         .on_skip = on_skip});
  DataLoader val_loader(val_images,
                        {.batch_size = batch_size, .workers = c.data.workers, .on_skip = on_skip});

  const auto steps = static_cast<std::int64_t>(train_loader.batches_per_epoch() - 1) / t.accumulate + 1;
  const CosineSchedule schedule{
      .peak = t.lr,
      .warmup = static_cast<std::int64_t>(t.warmup * static_cast<double>(steps * t.epochs)),
      .total = steps * t.epochs,
      .last = t.min_lr};
  std::optional<Ema> ema;
  if (t.ema > 0) ema.emplace(parameters, t.ema);

  History history(run / "training_history.csv",
                  "epoch,train_loss,train_acc,val_loss,val_acc,val_top5,lr,seconds,images_per_second");
  log.line("epoch  train loss  acc      val loss  acc     top-5   lr        seconds  images/s");
  double best = -1;
  for (std::int64_t epoch = 0; epoch < t.epochs; ++epoch) {
    const double start = now();
    double lr = 0;
    const Metrics trained = train_epoch(
        model, train_loader.epoch(static_cast<std::uint64_t>(epoch)), parameters, optimizer, schedule, ema,
        {.label_smoothing = t.label_smoothing,
         .clip_norm = t.clip_norm,
         .accumulate = t.accumulate,
         .seed = t.seed},
        [&](const StepReport& report) {
          lr = report.lr;
          log.progress(format("epoch %lld/%lld  step %lld/%lld  loss %.4f  acc %.3f",
                              static_cast<long long>(epoch + 1), static_cast<long long>(t.epochs),
                              static_cast<long long>(report.batches),
                              static_cast<long long>(train_loader.batches_per_epoch()),
                              report.metrics->loss(), report.metrics->top1()));
          return true;
        });
    const double seconds = now() - start, rate = static_cast<double>(trained.samples) / seconds;

    if (ema) ema->swap();  // the average is what is evaluated and saved
    const Metrics val = evaluate(model, val_loader.epoch(0));
    save_model(run / "last", model, images.train.classes(), c.preprocess());
    if (val.top1() > best) {
      best = val.top1();
      save_model(run / "best", model, images.train.classes(), c.preprocess());
    }
    if (ema) ema->swap();

    history.row(epoch + 1, trained.loss(), trained.top1(), val.loss(), val.top1(), val.top5(), lr, seconds,
                rate);
    log.line(format("%5lld  %10.4f  %.4f  %9.4f  %.4f  %.4f  %.2e  %7.1f  %8.1f",
                    static_cast<long long>(epoch + 1), trained.loss(), trained.top1(), val.loss(), val.top1(),
                    val.top5(), lr, seconds, rate));
  }
  if (skipped > 0) log.warning(concat(skipped, " images could not be read and were skipped"));
  log.line(format("best validation accuracy %.4f", best));
}

int run_training(std::span<const std::string_view> arguments) {
  const TrainConfig c = TrainConfig::from(arguments);
  const Images images = Images::open(c);
  ViTConfig size = c.model;
  size.num_classes = static_cast<std::int64_t>(images.train.classes().size());
  manual_seed(c.training.seed);
  VisionTransformer model(size);
  model.encoder.checkpointed = c.training.checkpoint;
  ParameterArena parameters = flatten(model);

  // Nothing is written before everything is known to fit.
  const std::filesystem::path run = std::filesystem::absolute(make_run_folder(c.output));
  TrainConfig resolved = c;
  write_file_atomically(run / "config.yaml", resolved.settings().yaml());
  Json mapping = Json::object();
  for (std::size_t i = 0; i < images.train.classes().size(); ++i) mapping.set(images.train.classes()[i], i);
  write_json_file(run / "class_mapping.json", mapping);
  RunLog log(run / "train.log");
  log.line(
      format("%zu training and %zu validation images of %zu classes, %.2f million parameters, %d threads, %s",
             images.train_part.size(), images.val_part.size(), images.train.classes().size(),
             static_cast<double>(parameter_count(model)) / 1e6, num_threads(), kInstructionSet));

  const auto& t = c.training;
  if (t.optimizer == "adamw") {
    AdamW optimizer(parameters, {.beta1 = t.momentum, .beta2 = t.beta2, .weight_decay = t.weight_decay});
    train(c, run, log, images, model, parameters, optimizer);
  } else {
    Sgd optimizer(parameters, {.momentum = t.momentum, .weight_decay = t.weight_decay});
    train(c, run, log, images, model, parameters, optimizer);
  }
  log.line("run folder: " + run.string());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  wait_asleep(argv);
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    std::FILE* out = arguments.empty() ? stderr : stdout;
    std::fprintf(out,
                 "Trains a Vision Transformer on a folder of images.\n\n  train data.train=FOLDER "
                 "[name=value]...\n\n%s",
                 TrainConfig().settings().help().c_str());
    return arguments.empty() ? 2 : 0;
  }
  return run_program("train", [&] { return run_training(arguments); });
}
