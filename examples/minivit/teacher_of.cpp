// A trained model, loaded to be a teacher.
#include "teacher_of.hpp"

#include "minivit/io/pretrained.hpp"
#include "minivit/io/teacher.hpp"
#include "model_path.hpp"

namespace minivit::cli {

TeacherOptions teacher_of(const TrainConfig& c, const TrainingImages& images) {
  const auto& t = c.training;
  if (t.teacher.empty()) return {};
  const Pretrained loaded = load_pretrained(find_model(t.teacher, "training.teacher"));
  return {.logits = Teacher(ImageClassifier(loaded.model), c.preprocess(), images.classes()),
          .share = t.teacher_share,
          .temperature = t.teacher_temperature,
          .hard = t.teacher_targets == "hard"};
}

}  // namespace minivit::cli
