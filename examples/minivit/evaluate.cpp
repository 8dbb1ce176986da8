// Measures a model on a folder of images whose classes are known:
//   evaluate --run DIR | --model DIR | --latest | --best [--json] FOLDER
#include <CLI/CLI.hpp>
#include <memory>
#include <minivit/data/mirror.hpp>
#include <minivit/vit.hpp>

#include "choose_run.hpp"
#include "command.hpp"
#include "escaped.hpp"
#include "images.hpp"
#include "minivit/io/json.hpp"
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
  std::string images, split;
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

int evaluate_folder(const EvaluateOptions& options) {
  const std::filesystem::path folder = options.choice.folder();
  const ImageClassifier model(options.choice.load(folder));
  check<ConfigError>(!model.labels().empty(), folder.native(),
                     ": the model has no classes; minivit embed gives its features, minivit train "
                     "model.pretrained=… and minivit probe --save add classes");
  // A class of the folder that the model does not know is an error that names it.
  const ImageFolder images(measured_folder(options), model.preprocess(),
                           {.classes = model.labels(), .max_pixels = options.max_pixels});
  for (const std::string& line : left_out_of(images)) say_line("minivit evaluate", line);
  // An image that cannot be read is named and left out, however many there are: the number is said.
  DataLoader loader(
      images,
      {.batch_size = options.batch_size, .max_bad_fraction = 1.0, .on_skip = [](const std::string& why) {
         std::fprintf(stderr, "minivit evaluate: skipped: %s\n", printable(why).c_str());
       }});
  Metrics m;
  for (const Batch& batch : loader.epoch(0))
    m.add(options.flip ? with_mirrored(model.net(), batch.images) : model.net()(batch.images), batch.labels,
          model.multi_label());
  const std::size_t skipped = loader.skipped().size();
  check<FileError>(m.samples > 0, "none of ", skipped, " images can be read");
  if (options.json)
    std::printf("%s\n",
                shown_json(io::json_text(io::Json::object({{"images", m.samples},
                                                           {"correct", m.correct},
                                                           {"top1", m.top1()},
                                                           {"top5", m.top5()},
                                                           {"loss", m.loss()},
                                                           {"skipped", skipped},
                                                           {"model", escaped_bytes(folder.native())}})))
                    .c_str());
  else
    std::printf("%s\n", accuracy_text(m, model.labels().size()).c_str());
  if (skipped > 0) std::fprintf(stderr, "minivit evaluate: %zu images were skipped\n", skipped);
  return skipped > 0 ? 1 : 0;
}

std::function<int()> setup_evaluate(CLI::App& app) {
  const auto options = std::make_shared<EvaluateOptions>();
  options->choice.add_to(app, true);
  app.add_option("--batch", options->batch_size, "images at a time")
      ->check(number_from(1, 65536))
      ->capture_default_str();
  add_max_pixels(app, options->max_pixels);
  app.add_flag("--json", options->json, "the result as one JSON object");
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
