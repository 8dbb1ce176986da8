// Says what is on images: predict [--run DIR | --model DIR | --latest | --best] [--top K] [--json]
// IMAGE|FOLDER...
//
// Without a model it lists the trained runs and asks for one, without images for these, one after the other.
#include <CLI/CLI.hpp>
#include <memory>
#include <minivit/vit.hpp>

#include "choose_run.hpp"
#include "command.hpp"
#include "images.hpp"
#include "minivit/io/json.hpp"
#include "program.hpp"
#include "standard_streams.hpp"
#include "text_table.hpp"

namespace minivit::cli {

namespace {

struct Options {
  ModelChoice choice;
  std::vector<std::string> images;
  std::size_t top = 5;
  bool json = false;
};

io::Json as_json(const std::string& image, const std::vector<Prediction>& best,
                 std::span<const float> logits) {
  io::Json top = io::Json::array();
  for (const Prediction& p : best)
    top.push_back(io::Json::object({{"label", p.name}, {"probability", p.probability}}));
  return io::Json::object({{"image", image},
                           {"label", best[0].name},
                           {"confidence", best[0].probability},
                           {"top", std::move(top)},
                           {"logits", io::Json(logits)}});
}

/// A line for each image, which are files or folders. Returns the exit code.
int predict_images(const ImageClassifier& model, const std::vector<std::string>& given,
                   const Options& options) {
  const auto paths = find_images(given);
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
        std::fprintf(stderr, "minivit predict: %s\n", printable_lines(e.what()).c_str());
        ++unreadable;
      }
    if (images.empty()) continue;
    const Tensor logits = model.logits(images);
    for (std::size_t i = 0; i < images.size(); ++i) {
      const Tensor row = logits.rows(static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1);
      const auto best = model.ranked(row.values(), options.top);
      if (options.json) {
        std::printf("%s\n", io::json_text(as_json(names[i], best, row.values())).c_str());
        continue;
      }
      std::printf("%-*s ", static_cast<int>(width), printable(names[i]).c_str());
      for (const Prediction& p : best)
        std::printf("  %s %.1f%%", printable(p.name).c_str(), 100.0 * static_cast<double>(p.probability));
      std::printf("\n");
    }
    flush_output();
  }
  return unreadable > 0 ? 1 : 0;
}

/// What was typed as a path: without the quotes that terminals put around a file that is dropped on them, and
/// with a home folder for the ~ that no shell has replaced.
std::string as_path(std::string typed) {
  const char first = typed.front();
  if (typed.size() >= 2 && (first == '\'' || first == '"') && typed.back() == first)
    typed = typed.substr(1, typed.size() - 2);
  const char* const home = std::getenv("HOME");
  if (home && typed.starts_with("~/")) typed.replace(0, 1, home);
  return typed;
}

/// Asks for images until there is no answer. Returns 1 if any could not be read.
int ask_for_images(const ImageClassifier& model, const Options& options, std::FILE* out) {
  int code = 0;
  for (;;) {
    const auto typed = ask(out, "image or folder: ");
    if (!typed || typed->empty()) return code;
    try {
      if (predict_images(model, {as_path(*typed)}, options) != 0) code = 1;
    } catch (const FileError& e) {
      std::fprintf(stderr, "minivit predict: %s\n", printable_lines(e.what()).c_str());
      code = 1;
    }
  }
}

int predict(const Options& options) {
  std::FILE* const out = options.json ? stderr : stdout;  // of questions
  const bool asked = !options.choice.made();
  const auto folder = asked ? options.choice.ask_for_folder(out) : options.choice.folder();
  if (asked) std::fprintf(out, "%s\n", printable(folder.string()).c_str());
  const ImageClassifier model(options.choice.load(folder));
  check<ConfigError>(!model.labels().empty(), folder.string(), ": the model has no classes");
  return options.images.empty() ? ask_for_images(model, options, out)
                                : predict_images(model, options.images, options);
}

std::function<int()> setup(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  options->choice.add_to(app, false);
  app.add_option("--top", options->top, "classes to show")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_flag("--json", options->json, "one JSON object a line");
  app.add_option("images", options->images, "images, or folders of images");
  app.final_callback([options] {
    if (options->choice.made() && options->images.empty()) throw CLI::RequiredError("images");
  });
  return [options] { return predict(*options); };
}

}  // namespace

extern constexpr Command predict_command{
    "predict", "Says what is on images. Without a model it lists the trained runs and asks.", setup};

}  // namespace minivit::cli
