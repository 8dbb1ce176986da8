// Measures a model on a folder of images whose classes are known:
//   evaluate --run DIR | --model DIR | --latest | --best [--json] FOLDER
#include <CLI/CLI.hpp>
#include <memory>
#include <minivit/vit.hpp>

#include "choose_run.hpp"
#include "command.hpp"
#include "escaped.hpp"
#include "minivit/io/json.hpp"
#include "printable.hpp"
#include "program.hpp"

namespace minivit::cli {

namespace {

struct Options {
  ModelChoice choice;
  std::string images;
  std::size_t batch_size = 64;
  bool json = false;
};

int evaluate_folder(const Options& options) {
  const std::filesystem::path folder = options.choice.folder();
  const ImageClassifier model(options.choice.load(folder));
  // A class of the folder that the model does not know is an error that names it.
  const ImageFolder images(options.images, model.preprocess(), {.classes = model.labels()});
  // An image that cannot be read is named and left out, however many there are: the number is said.
  DataLoader loader(
      images,
      {.batch_size = options.batch_size, .max_bad_fraction = 1.0, .on_skip = [](const std::string& why) {
         std::fprintf(stderr, "minivit evaluate: skipped: %s\n", printable(why).c_str());
       }});
  Metrics m;
  for (const Batch& batch : loader.epoch(0))
    m.add(model.net()(batch.images), batch.labels, model.multi_label());
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
    std::printf("accuracy %.4f (%lld/%lld), top-5 %.4f, loss %.4f\n", m.top1(),
                static_cast<long long>(m.correct), static_cast<long long>(m.samples), m.top5(), m.loss());
  if (skipped > 0) std::fprintf(stderr, "minivit evaluate: %zu images were skipped\n", skipped);
  return skipped > 0 ? 1 : 0;
}

std::function<int()> setup(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  options->choice.add_to(app, true);
  app.add_option("--batch", options->batch_size, "images at a time")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_flag("--json", options->json, "the result as one JSON object");
  app.add_option("images", options->images, "folder")->required();
  return [options] { return evaluate_folder(*options); };
}

}  // namespace

extern constexpr Command evaluate_command{
    "evaluate", "Measures a model on a folder with a sub-folder of images for each class.", setup};

}  // namespace minivit::cli
