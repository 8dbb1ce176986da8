// An epoch on the terminal: one line while it goes on, one row of a table when it is over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "minivit/train/metrics.hpp"
#include "terminal.hpp"

namespace minivit::cli {

/// How far an epoch is.
struct Progress {
  std::int64_t epoch = 1, epochs = 1;   ///< from 1
  std::int64_t batches = 0, total = 1;  ///< done, and of the whole epoch
  double loss = 0;                      ///< of the epoch so far
  std::optional<double> accuracy = 0;   ///< the same; none without labels
  double images_per_second = 0;         ///< of late; 0: not known
  double seconds_left = -1;             ///< of the whole training; negative: not known
  bool validation = false;              ///< of the epoch: batches, loss and accuracy are those of it
};

/// 75 -> 1:15, 3700 -> 1:01:40.
std::string clock_text(double seconds);

/// `width` characters of which `part` are full, in eighths where the terminal has them.
std::string bar_text(double part, int width, bool utf8);

/// A number of images per second: 812, 4.2, 0.03.
std::string rate_text(double per_second);

/// The line that shows the progress, on a terminal at most `width` - 1 characters: what does not fit is left
/// out from the right, the bar first becomes shorter. Elsewhere there is no bar.
std::string progress_line(const Progress& p, const Terminal& terminal);

/// How fast something goes, from the moments at which it was looked at: a mean that forgets.
class Rate {
 public:
  /// `amount` was done in `seconds`.
  void add(double amount, double seconds);
  /// Amount per second; 0 before the first.
  double value() const { return seconds_ > 0 ? amount_ / seconds_ : 0; }

 private:
  double amount_ = 0, seconds_ = 0;
};

/// What is said about an epoch that is over.
struct EpochRow {
  std::int64_t epoch = 1;
  double train_loss = 0, train_acc = 0, val_loss = 0, val_acc = 0, val_top5 = 0;
  double lr = 0, seconds = 0, images_per_second = 0;
  bool best = false;  ///< of all so far
};

/// "accuracy 0.9639 (347/360), top-5 0.9972, loss 0.1210"; of five classes or fewer there is no top-5.
std::string accuracy_text(const Metrics& m, std::size_t classes);

/// The line above the rows. With five classes or fewer the top-5 accuracy says nothing and has no column.
std::string epoch_header(bool top5);

/// A row; the best so far has a star behind its accuracy, and is bold where there are colors.
std::string epoch_line(const EpochRow& r, bool top5, bool color);

/// The same without labels: there are losses only.
std::string loss_header();
std::string loss_line(const EpochRow& r, bool color);

}  // namespace minivit::cli
