// The features of many images, with a word about how far it is.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <minivit/vit.hpp>
#include <string>

#include "printable.hpp"
#include "progress.hpp"

namespace minivit::cli {

/// Says on standard error how many images are done: on a terminal in a line that is written over, elsewhere
/// every half a minute.
class ImageCounter {
 public:
  ImageCounter(const char* program, std::size_t total) : program_(program), total_(total) {}
  ImageCounter(const ImageCounter&) = delete;
  ImageCounter& operator=(const ImageCounter&) = delete;
  ~ImageCounter() { clear(); }

  /// So many more are done.
  void add(std::size_t images) {
    done_ += images;
    const auto now = Clock::now();
    rate_.add(static_cast<double>(images), std::chrono::duration<double>(now - last_).count());
    last_ = now;
    if (now - shown_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(30'000)))
      return;
    shown_ = now;
    const double left = static_cast<double>(total_ - done_) / rate_.value();
    std::fprintf(stderr, "%s%s: %zu of %zu images  %.0f images/s  %s left%s", terminal_ ? "\r" : "", program_,
                 done_, total_, rate_.value(), clock_text(left).c_str(), terminal_ ? "\x1b[K" : "\n");
  }

  /// A line of its own.
  void line(const std::string& text) {
    clear();
    std::fprintf(stderr, "%s: %s\n", program_, printable(text).c_str());
  }

 private:
  using Clock = std::chrono::steady_clock;

  void clear() const {
    if (terminal_) std::fputs("\r\x1b[K", stderr);
  }

  const char* program_;
  std::size_t total_, done_ = 0;
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  Rate rate_;
  Clock::time_point last_ = Clock::now(), shown_ = last_;
};

/// Calls f(batch, features) with the features (B, C) of every batch of a data set, in order: what the head of
/// the model sees. Names what cannot be read on standard error, leaves it out, and returns how many that are.
/// Throws Error if it is more than the share `max_bad_fraction`, and what `f` throws.
template <Dataset D, class F>
std::size_t for_each_features(const char* program, const PackedViT& net, const D& images,
                              std::size_t batch_size, double max_bad_fraction, const F& f) {
  const NoGrad values_only;
  ImageCounter counter(program, images.size());
  DataLoader loader(images, {.batch_size = batch_size,
                             .max_bad_fraction = max_bad_fraction,
                             .on_skip = [&](const std::string& why) { counter.line("skipped: " + why); }});
  for (const Batch& batch : loader.epoch(0)) {
    f(batch, net.features(batch.images));
    counter.add(batch.labels.size());
  }
  return loader.skipped().size();
}

}  // namespace minivit::cli
