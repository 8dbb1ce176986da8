// Quality of the features of a model for other images than it was trained on: by their nearest neighbors,
// and by a linear classifier, which can be saved as the head of the model:
//   probe --run DIR | --model DIR | --latest | --best --train FOLDER [--val FOLDER] [--save DIR] [--json]
#include <CLI/CLI.hpp>
#include <memory>
#include <minivit/train/probe.hpp>
#include <minivit/vit.hpp>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include "choose_run.hpp"
#include "command.hpp"
#include "escaped.hpp"
#include "features.hpp"
#include "images.hpp"
#include "minivit/core/atomic_directory.hpp"
#include "minivit/io/json.hpp"
#include "minivit/train/knn.hpp"
#include "model_destination.hpp"
#include "option_checks.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "read_image.hpp"
#include "user_path.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

struct ProbeOptions {
  ModelChoice choice;
  std::string train;
  std::optional<std::string> val, save;
  double val_fraction = 0.2;
  std::uint64_t seed = 0;
  std::int64_t knn = 20;
  std::size_t batch_size = 64;
  std::int64_t max_pixels = image::kDefaultMaxPixels;
  bool no_linear = false, json = false;
};

struct Samples {
  Tensor features;          // (N, C)
  std::vector<int> labels;  // N
};

Samples features_of(const PackedViT& net, const ImageFolder& folder, std::vector<std::size_t> which,
                    std::size_t batch_size) {
  const Subset images(folder, std::move(which));
  const std::int64_t C = net.config().feature_dim();
  Samples s{Tensor::empty({static_cast<std::int64_t>(images.size()), C}), {}};
  for_each_features("minivit probe", net, images, batch_size, 0.01,
                    [&](const Batch& b, const Tensor& features) {
                      std::ranges::copy(features.values(),
                                        s.features.data() + static_cast<std::int64_t>(s.labels.size()) * C);
                      s.labels.insert(s.labels.end(), b.labels.begin(), b.labels.end());
                    });
  s.features = s.features.rows(0, static_cast<std::int64_t>(s.labels.size()));
  return s;
}

std::vector<std::size_t> everything(const ImageFolder& folder) {
  std::vector<std::size_t> all(folder.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

/// The folders with the classes, for training and validation; the second empty: a part of the first. Of a
/// folder of splits they are that for training, and that for validation or the test.
std::pair<fs::path, fs::path> chosen_folders(const ProbeOptions& options) {
  const auto splits_in = [](const fs::path& folder) {
    std::error_code error;
    return fs::is_directory(folder, error) ? find_splits(folder) : FolderSplits();
  };
  const auto held_out = [](const FolderSplits& splits) {
    return splits.val.empty() ? splits.test : splits.val;
  };
  fs::path train = expand_home(options.train), val = options.val ? expand_home(*options.val) : std::string();
  if (const FolderSplits splits = splits_in(train); splits && !splits.train.empty()) {
    if (val.empty()) val = held_out(splits);
    say_line("minivit probe", str_cat(train.native(), " holds splits: trained on ", splits.train.native(),
                                      val.empty() ? "" : ", measured on ", val.native()));
    train = splits.train;
  }
  if (options.val)
    if (const FolderSplits splits = splits_in(val); splits && !held_out(splits).empty())
      val = held_out(splits);
  return {train, val};
}

/// Before minutes of work: whether a model can be written there. What is there and no model stays.
void check_destination(const fs::path& folder) {
  check_model_destination("--save", folder);
  const io::AtomicDirectory can_be_made(folder);
}

int probe(const ProbeOptions& options) {
  if (options.save) check_destination(*options.save);
  ModelBundle model = options.choice.load();
  const auto [train_folder, val_folder] = chosen_folders(options);
  const ImageFolder folder(train_folder, model.preprocess, {.max_pixels = options.max_pixels});
  for (const std::string& line : left_out_of(folder)) say_line("minivit probe", line);
  const auto K = static_cast<std::int64_t>(folder.classes().size());
  std::optional<ImageFolder> other;
  std::vector<std::size_t> train_part, val_part;
  if (!val_folder.empty()) {
    other.emplace(val_folder, model.preprocess,
                  ImageFolderOptions{.classes = folder.classes(), .max_pixels = options.max_pixels});
    for (const std::string& line : left_out_of(*other)) say_line("minivit probe", line);
    train_part = everything(folder), val_part = everything(*other);
  } else {
    std::tie(train_part, val_part) = stratified_split(folder.labels(), options.val_fraction, options.seed);
    check<ConfigError>(!val_part.empty(), options.train,
                       ": too few images to set some aside for validation; give --val");
  }
  check<ConfigError>(options.knn <= static_cast<std::int64_t>(train_part.size()), "--knn is ", options.knn,
                     ", expected at most ", train_part.size(), ", the number of images for training");
  const PackedViT net(model.net);
  const Samples train = features_of(net, folder, std::move(train_part), options.batch_size),
                val = features_of(net, other ? *other : folder, std::move(val_part), options.batch_size);
  const std::size_t n = val.labels.size();
  if (!options.json)
    std::printf("%zu images for training, %zu for validation, %lld classes, %lld features\n",
                train.labels.size(), n, static_cast<long long>(K),
                static_cast<long long>(train.features.size(1)));
  io::Json result = io::Json::object({{"train_images", train.labels.size()},
                                      {"val_images", n},
                                      {"classes", K},
                                      {"features", train.features.size(1)}});

  const auto found = knn_classify(train.features, train.labels, val.features, K, {.k = options.knn});
  std::size_t correct = 0;
  for (std::size_t i = 0; i < n; ++i) correct += found[i] == val.labels[i];
  const double share = static_cast<double>(correct) / static_cast<double>(n);
  result["knn"] = io::Json::object({{"k", options.knn}, {"correct", correct}, {"top1", share}});
  if (!options.json)
    std::printf("%lld nearest neighbors: accuracy %.4f (%zu/%zu)\n", static_cast<long long>(options.knn),
                share, correct, n);

  if (!options.no_linear) {
    LinearProbe linear = fit_linear_probe(train.features, train.labels, K, {.seed = options.seed});
    const Metrics m = evaluate_head(linear.head, val.features, val.labels);
    result["linear"] = io::Json::object({{"correct", m.correct},
                                         {"top1", m.top1()},
                                         {"top5", m.top5()},
                                         {"loss", m.loss()},
                                         {"weight_decay", linear.weight_decay}});
    if (!options.json)
      std::printf("linear classifier: accuracy %.4f (%lld/%zu), top-5 %.4f, loss %.4f, weight decay %g\n",
                  m.top1(), static_cast<long long>(m.correct), n, m.top5(), m.loss(),
                  static_cast<double>(linear.weight_decay));
    if (options.save) {
      model.net.config.num_classes = K;
      if (model.net.head_dist.weight.defined()) {  // the other head is for other classes
        model.net.head_dist = Linear();
        model.net.config.distillation = Distillation::token;
      }
      model.net.head = std::move(linear.head);
      save_model(*options.save, model.net, folder.classes(), model.preprocess);
      result["saved"] = escaped_bytes(*options.save);
      if (!options.json) std::printf("model folder: %s\n", printable(*options.save).c_str());
    }
  }
  if (options.json) std::printf("%s\n", io::json_text(result).c_str());
  return 0;
}

std::function<int()> setup_probe(CLI::App& app) {
  const auto options = std::make_shared<ProbeOptions>();
  options->choice.add_to(app, true);
  app.add_option("--train", options->train, "folder with a sub-folder of images for each class")->required();
  auto* val = app.add_option("--val", options->val, "another one with images to measure on");
  app.add_option("--val-fraction", options->val_fraction, "without it: share of each class that is set aside")
      ->excludes(val)
      ->check(number_from(0.001, 0.999))
      ->capture_default_str();
  app.add_option("--seed", options->seed, "of what is set aside")->capture_default_str();
  app.add_option("--knn", options->knn, "neighbors that vote")
      ->check(number_from(1, 1000000))
      ->capture_default_str();
  auto* no_linear = app.add_flag("--no-linear", options->no_linear, "no linear classifier");
  app.add_option("--save", options->save, "model folder to write, with the linear classifier as its head")
      ->excludes(no_linear);
  app.add_option("--batch", options->batch_size, "images at a time")
      ->check(number_from(1, 65536))
      ->capture_default_str();
  add_max_pixels(app, options->max_pixels);
  app.add_flag("--json", options->json, "the result as one JSON object");
  return [options] { return probe(*options); };
}

}  // namespace

extern constexpr Command probe_command{
    "probe", "Measures how well the features of a model tell the classes of a folder of images apart.",
    setup_probe};

}  // namespace minivit::cli
