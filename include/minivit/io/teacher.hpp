// A trained model as the teacher of another one.
//
// Not part of minivit/vit.hpp.
#pragma once

#include <string>
#include <vector>

#include "minivit/io/image_classifier.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What a trained model says of a student's images: for TeacherOptions::logits. It may have been trained for
/// other classes besides, at another size and with another normalization.
class Teacher {
 public:
  /// student: how the student's images are prepared; classes: the student's, in the order of its labels.
  /// Throws ConfigError for a class that the model does not know, and unless both see as many channels.
  Teacher(ImageClassifier model, const Preprocess& student, const std::vector<std::string>& classes);

  /// Images (B, C, H, W) as the student sees them, of any size -> logits (B, K) of the student's classes.
  [[nodiscard]] Tensor operator()(const Tensor& images) const;

 private:
  ImageClassifier model_;
  Preprocess student_;
  std::vector<std::int64_t> columns_;  // of the model's logits
};

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <algorithm>
#include <utility>

#include "minivit/model/resample.hpp"
#include "minivit/ops/matmul.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// (to, from): the matrix that resizes a line of pixels.
inline Tensor resize_tensor(std::int64_t from, std::int64_t to) {
  const SmallMatrix m = resize_matrix(from, to, PositionFilter::timm);
  Tensor t = Tensor::empty({to, from});
  for (std::int64_t i = 0; i < to; ++i)
    for (std::int64_t j = 0; j < from; ++j) t(i, j) = static_cast<float>(m(i, j));
  return t;
}

}  // namespace detail

MINIVIT_INLINE Teacher::Teacher(ImageClassifier model, const Preprocess& student,
                                const std::vector<std::string>& classes)
    : model_(std::move(model)), student_(student) {
  const Preprocess& own = model_.preprocess();
  check<ConfigError>(own.channels == student.channels, "teacher: it sees ", own.channels,
                     " channels, the student ", student.channels, "; expected as many");
  for (const std::string& name : classes) {
    const auto at = std::ranges::find(model_.labels(), name);
    check<ConfigError>(at != model_.labels().end(), "teacher: it does not know the class \"", name,
                       "\"; it must know all of them");
    columns_.push_back(at - model_.labels().begin());
  }
}

MINIVIT_INLINE Tensor Teacher::operator()(const Tensor& images) const {
  const NoGrad values_only;
  const Preprocess& own = model_.preprocess();
  Var x = images;
  if (x.size(3) != own.width) x = matmul(x, detail::resize_tensor(x.size(3), own.width), false, true);
  if (x.size(2) != own.height) x = matmul(detail::resize_tensor(x.size(2), own.height), x);
  // From one normalization to the other.
  Tensor seen = x.value().clone();
  const std::int64_t C = seen.size(1), pixels = seen.size(2) * seen.size(3);
  for (std::int64_t i = 0; i < seen.size(0) * C; ++i) {
    const auto c = static_cast<std::size_t>(i % C);
    const float scale = student_.std[c] / own.std[c], shift = (student_.mean[c] - own.mean[c]) / own.std[c];
    for (float& v :
         seen.values().subspan(static_cast<std::size_t>(i * pixels), static_cast<std::size_t>(pixels)))
      v = v * scale + shift;
  }
  const Tensor all = model_.net()(seen);
  const auto K = static_cast<std::int64_t>(columns_.size());
  Tensor logits = Tensor::empty({all.size(0), K});
  for (std::int64_t i = 0; i < all.size(0); ++i)
    for (std::int64_t k = 0; k < K; ++k)
      logits(i, k) = all.data()[i * all.size(1) + columns_[static_cast<std::size_t>(k)]];
  return logits;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS
