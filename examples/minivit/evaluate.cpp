// Measures a model on a folder of images whose classes are known:
//   evaluate --run DIR | --model DIR | --latest | --best [--report DIR] [--against RUN...] [--json] FOLDER
#include <CLI/CLI.hpp>
#include <memory>
#include <minivit/data/mirror.hpp>
#include <minivit/vit.hpp>

#include "choose_run.hpp"
#include "command.hpp"
#include "escaped.hpp"
#include "evaluation.hpp"
#include "images.hpp"
#include "minivit/insight/comparison.hpp"
#include "minivit/io/json.hpp"
#include "model_path.hpp"
#include "option_checks.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "read_image.hpp"
#include "user_path.hpp"

namespace minivit::cli {

namespace {

struct EvaluateOptions {
  ModelChoice choice;
  std::string images, split, report;
  std::vector<std::string> against;
  std::size_t batch_size = 64;
  std::int64_t max_pixels = image::kDefaultMaxPixels;
  bool json = false, flip = false;
};

/// The folder with the classes: of splits the one that is named, or the one for validation, or for the test.
std::filesystem::path measured_folder(const EvaluateOptions& options) {
  const std::filesystem::path whole = expand_home(options.images);
  std::error_code error;
  const FolderSplits splits =
      std::filesystem::is_directory(whole, error) ? find_splits(whole) : FolderSplits();
  const std::string& name = options.split;
  check<FileError>(splits || name.empty(), whole.native(), ": holds no splits, leave out --split ", name);
  if (!splits) return whole;
  const auto& chosen = name == "train"        ? splits.train
                       : name == "test"       ? splits.test
                       : name == "val"        ? splits.val
                       : !splits.val.empty()  ? splits.val
                       : !splits.test.empty() ? splits.test
                                              : splits.train;
  check<FileError>(!chosen.empty(), whole.native(), ": has no split ", name);
  say_line("minivit evaluate", str_cat(whole.native(), " holds splits: measured on ", chosen.native()));
  return chosen;
}

/// What a model says of the images of a folder. Those that cannot be read are named and left out, however
/// many there are: the number is said.
struct Measured {
  NamedAnswers named;
  Metrics metrics;
  std::size_t skipped = 0;

  Measured(const ImageClassifier& model, const std::filesystem::path& folder, const EvaluateOptions& options,
           bool says) {
    // A class of the folder that the model does not know is an error that names it.
    const ImageFolder images(folder, model.preprocess(),
                             {.classes = model.labels(), .max_pixels = options.max_pixels});
    if (says)
      for (const std::string& line : left_out_of(images)) say_line("minivit evaluate", line);
    DataLoader loader(
        images,
        {.batch_size = options.batch_size, .max_bad_fraction = 1.0, .on_skip = [&](const std::string& why) {
           if (says) std::fprintf(stderr, "minivit evaluate: skipped: %s\n", printable(why).c_str());
         }});
    named.answers = collect_answers(loader.epoch(0), [&](const Tensor& x) {
      return options.flip ? with_mirrored(model.net(), x) : model.net()(x);
    });
    named.classes = model.labels();
    for (const std::size_t i : named.answers.samples) named.images.push_back(images.name(i));
    skipped = loader.skipped().size();
    check<FileError>(named.answers.images() > 0, "none of ", skipped, " images can be read");
    metrics.add(named.answers.logits, named.answers.labels, model.multi_label());
  }
};

/// Another model on the same images, and how it compares.
struct Against {
  std::string folder;
  double accuracy;
  Comparison comparison;

  io::Json json() const {
    return io::Json::object({{"model", escaped_bytes(folder)},
                             {"accuracy", accuracy},
                             {"difference", comparison.difference},
                             {"difference_low", comparison.interval.low},
                             {"difference_high", comparison.interval.high},
                             {"only_this", comparison.only_first},
                             {"only_that", comparison.only_second},
                             {"p", comparison.p}});
  }

