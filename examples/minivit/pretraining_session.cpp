// A session that trains an encoder without labels.
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "minivit/core/atomic_file.hpp"
#include "minivit/data/image.hpp"
#include "minivit/vit.hpp"
#include "reconstructions.hpp"
#include "session.hpp"
#include "training_session.hpp"

namespace minivit::cli {

namespace {

/// Images are completed, and the loss says what is best. What is kept is the encoder, which has no classes.
class Completion {
 public:
  Completion(const std::filesystem::path& run, const TrainConfig& config, const TrainingImages& images,
             MaskedAutoencoder& model)
      : run_(run), c_(config), images_(images), model_(model) {}

  MaskedAutoencoder& model() { return model_; }
  VisionTransformer& network() { return model_.encoder; }
  const MaskedAutoencoder& seen(const ViewOptions&) const { return model_; }
  const std::vector<std::string>& classes() const { return none_; }
  ObjectiveOptions objective() const { return {}; }

  template <class Batches, class GoOn, class OnBatch>
  Metrics measure(Batches&& batches, const GoOn& go_on, const OnBatch& on_batch) const {
    return evaluate(model_, batches, Measured<GoOn, OnBatch>{go_on, on_batch});
  }

  bool is_better(const Metrics& val, const TrainingState& best) const {
    return best.best_epoch == 0 || val.loss() < best.best_val_loss;
  }
  bool is_progress(const Metrics& val, const TrainingState& best) const { return is_better(val, best); }

  template <class Batches>
  void check_finite(Batches&& batches, const ParameterArena& parameters, std::int64_t step) const {
    const NoGrad values_only;
    const Training off(false);
    for (const Batch& batch : batches) {
      const double loss =
          model_.loss(batch.images, measured_mask(model_, batch.images.size(0), batch.number)).item();
      if (!std::isfinite(loss))
        throw NotFinite(str_cat("step ", step, ": the validation loss is ", loss, "; ",
                                not_finite_in_forward(model_, batch.images, parameters),
                                "; lower the learning rate, or look for broken images"));
    }
  }

  /// reconstructions.png of this epoch in the place of that of the last.
  void show(io::TensorBoard* board, std::int64_t epoch) const {
    const Image picture =
        reconstructions(model_, images_.val, images_.val_part, c_.log.images, c_.preprocess());
    if (picture.pixels.empty()) return;
    const std::vector<std::uint8_t> png = image::encode_png(picture);
    io::write_file_atomically(run_ / "reconstructions.png",
                              std::string_view(reinterpret_cast<const char*>(png.data()), png.size()));
    if (board) board->image("reconstructions", epoch, picture);
  }

  void keep_best() const {}

  void save_best(const std::filesystem::path& folder) const {
    save_model(folder, model_.encoder, none_, c_.preprocess());
  }

  std::optional<Metrics> test(const std::function<bool()>&,
                              const std::function<void(const std::string&)>&) const {
    return std::nullopt;
  }

  template <class Loader, class GoOn>
  std::vector<std::string> result_lines(Loader*, const GoOn&) const {
    std::error_code error;
    const std::filesystem::path picture = run_ / "reconstructions.png";
    if (!std::filesystem::exists(picture, error)) return {};
    return {str_cat("pictures: ", short_path(picture).native(),
                    ": images, what is seen of them, and what is made of that")};
  }

 private:
  /// Who is asked and told while it is measured.
  template <class GoOn, class OnBatch>
  struct Measured {
    const GoOn& go_on;
    const OnBatch& measured;
    bool operator()() const { return go_on(); }
  };

  const std::filesystem::path& run_;
  const TrainConfig& c_;
  const TrainingImages& images_;
  MaskedAutoencoder& model_;
  const std::vector<std::string> none_;
};

}  // namespace

int pretrain_session(const std::filesystem::path& run, const TrainConfig& config,
                     const TrainingImages& images, MaskedAutoencoder model, std::int64_t until_epoch,
                     const ResumedRun* resumed) {
  Completion task(run, config, images, model);
  return run_session(run, config, images, task, until_epoch, resumed);
}

}  // namespace minivit::cli
