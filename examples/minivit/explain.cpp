// Shows which parts of images an answer rests on:
//   explain [--run DIR | --model DIR | --latest | --best] [--method NAME] [--class NAME] --out DIR
//   IMAGE|FOLDER...
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <minivit/vit.hpp>
#include <optional>

#include "choose_run.hpp"
#include "command.hpp"
#include "escaped.hpp"
#include "images.hpp"
#include "minivit/insight/explain.hpp"
#include "minivit/insight/faithfulness.hpp"
#include "minivit/insight/scores.hpp"
#include "minivit/io/json.hpp"
#include "minivit/io/npy.hpp"
#include "option_checks.hpp"
#include "overlay.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "read_image.hpp"
#include "standard_streams.hpp"
#include "user_path.hpp"

namespace minivit::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kAll = "all";

struct ExplainOptions {
  ModelChoice choice;
  std::vector<std::string> images;
  std::string out, method = "relevance", class_name;
  int layer = -1, head = -1;
  std::int64_t max_pixels = image::kDefaultMaxPixels;
  bool json = false;

  std::vector<Explanation> methods() const {
    if (const auto one = enum_value<Explanation>(method)) return {*one};
    std::vector<Explanation> all;
    for (const auto& entry : kEnumNames<Explanation>) all.push_back(entry.value);
    return all;
  }
};

std::vector<std::string> method_names() {
  std::vector<std::string> names{kAll};
  for (const auto& entry : kEnumNames<Explanation>) names.emplace_back(entry.name);
  return names;
}

/// The number of a class by its name. Throws ConfigError that lists some of those that there are.
int class_of(const std::vector<std::string>& labels, const std::string& name) {
  const auto found = std::ranges::find(labels, name);
  if (found != labels.end()) return static_cast<int>(found - labels.begin());
  std::string known;
  for (std::size_t i = 0; i < std::min<std::size_t>(labels.size(), 10); ++i)
    known += str_cat(i > 0 ? ", " : "", labels[i]);
  throw ConfigError(str_cat("--class ", name, ": the model has no such class; it knows ", known,
                            labels.size() > 10 ? ", …" : ""));
}

/// One map of one image.
struct Shown {
  Explanation method;
  Tensor map;
  Faithfulness score;
  fs::path picture, numbers;
};

class ExplainRun {
 public:
  ExplainRun(ModelBundle model, const ExplainOptions& options)
      : labels_(std::move(model.labels)),
        preprocess_(model.preprocess),
        explainer_(std::move(model.net)),
        options_(options) {}

  /// Pictures and numbers of an image in the folder, and what is said about it.
  void explain(const fs::path& path, const std::string& name) const {
    const Image image = read_image(path, preprocess_, options_.max_pixels);
    const Shape shape = preprocess_.sample_shape();
    Tensor x = Tensor::empty({1, shape[0], shape[1], shape[2]});
    image::to_tensor(image, preprocess_, x.values());
    const std::vector<double> p = probability(x);
    const int answer = static_cast<int>(std::ranges::max_element(p) - p.begin()),
              target = options_.class_name.empty() ? answer : class_of(labels_, options_.class_name);
    std::vector<Shown> shown;
    for (const Explanation method : options_.methods()) {
      Tensor map = map_of(method, x, target);
      const Faithfulness score = faithfulness(explainer_.net(), x, target, map);
      const std::string file = str_cat(name, ".", enum_name(method));
      const fs::path folder = options_.out;
      encode_png(folder / (file + ".png"), overlay(x, map, preprocess_));
      io::NpyWriter numbers(folder / (file + ".npy"), map.size(1));
      numbers.append(map.values());
      numbers.commit();
      shown.push_back({method, std::move(map), score, folder / (file + ".png"), folder / (file + ".npy")});
    }
    say(path, answer, target, p, shown);
  }

 private:
  std::vector<double> probability(const Tensor& x) const {
    const NoGrad values_only;
    const Training off(false);
    return probabilities(explainer_.net()(x).value());
  }

  Tensor map_of(Explanation method, const Tensor& x, int target) const {
    if (method == Explanation::attention) return explainer_.attention(x, options_.layer, options_.head);
    if (method == Explanation::grad_cam) return explainer_.grad_cam(x, target, options_.layer);
    return explainer_.map(method, x, target);
  }