  std::string line() const {
    return str_cat(
        printable(folder),
        format(": accuracy %.4f, %+.4f (with a probability of 95 %% between %+.4f and %+.4f); of %lld "
               "images only the first is right, of %lld only this one; p = %.3g",
               accuracy, comparison.difference, comparison.interval.low, comparison.interval.high,
               static_cast<long long>(comparison.only_first), static_cast<long long>(comparison.only_second),
               comparison.p));
  }
};

Against compared(const NamedAnswers& first, const std::filesystem::path& images, const std::string& run,
                 const EvaluateOptions& options) {
  const std::filesystem::path folder = find_model(run, "--against");
  const ImageClassifier model(options.choice.load(folder));
  const Measured other(model, images, options, false);
  check<FileError>(other.named.images == first.images, folder.native(),
                   ": it was measured on other images, since some cannot be read at its size");
  return {folder.native(), other.metrics.top1(), compare(first.answers.right(), other.named.answers.right())};
}

int evaluate_folder(const EvaluateOptions& options) {
  const std::filesystem::path folder = options.choice.folder();
  const ImageClassifier model(options.choice.load(folder));
  check<ConfigError>(!model.labels().empty(), folder.native(),
                     ": the model has no classes; minivit embed gives its features, minivit train "
                     "model.pretrained=… and minivit probe --save add classes");
  const std::filesystem::path images = measured_folder(options);
  check<ConfigError>(options.report.empty() || !model.multi_label(), folder.native(),
                     ": its classes do not exclude each other; --report is about those that do");
  const Measured measured(model, images, options, true);
  const Metrics& m = measured.metrics;
  std::vector<Against> others;
  for (const std::string& run : options.against)
    others.push_back(compared(measured.named, images, run, options));
  if (options.json) {
    io::Json json = io::Json::object({{"images", m.samples},
                                      {"correct", m.correct},
                                      {"top1", m.top1()},
                                      {"top5", m.top5()},
                                      {"loss", m.loss()}});
    if (!model.multi_label()) json["scores"] = scores_json(measured.named);
    if (!others.empty()) {
      io::Json all = io::Json::array();
      for (const Against& other : others) all.push_back(other.json());
      json["against"] = std::move(all);
    }
    json["skipped"] = measured.skipped;
    json["model"] = escaped_bytes(folder.native());
    std::printf("%s\n", shown_json(io::json_text(json)).c_str());
  } else {
    std::printf("%s\n", accuracy_text(m, model.labels().size()).c_str());
    if (!options.report.empty() || !others.empty())
      for (const std::string& line : score_lines(measured.named)) std::printf("%s\n", line.c_str());
    for (const Against& other : others) std::printf("%s\n", other.line().c_str());
  }
  if (!options.report.empty()) {
    const std::filesystem::path report = expand_home(options.report);
    const Drawn drawn = write_evaluation(report, measured.named);
    std::fprintf(stderr, "minivit evaluate: scores, tables%s are in %s\n", drawn.drawn ? " and pictures" : "",
                 printable(report.native()).c_str());
    if (!drawn.drawn)
      std::fprintf(stderr, "minivit evaluate: the pictures are not drawn: %s\n",
                   printable(drawn.why).c_str());
  }
  if (measured.skipped > 0)
    std::fprintf(stderr, "minivit evaluate: %zu images were skipped\n", measured.skipped);
  return measured.skipped > 0 ? 1 : 0;
}

std::function<int()> setup_evaluate(CLI::App& app) {
  const auto options = std::make_shared<EvaluateOptions>();
  options->choice.add_to(app, true);
  app.add_option("--batch", options->batch_size, "images at a time")
      ->check(number_from(1, 65536))
      ->capture_default_str();
  add_max_pixels(app, options->max_pixels);
  app.add_flag("--json", options->json, "the result as one JSON object");
  app.add_option("--report", options->report,
                 "folder for all scores, tables by class and by image, confusion matrix and calibration");
  app.add_option("--against", options->against,
                 "another run or model folder to compare with on the same images; may be given several times")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--flip", options->flip,
               "the mean of what the model says of each image and of its mirror image");
  app.add_option("--split", options->split,
                 "of a folder of splits: train, val or test; val, if nothing is said")
      ->check(CLI::IsMember({"train", "val", "test"}));
  app.add_option("images", options->images, "folder")->required();
  return [options] { return evaluate_folder(*options); };
}

}  // namespace

extern constexpr Command evaluate_command{
    "evaluate", "Measures a model on a folder with a sub-folder of images for each class.", setup_evaluate};

}  // namespace minivit::cli
