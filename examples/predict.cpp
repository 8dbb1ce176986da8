// Says what is on images: predict --run DIR | --model DIR [--top K] [--json] IMAGE|FOLDER...
#include <CLI/CLI.hpp>
#include <minivit/vit.hpp>

#include "images.hpp"
#include "program.hpp"

using namespace minivit;

namespace {

struct Options {
  std::string run, model;
  std::vector<std::string> images;
  std::size_t top = 5;
  bool json = false;

  /// Where the model is: a run folder keeps its best one in `best`.
  std::filesystem::path folder() const {
    return run.empty() ? std::filesystem::path(model) : std::filesystem::path(run) / "best";
  }
};

Json as_json(const std::string& image, const std::vector<Prediction>& best, std::span<const float> logits) {
  Json top = Json::array();
  for (const Prediction& p : best)
    top.push_back(Json::object({{"label", p.name}, {"probability", p.probability}}));
  return Json::object({{"image", image},
                       {"label", best[0].name},
                       {"confidence", best[0].probability},
                       {"top", std::move(top)},
                       {"logits", Json::array(logits)}});
}

int predict(const Options& options) {
  const Model model = load_model(options.folder());
  check<ConfigError>(!model.labels.empty(), options.folder().string(), ": the model has no classes");
  const auto paths = find_images(options.images);
  std::size_t width = 0;
  for (const auto& path : paths) width = std::max(width, path.string().size());

  int unreadable = 0;
  constexpr std::size_t kBatch = 8;  // images at a time: enough to keep the cores busy
  for (std::size_t begin = 0; begin < paths.size(); begin += kBatch) {
    std::vector<Image> images;
    std::vector<std::string> names;
    for (std::size_t i = begin; i < std::min(paths.size(), begin + kBatch); ++i) try {
        images.push_back(decode_image(paths[i]));
        names.push_back(paths[i].string());
      } catch (const FileError& e) {
        std::fprintf(stderr, "predict: %s\n", e.what());
        ++unreadable;
      }
    if (images.empty()) continue;
    const Tensor logits = model.logits(images);
    for (std::size_t i = 0; i < images.size(); ++i) {
      const Tensor row = logits.rows(static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1);
      const auto best = model.ranked(row.values(), options.top);
      if (options.json) {
        std::printf("%s\n", as_json(names[i], best, row.values()).dump().c_str());
        continue;
      }
      std::printf("%-*s ", static_cast<int>(width), names[i].c_str());
      for (const Prediction& p : best)
        std::printf("  %s %.1f%%", p.name.c_str(), 100.0 * static_cast<double>(p.probability));
      std::printf("\n");
    }
    std::fflush(stdout);
  }
  return unreadable > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  wait_asleep(argv);
  Options options;
  CLI::App app("Says what is on images.", "predict");
  auto* source = app.add_option_group("model", "which model")->require_option(1);
  source->add_option("--run", options.run, "run folder of `train`: its best model");
  source->add_option("--model", options.model, "model folder: config.json and model.safetensors");
  app.add_option("--top", options.top, "classes to show")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object a line");
  app.add_option("images", options.images, "images, or folders of images")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }
  return run_program("predict", [&] { return predict(options); });
}
