// Answers of a model, counted by class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "minivit/tensor/tensor.hpp"

namespace minivit::cli {

/// One class.
struct ClassResult {
  std::size_t images = 0;    ///< of this class
  std::size_t right = 0;     ///< of them, those that were answered with it
  std::size_t answered = 0;  ///< images of any class that were answered with it
  int taken_for = -1;        ///< the class that its other images were most often taken for; -1: none
  std::size_t times = 0;     ///< how often

  double recall() const { return ratio(right, images); }
  double precision() const { return ratio(right, answered); }

 private:
  static double ratio(std::size_t part, std::size_t of) {
    return of > 0 ? static_cast<double>(part) / static_cast<double>(of) : 0;
  }
};

/// How often images of one class were answered with another.
class ClassResults {
 public:
  explicit ClassResults(std::size_t classes) : classes_(classes) {}

  /// Counts logits (B, K), where the largest is the answer, of equal ones the first. Throws ShapeError if
  /// there are not as many labels or as many classes.
  void add(const Tensor& logits, std::span<const int> labels);

  std::size_t images() const;
  std::size_t right() const;
  std::vector<ClassResult> rows() const;

  /// As a table with a header: class, images, right, recall, precision, taken_for, times.
  std::string csv(std::span<const std::string> names) const;

  /// As lines for the terminal, those with the lowest recall first if there are many classes.
  std::vector<std::string> table(std::span<const std::string> names) const;

 private:
  std::size_t classes_;
  std::map<std::pair<int, int>, std::size_t> counts_;  // (label, answer): most pairs never occur
};

}  // namespace minivit::cli
