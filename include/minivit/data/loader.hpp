// Batches, loaded ahead by background threads, the same ones whatever the number of threads.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/file.hpp"
#include "minivit/core/rng.hpp"
#include "minivit/core/thread.hpp"
#include "minivit/data/dataset.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Samples to be worked on together.
struct Batch {
  Tensor images;                     ///< (B, C, H, W)
  std::vector<int> labels;           ///< B
  std::vector<std::size_t> indices;  ///< B, of the data set
  std::size_t number = 0;            ///< of the batch in its epoch; the next one is what to resume with
};

/// Settings of a DataLoader.
struct LoaderOptions {
  std::size_t batch_size = 32;
  bool shuffle = false;  ///< another order in every epoch
  /// In place of `shuffle`: the numbers of the samples of an epoch in order, `epoch_size` of them. One that
  /// comes again is augmented in another way. BalancedSampler and EpochSampler are such functions.
  std::function<std::vector<std::size_t>(std::uint64_t epoch)> order{};
  std::size_t epoch_size = 0;  ///< samples that `order` gives; 0: as many as the data set has
  bool drop_last = false;      ///< leave out a last batch of fewer than batch_size samples
  std::uint64_t seed = 0;      ///< of order and augmentation
  int workers = 1;   ///< background threads, 0 to 256; 0: samples are loaded when they are asked for
  int prefetch = 2;  ///< batches loaded ahead, 1 to 1024

  /// More distinct unreadable samples than this share of the data set end the run, see `too_many_bad`.
  double max_bad_fraction = 0.01;
  /// Samples that are known to be unreadable: they are left out without a try and without a word, but count.
  std::vector<std::size_t> known_bad{};
  /// Told of each unreadable sample once, on the thread of `next`.
  std::function<void(const std::string&)> on_skip{};
};

/// True if `bad` of `all` samples that cannot be read are more than the share `max_fraction`, and at least
/// ten: fewer are no reason to give up, however few there are in all, unless the share is 0.
[[nodiscard]] inline bool too_many_bad(std::size_t bad, std::size_t all, double max_fraction) {
  constexpr std::size_t kFew = 10;
  return static_cast<double>(bad) > max_fraction * static_cast<double>(all) &&
         (bad >= kFew || max_fraction == 0);
}

/// Goes through a data set in batches. The order is drawn from (seed, epoch) and what is random in a sample
/// from (seed, epoch, index, how often it came before), so the batches are the same bit for bit with any
/// number of workers, and an epoch can be resumed at any batch.
///
/// A sample whose `load` throws FileError is left out of its batch, which gets smaller; no other sample
/// moves. Any other exception of `load`, AccessError among them, comes out of `next`: what the machine does
/// must not decide what is trained on. Not thread-safe itself; the data set must outlive the loader.
template <Dataset D>
class DataLoader {
 public:
  /// Loads nothing before `start`. Throws ConfigError for options out of range or a data set with no batch.
  explicit DataLoader(const D& dataset, LoaderOptions options = {})
      : dataset_(dataset),
        options_(std::move(options)),
        size_(dataset.size()),
        sample_shape_(dataset.sample_shape()) {
    check<ConfigError>(options_.batch_size >= 1, "loader: batch_size is 0, expected at least 1");
    check<ConfigError>(options_.workers >= 0 && options_.workers <= 256, "loader: workers is ",
                       options_.workers, ", expected 0 to 256");
    check<ConfigError>(options_.prefetch >= 1 && options_.prefetch <= 1024, "loader: prefetch is ",
                       options_.prefetch, ", expected 1 to 1024");
    check<ConfigError>(options_.max_bad_fraction >= 0 && options_.max_bad_fraction <= 1,
                       "loader: max_bad_fraction is ", options_.max_bad_fraction, ", expected 0 to 1");
    check<ConfigError>(size_ > 0, "loader: the data set is empty");
    check<ConfigError>(options_.epoch_size == 0 || options_.order,
                       "loader: epoch_size needs an order that is as long");
    epoch_size_ = options_.epoch_size > 0 ? options_.epoch_size : size_;
    known_bad_.assign(size_, 0);
    for (const std::size_t index : options_.known_bad) {
      check<ConfigError>(index < size_, "loader: known_bad names sample ", index, " of ", size_);
      known_bad_[index] = 1;
    }
    check<ConfigError>(batches_per_epoch() > 0, "loader: batch_size ", options_.batch_size,
                       " with drop_last leaves nothing of ", epoch_size_, " samples");
    options_.batch_size = std::min(options_.batch_size, epoch_size_);  // buffers need not be larger
    sample_size_ = static_cast<std::size_t>(sample_shape_.numel());
  }
  explicit DataLoader(const D&&, LoaderOptions = {}) = delete;  // would dangle
  DataLoader(const DataLoader&) = delete;
  DataLoader& operator=(const DataLoader&) = delete;

  /// Stops loading; does not wait for more than the samples that are being loaded.
  ~DataLoader() { stop(); }

  [[nodiscard]] const LoaderOptions& options() const noexcept { return options_; }

