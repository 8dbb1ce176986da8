// Says what is on images: predict [--run DIR | --model DIR | --latest | --best] [--top K] [--threshold P]
// [--json | --csv] [--sort-into DIR] IMAGE|FOLDER|-...
//
// Without a model it lists the trained runs and asks for one, without images for these, one after the other.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <memory>
#include <minivit/data/mirror.hpp>
#include <minivit/vit.hpp>
#include <optional>

#include "choose_run.hpp"
#include "command.hpp"
#include "escaped.hpp"
#include "images.hpp"
#include "option_checks.hpp"
#include "prediction_output.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "read_image.hpp"
#include "sort_into.hpp"
#include "standard_streams.hpp"
#include "text_table.hpp"
#include "user_path.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kStandardInput = "-";

struct PredictOptions {
  ModelChoice choice;
  std::vector<std::string> images;
  std::size_t top = 5;
  double threshold = 0;
  std::int64_t max_pixels = image::kDefaultMaxPixels;
  bool json = false, csv = false, link = false, flip = false;
  std::string sort_into;

  PredictionOutput::Format format() const {
    return json  ? PredictionOutput::Format::json
           : csv ? PredictionOutput::Format::csv
                 : PredictionOutput::Format::text;
  }
  bool reads_input() const { return std::ranges::find(images, kStandardInput) != images.end(); }
};

/// Predicts images, names those that cannot be, and goes on.
class Predictor {
 public:
  Predictor(const ImageClassifier& model, const PredictOptions& options, const std::string& folder)
      : model_(model),
        top_(std::min(options.top, model.labels().size())),
        max_pixels_(options.max_pixels),
        output_({options.format(), folder, top_, options.threshold}),
        flip_(options.flip) {
    if (!options.sort_into.empty()) sorter_.emplace(options.sort_into, model.labels(), options.link);
  }

  /// A line for each image of the files and folders that are named; - is standard input.
  void predict(std::span<const std::string> names) {
    std::vector<fs::path> paths;
    for (const std::string& name : names)
      if (name == kStandardInput)
        paths.emplace_back(name);
      else
        try {
          add(find_images({name}), paths);
        } catch (const FileError& e) {  // a misspelled name does not keep the others from being predicted
          fail(e.what());
          output_.failed(name, e.what());
        }
    std::size_t width = 0;
    for (const auto& path : paths) width = std::max(width, TextTable::length(escaped(path.native())));
    output_.align(width);
    constexpr std::size_t kBatch = 8;  // images at a time: enough to keep the cores busy
    for (std::size_t begin = 0; begin < paths.size(); begin += kBatch)
      predict_batch(std::span(paths).subspan(begin, std::min(kBatch, paths.size() - begin)));
  }

  /// Whether an image could not be predicted, or not be sorted.
  bool failed() const { return failed_; }

  /// Says on standard error what was sorted, if it was asked for.
  void say_sorted(const std::string& into) const {
    if (!sorter_) return;
    std::fprintf(stderr, "minivit predict: %zu images sorted into %s", sorter_->count(),
                 printable(into).c_str());
    if (unsure_ > 0) std::fprintf(stderr, ", %zu below the threshold were not", unsure_);
    std::fputc('\n', stderr);
  }

 private:
  /// Images are shrunk one by one as they are decoded: of a large one no more is kept than the model sees.
  void predict_batch(std::span<const fs::path> paths) {
    std::vector<Image> images;
    std::vector<std::string> problems(paths.size());
    for (std::size_t i = 0; i < paths.size(); ++i) try {
        const Preprocess& p = model_.preprocess();
        images.push_back(paths[i] == kStandardInput ? read_standard_input(p, max_pixels_)
                                                    : read_image(paths[i], p, max_pixels_));
      } catch (const FileError& e) { problems[i] = e.what(); }
    const Tensor logits = images.empty() ? Tensor()
                          : flip_        ? with_mirrored(model_.net(), prepared(images))
                                         : model_.net()(prepared(images));
    std::int64_t row = 0;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      if (problems[i].empty()) try {
          const std::int64_t at = row++;
          const Tensor values = logits.rows(at, at + 1);
          predicted(paths[i], values.values());
          continue;
        } catch (const Error& e) {  // a logit that is no number
          problems[i] = str_cat(paths[i].native(), ": ", e.what());
        }
      fail(problems[i]);
      output_.failed(paths[i].native(), problems[i]);
    }
    flush_output();
  }

  Tensor prepared(std::span<const Image> images) const {
    const Preprocess& p = model_.preprocess();
    const Shape shape = p.sample_shape();
    Tensor batch = Tensor::empty({static_cast<std::int64_t>(images.size()), shape[0], shape[1], shape[2]});
    const auto size = static_cast<std::size_t>(shape.numel());
    for (std::size_t i = 0; i < images.size(); ++i)
      image::to_tensor(images[i], p, batch.values().subspan(i * size, size));
    return batch;
  }

  void predicted(const fs::path& path, std::span<const float> logits) {
    const auto best = model_.ranked(logits, top_);
    output_.row(path.native(), best, logits);
    if (!sorter_) return;
    if (output_.reached(best).empty()) {
      ++unsure_;
      return;
    }
    try {
      sorter_->put(path, static_cast<std::size_t>(best[0].label));
    } catch (const FileError& e) { fail(e.what()); }
  }

  /// Adds images to `paths`, and says what else is in their folders.
  void add(FoundImages found, std::vector<fs::path>& paths) {
    if (found.say("minivit predict")) failed_ = true;
    std::ranges::move(found.paths, std::back_inserter(paths));
  }

  void fail(const std::string& why) {
    std::fprintf(stderr, "minivit predict: %s\n", printable_lines(why).c_str());
    failed_ = true;
  }

  const ImageClassifier& model_;
  std::size_t top_;
  std::int64_t max_pixels_;
  PredictionOutput output_;
  bool flip_;
  std::optional<ImageSorter> sorter_;
  std::size_t unsure_ = 0;
  bool failed_ = false;
};

