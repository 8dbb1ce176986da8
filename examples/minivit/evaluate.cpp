// Measures a model on a folder of images whose classes are known:
//   evaluate --run DIR | --model DIR | --latest | --best [--json] FOLDER
#include <CLI/CLI.hpp>
#include <minivit/vit.hpp>

#include "choose_run.hpp"
#include "program.hpp"

using namespace minivit;

namespace {

struct Options {
  ModelChoice choice;
  std::string images;
  std::size_t batch_size = 64;
  bool json = false;
};

int evaluate_folder(const Options& options) {
  const ImageClassifier model(options.choice.load());
  // A class of the folder that the model does not know is an error that names it.
  const ImageFolder images(options.images, model.preprocess(), {.classes = model.labels()});
  DataLoader loader(images, {.batch_size = options.batch_size, .on_skip = [](const std::string& why) {
                               std::fprintf(stderr, "evaluate: skipped: %s\n", why.c_str());
                             }});
  const Metrics m = evaluate(model.net(), loader.epoch(0));
  if (options.json)
    std::printf("%s\n", io::json_text(io::Json::object({{"images", m.samples},
                                                        {"correct", m.correct},
                                                        {"top1", m.top1()},
                                                        {"top5", m.top5()},
                                                        {"loss", m.loss()}}))
                            .c_str());
  else
    std::printf("accuracy %.4f (%lld/%lld), top-5 %.4f, loss %.4f\n", m.top1(),
                static_cast<long long>(m.correct), static_cast<long long>(m.samples), m.top5(), m.loss());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  wait_asleep(argv);
  Options options;
  CLI::App app("Measures a model on a folder with a sub-folder of images for each class.", "evaluate");
  options.choice.add_to(app, true);
  app.add_option("--batch", options.batch_size, "images at a time")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_flag("--json", options.json, "the result as one JSON object");
  app.add_option("images", options.images, "folder")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }
  return run_program("evaluate", [&] { return evaluate_folder(options); });
}
