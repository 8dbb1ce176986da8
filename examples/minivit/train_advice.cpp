// Advice before a training: images and model, classes and counts that do not fit each other.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>

#include "minivit/core/check.hpp"
#include "program.hpp"
#include "train_opening.hpp"

namespace minivit::cli {

namespace {

/// "a, b, c and 4 more".
std::string list(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i)
    out += str_cat(i > 0 ? ", " : "", names[i]);
  return names.size() <= kShown ? out : str_cat(out, " and ", names.size() - kShown, " more");
}

/// Images that are enlarged more than twice. A pretrained model is used at its own size with reason.
std::string enlarged(const TrainConfig& c, const DataFacts& f) {
  const image::ImageSize& middle = f.median;
  const std::int64_t found = std::min(middle.width, middle.height),
                     wanted = std::min(c.model.image_width, c.model.image_height);
  if (found == 0 || !c.pretrained.empty() || wanted <= 2 * found) return {};
  const std::int64_t patch = found <= 48   ? 4
                             : found <= 96 ? 8
                                           : 16,
                     size = std::max<std::int64_t>(16, (found + patch - 1) / patch * patch);
  return str_cat("the images are ", middle.width, 'x', middle.height, " pixels and are enlarged to ",
                 c.model.image_width, 'x', c.model.image_height,
                 ", which takes time and adds nothing; better model.image_size=", size,
                 " model.patch_size=", patch);
}

std::string few_for_validation(const TrainConfig& c, const DataFacts& f) {
  const std::size_t n = f.val_total();
  if (n == 0 || n >= 50) return {};
  return str_cat("the validation accuracy is of ", n, n == 1 ? " image" : " images", ", so one image is ",
                 format("%.0f", 100.0 / static_cast<double>(n)),
                 " % and the best epoch is chosen by chance; ",
                 f.own_val ? "put more into data.val"
                           : format("raise data.val_fraction (now %g), or add images", c.data.val_fraction));
}

std::string few_for_training(const TrainConfig& c, const DataFacts& f) {
  if (!c.pretrained.empty() || f.train_total() >= 5000 ||
      std::min(c.model.image_width, c.model.image_height) < 64)
    return {};
  return str_cat(
      f.train_total(),
      " images are few to learn to see from; a model that has seen many gets further: --config-name "
      "finetune model.pretrained=FOLDER (docs/pretrained.md says which)");
}

/// Classes that are one, but for the capitals in their names.
std::string alike(const DataFacts& f) {
  std::map<std::string, std::string> seen;
  for (const std::string& name : f.classes) {
    std::string lower = name;
    for (char& c : lower)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (const auto [at, fresh] = seen.emplace(std::move(lower), name); !fresh)
      return str_cat("the names of the classes \"", at->second, "\" and \"", name,
                     "\" differ in capitals only; if they mean the same, put their images into one folder");
  }
  return {};
}

}  // namespace

std::vector<std::string> advice_lines(const TrainConfig& c, const DataFacts& f) {
  std::vector<std::string> lines, without, small;
  const auto say = [&](std::string line) {
    if (!line.empty()) lines.push_back("note: " + std::move(line));
  };
  if (c.pretrains()) {  // without classes
    say(enlarged(c, f));
    return lines;
  }
  for (std::size_t i = 0; i < f.classes.size(); ++i) {
    if (f.val[i] == 0) without.push_back(f.classes[i]);
    if (f.train[i] < 10) small.push_back(str_cat(f.classes[i], " (", f.train[i], ")"));
  }
  say(enlarged(c, f));
  say(few_for_training(c, f));
  say(few_for_validation(c, f));
  say(alike(f));
  if (!without.empty())
    say(str_cat("no validation images of ", without.size(),
                without.size() == 1 ? " class: " : " classes: ", list(without), "; how well ",
                without.size() == 1 ? "it is" : "they are", " recognized is not seen"));
  if (!small.empty() && small.size() < f.classes.size())
    say(str_cat("fewer than ten training images of ", small.size(),
                small.size() == 1 ? " class: " : " classes: ", list(small),
                "; add some, or leave the class out"));
  else if (!small.empty())
    say("no class has ten training images; add some");
  const auto [least, most] = std::ranges::minmax_element(f.train);
  if (least != f.train.end() && *least > 0 && *most >= 5 * *least)
    say(str_cat("\"", f.classes[static_cast<std::size_t>(most - f.train.begin())], "\" has ",
                format("%.0f", static_cast<double>(*most) / static_cast<double>(*least)),
                " times as many images as \"", f.classes[static_cast<std::size_t>(least - f.train.begin())],
                "\": look at the accuracy of each class at the end"));
  if (f.train_total() < static_cast<std::size_t>(c.training.batch_size))
    say(str_cat("an epoch is one step: training.batch_size is ", c.training.batch_size, ", and there are ",
                f.train_total(), " images; a smaller batch makes more steps"));
  return lines;
}

}  // namespace minivit::cli