/// What was typed as a path: without the quotes that terminals put around a file that is dropped on them, and
/// with a home folder for the ~ that no shell has replaced.
std::string as_path(std::string typed) {
  const char first = typed.front();
  if (typed.size() >= 2 && (first == '\'' || first == '"') && typed.back() == first)
    typed = typed.substr(1, typed.size() - 2);
  return expand_home(typed);
}

/// Asks for images until there is no answer. Returns whether something could not be read.
bool ask_for_images(Predictor& predictor, std::FILE* out) {
  bool failed = false;
  for (;;) {
    const auto typed = ask(out, "image or folder: ");
    if (!typed || typed->empty()) return failed;
    try {
      const std::string path = as_path(*typed);
      predictor.predict({&path, 1});
    } catch (const FileError& e) {
      std::fprintf(stderr, "minivit predict: %s\n", printable_lines(e.what()).c_str());
      failed = true;
    }
  }
}

int predict(const PredictOptions& options) {
  std::FILE* const out = options.json || options.csv ? stderr : stdout;  // of questions
  const bool asked = !options.choice.made();
  const fs::path folder = asked ? options.choice.ask_for_folder(out) : options.choice.folder();
  if (asked)
    std::fprintf(out, "%s\n", printable(folder.native()).c_str());
  else if (!options.choice.latest && !options.choice.best)  // of these it is said where they are looked up
    std::fprintf(stderr, "minivit predict: model: %s\n", printable(folder.native()).c_str());
  const ImageClassifier model(options.choice.load(folder));
  check<ConfigError>(!model.labels().empty(), folder.native(),
                     ": the model has no classes; minivit embed gives its features, minivit train "
                     "model.pretrained=… and minivit probe --save add classes");
  if (!options.sort_into.empty()) check_sort_into(options.sort_into, options.images);
  Predictor predictor(model, options, folder.native());
  const bool unread = options.images.empty() && ask_for_images(predictor, out);
  predictor.predict(options.images);
  predictor.say_sorted(options.sort_into);
  return unread || predictor.failed() ? 1 : 0;
}

std::function<int()> setup_predict(CLI::App& app) {
  const auto options = std::make_shared<PredictOptions>();
  options->choice.add_to(app, false);
  app.add_option("--top", options->top, "classes to show")
      ->check(number_from(1, 1000000))
      ->capture_default_str();
  app.add_option("--threshold", options->threshold, "show only classes of at least this probability")
      ->check(number_from(0.0, 1.0));
  auto* json = app.add_flag("--json", options->json, "one JSON object a line");
  app.add_flag("--csv", options->csv, "a table with a header")->excludes(json);
  auto* sort_into =
      app.add_option("--sort-into", options->sort_into,
                     "copy each image into a sub-folder of this one, named as its most probable "
                     "class; overwrites nothing");
  app.add_flag("--flip", options->flip,
               "the mean of what the model says of each image and of its mirror image");
  add_max_pixels(app, options->max_pixels);
  app.add_flag("--link", options->link, "symbolic links in place of copies")->needs(sort_into);
  app.add_option("images", options->images, "images, or folders of images; - is an image on standard input");
  app.footer(
      "One image is decoded at a time and shrunk to the model's size before the next: memory holds the model "
      "and\n"
      "one image, three bytes a pixel. Exit code 1 if an image could not be read; the others are predicted.");
  app.final_callback([options] {
    if (options->choice.made() && options->images.empty()) throw CLI::RequiredError("images");
    if (!options->reads_input()) return;
    if (!options->choice.made())
      throw CLI::ValidationError("-", "an image on standard input needs --run, --model, --latest or --best");
    if (!options->sort_into.empty())
      throw CLI::ValidationError("--sort-into", "an image on standard input has no name");
    if (std::ranges::count(options->images, kStandardInput) > 1)
      throw CLI::ValidationError("-", "standard input has one image");
  });
  return [options] { return predict(*options); };
}

}  // namespace

extern constexpr Command predict_command{
    "predict", "Says what is on images. Without a model it lists the trained runs and asks.", setup_predict};

}  // namespace minivit::cli
