// A run: begun in a folder of its own, or taken up where it stopped.
#include "train_run.hpp"

#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "class_weights.hpp"
#include "images.hpp"
#include "minivit/core/atomic_directory.hpp"
#include "minivit/core/atomic_file.hpp"
#include "minivit/io/pretrained.hpp"
#include "minivit/io/transfer.hpp"
#include "minivit/model/mimetic.hpp"
#include "minivit/train/masked_autoencoder.hpp"
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
      for (const std::string& line : *lines) say_line(command_of(c.task), str_cat(c.pretrained, ": ", line));
    take_weights(model, images.classes(), before.model);
  }
  prepare_fine_tuning(model, c.training.fine_tuning);
  return model;
}

/// The autoencoder as pretraining begins.
MaskedAutoencoder make_autoencoder(const TrainConfig& c, bool resumed) {
  ViTConfig size = c.model;
  size.num_classes = 1;  // what is made of it has no head
  manual_seed(c.training.seed);
  VisionTransformer encoder(size);
  if (c.init == "mimetic" && !resumed) init_mimetic(encoder);
  return MaskedAutoencoder(std::move(encoder), c.pretrain);
}

/// What a session trains, once the settings are complete and before the run has a folder.
class Model {
 public:
  Model(const TrainConfig& c, const TrainingImages& images, bool resumed) {
    if (c.pretrains())
      model_ = make_autoencoder(c, resumed);
    else
      model_ = make_model(c, images, resumed);
  }

  int session(const std::filesystem::path& run, const TrainConfig& c, const TrainingImages& images,
              std::int64_t until_epoch, const ResumedRun* resumed = nullptr) {
    if (auto* const autoencoder = std::get_if<MaskedAutoencoder>(&model_))
      return pretrain_session(run, c, images, std::move(*autoencoder), until_epoch, resumed);
    return train_session(run, c, images, std::move(std::get<VisionTransformer>(model_)), until_epoch,
                         resumed);
  }

 private:
  std::variant<VisionTransformer, MaskedAutoencoder> model_;
};

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
  for (const std::string& line : choose_splits(config)) say_line(command_of(config.task), line);
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
  Model model(config, images, false);
  const auto run = std::filesystem::absolute(make_run_folder(config.output, files_of(config, overrides)));
  const RunLock lock(run);
  return model.session(run, config, images, until_epoch);
}

int resume_run(const std::filesystem::path& folder, std::span<const std::string> overrides,
               std::int64_t until_epoch, Task task) {
  const std::filesystem::path run = std::filesystem::absolute(folder).lexically_normal();
  ResumedRun resumed = resumed_run(run, overrides, task);
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
                   ": the images are not there any more; if they were moved: ", command_of(task),
                   " --resume ", run.string(), " data.train=FOLDER");
  static_cast<void>(choose_splits(resumed.config));
  const TrainingImages images = TrainingImages::open(config);
  return Model(config, images, std::filesystem::exists(run / "last"))
      .session(run, config, images, until_epoch, &resumed);
}

}  // namespace minivit::cli
