// Stages of a training, read from its settings.
#include "train_stages.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "minivit/core/check.hpp"
#include "minivit/core/number.hpp"
#include "minivit/model/summary.hpp"
#include "program.hpp"

namespace minivit::cli {

namespace {

/// A size, and the part of the epochs at the end of which it ends.
struct Step {
  std::string size;
  double until;
};

/// "16:0.3 24:0.5".
std::vector<Step> steps_from(std::string_view text, const char* setting) {
  std::vector<Step> steps;
  double until = 0;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (text.empty()) return steps;
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    const std::size_t colon = word.find(':');
    const auto share =
        colon == std::string_view::npos ? std::nullopt : to_number<double>(word.substr(colon + 1));
    check<ConfigError>(share && *share > 0, setting, " has \"", word,
                       "\", expected sizes with the part of the epochs that each has, as \"16:0.3 24:0.5\"");
    until += *share;
    check<ConfigError>(until < 1, setting, ": the parts are ", until,
                       " together, expected less than 1: the last epochs have the model's own size");
    steps.push_back({std::string(word.substr(0, colon)), until});
  }
}

/// The one that counts in this epoch, or null for the model's own.
const Step* step_at(const std::vector<Step>& steps, std::int64_t epoch, std::int64_t epochs) {
  for (const Step& step : steps)
    if (epoch < std::llround(step.until * static_cast<double>(epochs))) return &step;
  return nullptr;
}

}  // namespace

std::pair<std::int64_t, std::int64_t> size_from(std::string_view text, std::string_view setting) {
  const std::size_t x = text.find('x');
  std::pair<std::int64_t, std::int64_t> size;
  check<ConfigError>(
      detail::parse_number(text.substr(0, x), size.first) &&
          detail::parse_number(x == std::string_view::npos ? text : text.substr(x + 1), size.second),
      setting, " is \"", text, "\", expected pixels as 224, or height x width as 224x160");
  return size;
}

TrainStages::TrainStages(const TrainConfig& c) {
  const auto& t = c.training;
  const std::vector<Step> images = steps_from(t.image_sizes, "training.image_sizes"),
                          patches = steps_from(t.patch_sizes, "training.patch_sizes");
  const bool alike = images.empty() && patches.empty() && t.patch_dropout == 0;
  const double whole = alike ? 1 : static_cast<double>(mult_adds(c.model));
  for (std::int64_t epoch = 0; epoch < t.epochs; ++epoch) {
    const Step *const image = step_at(images, epoch, t.epochs), *const patch =
                                                                    step_at(patches, epoch, t.epochs);
    ViTConfig seen = c.model;
    ViewOptions view{.patch_dropout = t.patch_dropout};
    if (image) {
      std::tie(seen.image_height, seen.image_width) = size_from(image->size, "training.image_sizes");
      view.image_height = seen.image_height, view.image_width = seen.image_width;
    }
    if (patch) {
      check<ConfigError>(detail::parse_number(patch->size, seen.patch_size), "training.patch_sizes has \"",
                         patch->size, "\", expected pixels");
      view.patch_size = seen.patch_size;
    }
    if (!stages_.empty() && stages_.back().view == view) {
      stages_.back().until = epoch + 1;
      continue;
    }
    check<ConfigError>(!patch || c.model.stem == Stem::patch,
                       "training.patch_sizes needs model.stem=patch, it is ", enum_name(c.model.stem));
    try {
      seen.validate();
    } catch (const ConfigError& error) {
      throw ConfigError(str_cat(image ? "training.image_sizes: " : "training.patch_sizes: ", error.what()));
    }
    stages_.push_back(
        {epoch + 1, view,
         image || patch ? static_cast<double>(mult_adds(seen)) / static_cast<double>(whole) : 1.0});
  }
}

ViewOptions TrainStages::at(std::int64_t epoch) const {
  for (const Stage& stage : stages_)
    if (epoch < stage.until) return stage.view;
  return stages_.back().view;
}

double TrainStages::work(std::int64_t epoch) const {
  for (const Stage& stage : stages_)
    if (epoch < stage.until) return stage.work;
  return stages_.back().work;
}

double TrainStages::mean_work() const {
  double sum = 0;
  std::int64_t begin = 0;
  for (const Stage& stage : stages_) {
    sum += stage.work * static_cast<double>(stage.until - begin);
    begin = stage.until;
  }
  return sum / static_cast<double>(begin);
}

std::string TrainStages::text() const {
  if (stages_.size() < 2) return {};
  std::string out;
  std::int64_t begin = 1;
  for (const Stage& stage : stages_) {
    const ViewOptions& v = stage.view;
    std::string what;
    if (v.image_height > 0)
      what = v.image_height == v.image_width ? str_cat(v.image_height)
                                             : str_cat(v.image_height, 'x', v.image_width);
    if (v.patch_size > 0) what += str_cat(what.empty() ? "" : " ", "in patches of ", v.patch_size);
    out +=
        str_cat(out.empty() ? "" : ", ", what.empty() ? "the model's own size" : what, " from epoch ", begin);
    begin = stage.until + 1;
  }
  return "images of " + out;
}

}  // namespace minivit::cli