  void say(const fs::path& path, int answer, int target, const std::vector<double>& p,
           const std::vector<Shown>& shown) const {
    const auto name_of = [&](int k) { return labels_[static_cast<std::size_t>(k)]; };
    if (options_.json) {
      io::Json maps = io::Json::array();
      for (const Shown& s : shown)
        maps.push_back(io::Json::object({{"method", std::string(enum_name(s.method))},
                                         {"deletion", s.score.deletion},
                                         {"insertion", s.score.insertion},
                                         {"picture", escaped_bytes(s.picture.native())},
                                         {"map", escaped_bytes(s.numbers.native())}}));
      const io::Json json = io::Json::object({{"image", escaped_bytes(path.native())},
                                              {"answer", name_of(answer)},
                                              {"probability", p[static_cast<std::size_t>(answer)]},
                                              {"class", name_of(target)},
                                              {"maps", std::move(maps)}});
      std::printf("%s\n", shown_json(io::json_text(json)).c_str());
    } else {
      std::printf("%s: %s %.1f %%%s\n", printable(path.native()).c_str(), printable(name_of(answer)).c_str(),
                  100 * p[static_cast<std::size_t>(answer)],
                  target == answer ? ""
                                   : format("; explained is %s, %.1f %%", printable(name_of(target)).c_str(),
                                            100 * p[static_cast<std::size_t>(target)])
                                         .c_str());
      for (const Shown& s : shown)
        std::printf("  %-22s deletion %.3f  insertion %.3f  %s\n", std::string(enum_name(s.method)).c_str(),
                    s.score.deletion, s.score.insertion, printable(s.picture.native()).c_str());
    }
    flush_output();
  }

  std::vector<std::string> labels_;
  Preprocess preprocess_;
  Explainer explainer_;
  const ExplainOptions& options_;
};

/// Names of files for images: their own, with a number where two are alike.
std::vector<std::string> file_names(const std::vector<fs::path>& paths) {
  std::vector<std::string> names;
  for (const fs::path& path : paths) {
    const std::string stem = path.stem().native();
    std::string name = stem;
    for (int n = 2; std::ranges::find(names, name) != names.end(); ++n) name = str_cat(stem, "-", n);
    names.push_back(std::move(name));
  }
  return names;
}

int explain(const ExplainOptions& options) {
  const fs::path folder = options.choice.folder();
  if (!options.choice.latest && !options.choice.best)
    std::fprintf(stderr, "minivit explain: model: %s\n", printable(folder.native()).c_str());
  ModelBundle model = options.choice.load(folder);
  check<ConfigError>(!model.labels.empty(), folder.native(),
                     ": the model has no classes, so it gives no answer to explain");
  const fs::path out = expand_home(options.out);
  if (!options.class_name.empty()) static_cast<void>(class_of(model.labels, options.class_name));
  const FoundImages found = find_images(options.images);
  bool failed = found.say("minivit explain");
  std::error_code error;
  fs::create_directories(out, error);
  check<FileError>(!error, out.native(), ": cannot be made a folder (", error.message(), ")");
  ExplainOptions expanded = options;
  expanded.out = out.native();
  const ExplainRun run(std::move(model), expanded);
  const std::vector<std::string> names = file_names(found.paths);
  for (std::size_t i = 0; i < names.size(); ++i) try {
      run.explain(found.paths[i], names[i]);
    } catch (const FileError& e) {
      std::fprintf(stderr, "minivit explain: %s\n", printable_lines(e.what()).c_str());
      failed = true;
    }
  return failed ? 1 : 0;
}

std::function<int()> setup_explain(CLI::App& app) {
  const auto options = std::make_shared<ExplainOptions>();
  options->choice.add_to(app, true);
  app.add_option("--out", options->out, "folder for pictures and numbers")->required();
  app.add_option("--method", options->method, "what is drawn")
      ->check(CLI::IsMember(method_names()))
      ->capture_default_str();
  app.add_option("--class", options->class_name,
                 "the class to explain; the most probable, if nothing is said");
  app.add_option("--layer", options->layer, "of attention and grad_cam; -1 is the last")
      ->capture_default_str();
  app.add_option("--head", options->head, "of attention; -1 is the mean of all")
      ->check(number_from(-1, 1024))
      ->capture_default_str();
  add_max_pixels(app, options->max_pixels);
  app.add_flag("--json", options->json, "one JSON object a line");
  app.add_option("images", options->images, "images, or folders of images")->required();
  app.footer(
      "Of each image a picture NAME.METHOD.png, yellow where it counts most, and the numbers by patch as "
      "NAME.METHOD.npy.\n"
      "deletion: mean probability of the class while the patches that count most are taken away first, the "
      "lower "
      "the better the map;\n"
      "insertion: the same while they are put there first, the higher the better.");
  return [options] { return explain(*options); };
}

}  // namespace

extern constexpr Command explain_command{"explain", "Shows which parts of images an answer rests on.",
                                         setup_explain};

}  // namespace minivit::cli