  [[nodiscard]] std::size_t batches_per_epoch() const noexcept {
    return options_.drop_last ? epoch_size_ / options_.batch_size
                              : (epoch_size_ - 1) / options_.batch_size + 1;
  }

  /// Starts epoch `epoch` at its batch number `first_batch`; what was going on before is stopped.
  /// Throws ConfigError if first_batch exceeds batches_per_epoch().
  void start(std::uint64_t epoch, std::size_t first_batch = 0) {
    check<ConfigError>(first_batch <= batches_per_epoch(), "loader: cannot start at batch ", first_batch,
                       " of ", batches_per_epoch());
    stop();
    epoch_ = epoch;
    arrange(epoch);
    end_ = std::min(epoch_size_, batches_per_epoch() * options_.batch_size);
    delivered_ = first_batch;
    position_ = std::min(end_, first_batch * options_.batch_size);
    stopping_ = false;
    slots_.resize(options_.workers > 0 ? static_cast<std::size_t>(options_.prefetch) : 1);
    for (std::size_t i = 0; i < slots_.size(); ++i) prepare(first_batch + i);
    for (int i = 0; i < options_.workers; ++i) workers_.push_back(start_thread([this] { work(); }));
  }

  /// The next batch of the epoch that was started. False after the last one, or if none was started. Gives
  /// back the buffer of `batch` for reuse. A batch without a readable sample is passed over. Throws Error if
  /// too many samples cannot be read, and whatever `load` throws; the epoch is over then.
  bool next(Batch& batch) {
    while (delivered_ < batches_per_epoch() && !slots_.empty()) {
      Slot& slot = slots_[delivered_ % slots_.size()];
      if (options_.workers == 0) {
        for (; position_ < end_of(delivered_); ++position_) load(position_);
      } else {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [&] { return slot.pending == 0; });
      }
      try {
        hand_over(slot, batch);
        const std::lock_guard lock(mutex_);
        prepare(delivered_ + slots_.size());
        ++delivered_;
      } catch (...) {
        stop();
        delivered_ = batches_per_epoch();
        throw;
      }
      room_.notify_all();
      if (!batch.labels.empty()) return true;
    }
    return false;
  }

  /// One message for each sample that could not be read so far, by index of the sample.
  [[nodiscard]] std::vector<std::string> skipped() const {
    std::vector<std::string> messages;
    for (const auto& [index, message] : bad_) messages.push_back(message);
    return messages;
  }

  /// The batches of an epoch for a range-based for loop: `for (const Batch& batch : loader.epoch(3))`.
  /// The batch is valid until the next step of the loop. Throws as `start`; the loop throws as `next`.
  auto epoch(std::uint64_t epoch, std::size_t first_batch = 0) {
    start(epoch, first_batch);
    return Epoch(*this);
  }

 private:
  struct Slot {
    Tensor images;                      // room for batch_size samples
    std::vector<int> labels;            // one for each sample
    std::vector<std::string> failures;  // why it could not be read; empty if it could
    std::exception_ptr error;           // any other failure
    std::size_t pending = 0;            // samples still to be loaded
  };

  class Epoch {
   public:
    explicit Epoch(DataLoader& loader) : loader_(loader) {}
    class Iterator {
     public:
      using value_type = Batch;
      using difference_type = std::ptrdiff_t;
      explicit Iterator(Epoch& epoch) : epoch_(&epoch) { ++*this; }
      const Batch& operator*() const { return epoch_->batch_; }
      Iterator& operator++() {
        more_ = epoch_->loader_.next(epoch_->batch_);
        return *this;
      }
      void operator++(int) { ++*this; }
      bool operator==(std::default_sentinel_t) const { return !more_; }

     private:
      Epoch* epoch_;
      bool more_ = false;
    };
    Iterator begin() { return Iterator(*this); }
    std::default_sentinel_t end() const { return {}; }

   private:
    DataLoader& loader_;
    Batch batch_;
  };

  // Puts the samples of an epoch in order.
  void arrange(std::uint64_t epoch) {
    times_.clear();
    if (!options_.order) {
      order_.resize(size_);
      std::iota(order_.begin(), order_.end(), std::size_t{0});
      if (options_.shuffle) detail::shuffle(order_, Rng(options_.seed ^ detail::kShuffleSeed, epoch));
      return;
    }
    order_ = options_.order(epoch);
    check<ConfigError>(order_.size() == epoch_size_, "loader: the order of an epoch has ", order_.size(),
                       " samples, expected ", epoch_size_);
    std::vector<std::size_t> seen(size_);
    for (const std::size_t index : order_) {
      check<ConfigError>(index < size_, "loader: the order of an epoch has sample ", index, " of ", size_);
      times_.push_back(seen[index]++);
    }
  }

  std::size_t begin_of(std::size_t batch) const { return std::min(end_, batch * options_.batch_size); }
  std::size_t end_of(std::size_t batch) const { return begin_of(batch + 1); }

  // Makes the slot of `batch` ready to be filled. While workers run, the caller holds the mutex.
  void prepare(std::size_t batch) {
    Slot& slot = slots_[batch % slots_.size()];
    slot.pending = end_of(batch) - begin_of(batch);
    slot.error = nullptr;
    if (slot.pending == 0) return;
    if (!slot.images.defined()) {
      Shape shape{static_cast<std::int64_t>(options_.batch_size)};
      for (const std::int64_t extent : sample_shape_) shape.push_back(extent);
      slot.images = Tensor::empty(shape);
    }
    slot.labels.assign(slot.pending, 0);
    slot.failures.assign(slot.pending, {});
  }

  // Loads the sample at `position` of the epoch into the slot of its batch. Each sample is loaded by one
  // thread alone.
  void load(std::size_t position) {
    const std::size_t batch = position / options_.batch_size, place = position % options_.batch_size;
    const std::size_t index = order_[position];
    Slot& slot = slots_[batch % slots_.size()];
    if (known_bad_[index]) return;
    try {
      const std::size_t times = times_.empty() ? 0 : times_[position];  // it came before
      Rng rng(options_.seed ^ detail::kAugmentSeed, epoch_, index + times * size_);
      slot.labels[place] = dataset_.load(index, rng, slot.images.data() + place * sample_size_);
    } catch (const AccessError&) { keep_error(slot); } catch (const FileError& error) {
      slot.failures[place] = error.what();
      if (slot.failures[place].empty()) slot.failures[place] = "cannot be read";
    } catch (...) { keep_error(slot); }
  }

  void keep_error(Slot& slot) {
    const std::lock_guard lock(mutex_);
    if (!slot.error) slot.error = std::current_exception();
  }

  // A worker: takes samples in order, as long as there is a slot for them.
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      room_.wait(lock, [&] {
        return stopping_ || position_ >= end_ || position_ / options_.batch_size < delivered_ + slots_.size();
      });
      if (stopping_ || position_ >= end_) return;
      const std::size_t position = position_++;
      lock.unlock();
      load(position);
      lock.lock();
      if (--slots_[position / options_.batch_size % slots_.size()].pending == 0) ready_.notify_one();
    }
  }

  // Moves a full slot into `batch`, closing the gaps of what could not be read.
  void hand_over(Slot& slot, Batch& batch) {
    if (slot.error) std::rethrow_exception(slot.error);
    batch = Batch{};  // gives its buffer back first
    batch.number = delivered_;
    const std::size_t begin = begin_of(delivered_), count = end_of(delivered_) - begin;
    float* const data = slot.images.data();
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = order_[begin + i];
      if (known_bad_[index]) continue;
      if (!slot.failures[i].empty()) {
        skip(index, slot.failures[i]);
        continue;
      }
      if (const std::size_t place = batch.labels.size(); place != i)
        std::copy_n(data + i * sample_size_, sample_size_, data + place * sample_size_);
      batch.labels.push_back(slot.labels[i]);
      batch.indices.push_back(index);
    }
    batch.images = slot.images.rows(0, static_cast<std::int64_t>(batch.labels.size()));
    slot.images = Tensor();
  }

  // Notes a sample that could not be read, once.
  void skip(std::size_t index, const std::string& reason) {
    const std::string name = dataset_.name(index);
    const auto [it, is_new] =
        bad_.emplace(index, reason.starts_with(name) ? reason : str_cat(name, ": ", reason));
    if (!is_new) return;
    if (options_.on_skip) options_.on_skip(it->second);
    const std::size_t all_bad = bad_.size() + options_.known_bad.size();
    if (!too_many_bad(all_bad, size_, options_.max_bad_fraction)) return;
    std::string message = str_cat("loader: ", all_bad, " of ", size_, " samples cannot be read, more than ",
                                  options_.max_bad_fraction * 100, " %; remove or repair them. The first:");
    std::size_t shown = 0;
    for (const auto& [bad, text] : bad_) {
      if (++shown > 5) break;
      message += str_cat("\n  ", text);
    }
    throw Error(message);
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    workers_.clear();  // joins
  }

  const D& dataset_;
  LoaderOptions options_;
  std::size_t size_ = 0, epoch_size_ = 0, sample_size_ = 0;
  Shape sample_shape_;

  std::uint64_t epoch_ = 0;
  std::vector<char> known_bad_;             // by sample
  std::vector<std::size_t> order_;          // samples of the data set in the order of the epoch
  std::vector<std::size_t> times_;          // how often each of them came before; empty: never
  std::size_t end_ = 0;                     // samples of the epoch
  std::map<std::size_t, std::string> bad_;  // used by next() alone

  // The ring: batch number b is filled in slot b % slots. What follows is guarded by the mutex, except that a
  // slot belongs to the workers while pending > 0 (each its own sample) and to next() from then on until it
  // is prepared anew.
  std::mutex mutex_;
  std::condition_variable room_, ready_;
  std::vector<Slot> slots_;
  std::size_t position_ = 0;   // next sample of the epoch to be loaded
  std::size_t delivered_ = 0;  // next batch to be handed over
  bool stopping_ = true;
  std::vector<std::jthread> workers_;  // last, so that they end first
};

}  // namespace minivit::inline MINIVIT_ABI
