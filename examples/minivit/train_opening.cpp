// Data, model and plan of a training, in a few lines.
#include "train_opening.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "minivit/core/check.hpp"
#include "minivit/core/parallel.hpp"
#include "program.hpp"
#include "train_stages.hpp"

namespace minivit::cli {

namespace {

constexpr std::size_t kNamed = 12;  // classes; of more, the smallest and the largest

/// "name (12)", with the images of both parts.
std::string class_text(const DataFacts& f, std::size_t label) {
  return str_cat(f.classes[label], " (", f.train[label] + f.val[label], ')');
}

std::string classes_text(const DataFacts& f) {
  std::vector<std::size_t> labels(f.classes.size());
  std::iota(labels.begin(), labels.end(), std::size_t{0});
  std::string out = str_cat(labels.size(), ": ");
  const auto append = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) out += str_cat(i > begin ? ", " : "", class_text(f, labels[i]));
  };
  if (labels.size() <= kNamed) {
    append(0, labels.size());
    return out;
  }
  std::ranges::stable_sort(labels, {}, [&](std::size_t l) { return f.train[l] + f.val[l]; });
  append(0, 3);
  out += ", the smallest, … ";
  append(labels.size() - 3, labels.size());
  return out + ", the largest";
}

/// "650" or "5.49 million".
std::string weights_text(std::int64_t n) {
  return n < 100000 ? str_cat(n) : format("%.2f million", static_cast<double>(n) / 1e6);
}

/// The name in front of the model's sizes.
std::string model_name(const TrainConfig& c) {
  if (!c.pretrained.empty()) return c.pretrained;
  if (c.pretrains()) return "encoder";
  const ViTConfig preset = preset_model(c.preset);
  const bool same = preset.embedding_dim == c.model.embedding_dim &&
                    preset.num_layers == c.model.num_layers && preset.num_heads == c.model.num_heads &&
                    preset.mlp_ratio == c.model.mlp_ratio;
  return same ? c.preset
              : str_cat(c.model.embedding_dim, " channels, ", c.model.num_layers,
                        c.model.num_layers == 1 ? " block" : " blocks");
}

std::string size_text(const image::ImageSize& s) { return str_cat(s.width, 'x', s.height); }

std::string sizes_text(const DataFacts& f) {
  std::string out;
  if (f.median.width > 0) {
    const std::string least = size_text(f.smallest), most = size_text(f.largest);
    out = least == most ? str_cat("all ", least, " pixels; ")
                        : str_cat(least, " to ", most, " pixels, in the middle ", size_text(f.median), "; ");
  }
  for (std::size_t i = 0; i < f.suffixes.size(); ++i)
    out += str_cat(i > 0 ? ", " : "", f.suffixes[i].second, ' ',
                   f.suffixes[i].first.empty() ? "without suffix" : f.suffixes[i].first);
  return out;
}

}  // namespace

std::vector<std::string> opening_lines(const TrainConfig& c, const DataFacts& f, const TrainPlan& plan) {
  const auto& t = c.training;
  const std::string from = f.own_val
                               ? str_cat(c.data.train, ", for validation ", c.data.val)
                               : str_cat(c.data.train, ", ", c.pretrains() ? "" : "of each class ",
                                         format("%.3g", 100 * c.data.val_fraction), " % for validation");
  const std::int64_t steps = (plan.batches - 1) / t.accumulate + 1;
  std::string model = str_cat(model_name(c), ": ", weights_text(plan.parameters), " weights");
  if (c.pretrains())
    model += str_cat(", and a decoder of ", weights_text(plan.decoder));
  else if (plan.trained < plan.parameters)
    model += str_cat(", ", weights_text(plan.trained), " of them trained");
  model += str_cat(", images of ", c.model.image_width, 'x', c.model.image_height, " in patches of ",
                   c.model.patch_size);
  if (const std::string stages = TrainStages(c).text(); !stages.empty())
    model += str_cat("; in training ", stages);
  const std::int64_t patches = c.model.patches();
  return {
      str_cat("images    ", f.train_total(), " for training, ", f.val_total(), " for validation (", from,
              ")"),
      c.pretrains() ? str_cat("learned   to complete images without labels: of ", patches, " patches ",
                              patches - visible_patches(patches, c.pretrain.mask), " are hidden")
                    : str_cat("classes   ", classes_text(f)),
      str_cat("sizes     ", sizes_text(f)), str_cat("model     ", model),
      str_cat("training  ", t.epochs, t.epochs == 1 ? " epoch of " : " epochs of ", steps,
              steps == 1 ? " step of " : " steps of ",
              std::min<std::int64_t>(t.batch_size * t.accumulate, static_cast<std::int64_t>(f.train_total())),
              " images, ", t.optimizer, ", learning rate ", format("%g", t.lr), "; ",
              plan.flop > 0 ? format("%.2g PFLOP; ", 1e-15 * plan.flop) : std::string(), num_threads(),
              num_threads() == 1 ? " thread, " : " threads, ", kInstructionSet)};
}

}  // namespace minivit::cli
