// A session that trains a classifier.
#include "training_session.hpp"

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "class_results.hpp"
#include "class_weights.hpp"
#include "minivit/core/atomic_file.hpp"
#include "minivit/vit.hpp"
#include "sample_images.hpp"
#include "session.hpp"
#include "teacher_of.hpp"
#include "test_best.hpp"

namespace minivit::cli {

namespace {

/// Who is asked and told while a model is evaluated.
template <class GoOn, class OnAnswers>
struct Watched {
  GoOn go_on;
  OnAnswers answered;
  bool operator()() const { return go_on(); }
};

template <class GoOn, class OnAnswers>
Watched(GoOn, OnAnswers) -> Watched<GoOn, OnAnswers>;

/// Labels are learned, and the accuracy says what is best.
class Classification {
 public:
  Classification(const std::filesystem::path& run, const TrainConfig& config, const TrainingImages& images,
                 VisionTransformer& model)
      : run_(run),
        c_(config),
        images_(images),
        model_(model),
        class_weights_(class_weights(config.training.class_weights, images.train_labels(), images.classes())),
        teacher_(teacher_of(config, images)) {}

  VisionTransformer& model() { return model_; }
  VisionTransformer& network() { return model_; }
  TrainingView seen(const ViewOptions& view) const { return TrainingView(model_, view); }
  const std::vector<std::string>& classes() const { return images_.classes(); }

  ObjectiveOptions objective() const {
    const auto& t = c_.training;
    return {.label_smoothing = t.label_smoothing,
            .class_weights = class_weights_,
            .binary = t.loss == "binary",
            .teacher = teacher_};
  }

  template <class Batches, class GoOn, class OnBatch>
  Metrics measure(Batches&& batches, const GoOn& go_on, const OnBatch& on_batch) {
    measured_ = ClassResults(classes().size());
    Metrics so_far;
    const Watched watched{go_on, [&](const Tensor& logits, std::span<const int> labels) {
                            measured_.add(logits, labels);
                            so_far.add(logits, labels);
                            on_batch(so_far);
                          }};
    return evaluate(model_, batches, watched);
  }

  /// Of few images the same number is right often: then the loss decides.
  bool is_better(const Metrics& val, const TrainingState& best) const {
    return val.top1() > best.best_val_acc ||
           (val.top1() == best.best_val_acc && val.loss() < best.best_val_loss);
  }

  bool is_progress(const Metrics& val, const TrainingState& best) const {
    return val.top1() > best.best_val_acc;
  }

  /// Names the first tensor that is not finite: weights that the last step of an epoch made too large are
  /// seen here first.
  template <class Batches>
  void check_finite(Batches&& batches, const ParameterArena& parameters, std::int64_t step) const {
    const NoGrad values_only;
    const Training off(false);
    for (const Batch& batch : batches) {
      Metrics part;
      part.add(model_(batch.images).value(), batch.labels);
      if (!std::isfinite(part.loss()))
        throw NotFinite(str_cat("step ", step, ": the validation loss is ", part.loss(), "; ",
                                not_finite_in_forward(model_, batch.images, parameters),
                                "; lower the learning rate, or look for broken images"));
    }
  }

  void show(io::TensorBoard* board, std::int64_t epoch) const {
    if (board)
      show_samples(*board, epoch, model_, images_.val, images_.val_part, c_.log.images, c_.preprocess());
  }

  void keep_best() {
    io::write_file_atomically(run_ / "per_class.csv", measured_.csv(classes()));
    best_ = std::move(measured_);
  }

  void save_best(const std::filesystem::path& folder) const {
    if (!has_lora(model_)) return save_model(folder, model_, classes(), c_.preprocess());
    VisionTransformer merged = model_;  // an ordinary model for everybody else
    merge_lora(merged);
    save_model(folder, merged, classes(), c_.preprocess());
  }

  std::optional<Metrics> test(const std::function<bool()>& go_on,
                              const std::function<void(const std::string&)>& on_skip) const {
    if (!images_.test) return std::nullopt;
    return test_best(run_, images_, static_cast<std::size_t>(c_.training.batch_size), c_.data.workers, go_on,
                     on_skip, c_.data.test_flip);
  }

  /// Of the best epoch; if that was in an earlier session it is measured with `validation`, if given.
  template <class Loader, class GoOn>
  std::vector<std::string> result_lines(Loader* validation, const GoOn& go_on) {
    if (!best_ && validation) {
      best_.emplace(classes().size());
      const ModelBundle bundle = load_bundle(run_ / "best");
      evaluate(bundle.net, validation->epoch(0),
               Watched{go_on, [&](const Tensor& logits, std::span<const int> labels) {
                         best_->add(logits, labels);
                       }});
    }
    return best_ && best_->images() > 0 ? cli::result_lines(*best_, classes()) : std::vector<std::string>();
  }

 private:
  const std::filesystem::path& run_;
  const TrainConfig& c_;
  const TrainingImages& images_;
  VisionTransformer& model_;
  const std::vector<float> class_weights_;
  const TeacherOptions teacher_;
  ClassResults measured_{0};
  std::optional<ClassResults> best_;  // of the best epoch, if that was in this session
};

}  // namespace

int train_session(const std::filesystem::path& run, const TrainConfig& config, const TrainingImages& images,
                  VisionTransformer model, std::int64_t until_epoch, const ResumedRun* resumed) {
  Classification task(run, config, images, model);
  return run_session(run, config, images, task, until_epoch, resumed);
}

}  // namespace minivit::cli
