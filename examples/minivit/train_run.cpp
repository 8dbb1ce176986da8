// A run: begun in a folder of its own, or taken up where it stopped.
#include "train_run.hpp"

#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "class_weights.hpp"
#include "images.hpp"
#include "minivit/core/atomic_directory.hpp"
#include "minivit/core/atomic_file.hpp"
#include "minivit/io/pretrained.hpp"
#include "minivit/io/transfer.hpp"
#include "minivit/model/mimetic.hpp"
#include "minivit/vit.hpp"
#include "printable.hpp"
#include "program.hpp"
#include "recipe_choice.hpp"
#include "resume.hpp"
#include "run_lock.hpp"
#include "teacher_of.hpp"
#include "training_images.hpp"
#include "training_session.hpp"
#include "yaml.hpp"

namespace minivit::cli {

namespace {

/// The model as training begins: new, or with the weights of a pretrained one unless it will be resumed,
/// ready for fine-tuning.
VisionTransformer make_model(const TrainConfig& c, const TrainingImages& images, bool resumed) {
  ViTConfig size = c.model;
  size.num_classes = static_cast<std::int64_t>(images.classes().size());
  manual_seed(c.training.seed);
  VisionTransformer model(size);
  if (c.init == "mimetic" && c.pretrained.empty() && !resumed) init_mimetic(model);
  if (!c.pretrained.empty() && !resumed) {
    manual_seed(c.training.seed);  // of the new rows of the head
    Pretrained before = load_pretrained(c.pretrained, {.architecture = c.architecture,
                                                       .num_heads = size.num_heads,
                                                       .missing_head = true,
                                                       .image_height = size.image_height,
                                                       .image_width = size.image_width,
                                                       .patch_size = size.patch_size,
                                                       .gray = size.channels == 1,
                                                       .classes = images.classes()});
    for (const auto* lines : {&before.guesses, &before.notes})
      for (const std::string& line : *lines)
        std::fprintf(stderr, "%s\n", printable(str_cat(c.pretrained, ": ", line)).c_str());
    take_weights(model, images.classes(), before.model);
  }
  prepare_fine_tuning(model, c.training.fine_tuning);
  return model;
}

}  // namespace

std::vector<NewFile> files_of(const TrainConfig& config, std::span<const std::string> overrides) {
  std::string list;
  for (const std::string& text : overrides) list += str_cat("- ", yaml_text(text), "\n");
  TrainConfig everywhere = config;  // what was typed is in the list
  everywhere.make_paths_absolute();
  return {{"config.yaml", everywhere.yaml()}, {"overrides.yaml", list.empty() ? "[]\n" : list}};
}

int start_run(TrainConfig config, std::span<const std::string> overrides, std::int64_t until_epoch,
              bool explain) {
  const auto begun = std::chrono::steady_clock::now();
  for (const std::string& line : choose_splits(config)) say_line("minivit train", line);
  choose_split(config);
  TrainingImages images = TrainingImages::open(config);
  if (chooses_recipe(config))
    static_cast<void>(choose_recipe_for(config, images, begun));
  else if (explain)
    std::printf("nothing is chosen: training.epochs is given, or training.budget is 0\n");
  if (explain) return 0;
  static_cast<void>(class_weights(config.training.class_weights, images.train_labels(),
                                  images.classes()));  // for what it throws
  static_cast<void>(teacher_of(config, images));
  VisionTransformer model = make_model(config, images, false);
  const auto run = std::filesystem::absolute(make_run_folder(config.output, files_of(config, overrides)));
  const RunLock lock(run);
  return train_session(run, config, images, std::move(model), until_epoch);
}

int resume_run(const std::filesystem::path& folder, std::span<const std::string> overrides,
               std::int64_t until_epoch) {
  const std::filesystem::path run = std::filesystem::absolute(folder).lexically_normal();
  ResumedRun resumed = resumed_run(run, overrides);
  const TrainConfig& config = resumed.config;
  const RunLock lock(run);
  // A kill between two renames leaves them beside their place, see replace_directory.hpp.
  for (const char* const name : {"last", "best"}) io::recover_directory(run / name);
  io::remove_stale_temporaries(run);
  const bool same_length = config.training.epochs == resumed.epochs_before;
  if (const std::string done = same_length ? nothing_left(run, config) : ""; !done.empty()) {
    std::printf("%s\n", printable(done).c_str());
    return 0;
  }
  std::error_code error;
  check<FileError>(std::filesystem::is_directory(config.data.train, error), config.data.train,
                   ": the images are not there any more; if they were moved: minivit train --resume ",
                   run.string(), " data.train=FOLDER");
  static_cast<void>(choose_splits(resumed.config));
  const TrainingImages images = TrainingImages::open(config);
  return train_session(run, config, images, make_model(config, images, std::filesystem::exists(run / "last")),
                       until_epoch, &resumed);
}

}  // namespace minivit::cli
