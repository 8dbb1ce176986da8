// The images of a training.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "data_report.hpp"
#include "minivit/vit.hpp"
#include "train_config.hpp"

namespace minivit::cli {

/// The training images, those for validation (of a folder of their own, or a part of each class), and those
/// for a test at the end. All of them have been looked at: what cannot be read is known.
///
/// What cannot be read stays in its part and is only passed over, so that it moves no other image, whether it
/// is repaired or another one breaks between two sessions of a run.
struct TrainingImages {
  ImageFolder train, val;
  std::vector<std::size_t> train_part, val_part;  ///< indices
  std::optional<ImageFolder> test{};
  std::vector<std::size_t> train_bad{}, val_bad{},
      test_bad{};  ///< unreadable: places in the parts, in `test`
  DataReport report{};

  /// Opens the folders and looks at every image. Throws FileError if too many cannot be read
  /// (data.bad_fraction) or none of a class, after saying what is wrong on standard error.
  static TrainingImages open(const TrainConfig& c);

  /// The same images, found once more, for other settings of size and augmentation. Throws FileError if there
  /// are others now.
  TrainingImages prepared_for(const TrainConfig& c) const;

  const std::vector<std::string>& classes() const { return train.classes(); }

  /// Of the images that are trained on, in the order of train_part.
  std::vector<int> train_labels() const;

  /// What a resumed run must find again.
  std::string digest() const;
};

/// Where data.train, data.val or data.test is a folder of splits, puts the split in its place; data.train
/// gives the other two where they are not set. Returns lines that say so, and name what is perhaps not meant:
/// a split taken for a class, two settings that are the same folder. Throws FileError.
std::vector<std::string> choose_splits(TrainConfig& c);

}  // namespace minivit::cli
