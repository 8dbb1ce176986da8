// Curves, histograms, images, texts and hyper-parameters of a run, for TensorBoard.
//
// Not part of minivit/vit.hpp. Needs protozero (libprotozero-dev), which minivit::minivit links where it is
// found.
//
// TensorBoard shows what it finds in event files: records (record_file.hpp) that hold messages
// (event_proto.hpp).
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/data/image_type.hpp"
#include "minivit/io/event_proto.hpp"
#include "minivit/io/histogram.hpp"
#include "minivit/io/record_file.hpp"

namespace minivit::inline MINIVIT_ABI::io {

/// Writes one event file, in the folder of a run. What has been written can be seen at once, and a kill of
/// the program does not lose it. Tags name what is written, as "loss/train"; what is before the first slash
/// groups them. Texts that are not UTF-8 are written with question marks. Every function that writes throws
/// FileError if it cannot; its record is then not in the file, and it can be called again.
///
/// Can be moved, not copied; not thread-safe.
class TensorBoard {
 public:
  /// folder: of one run, existing. Makes `events.out.tfevents.SECONDS.HOST.minivit` in it or, with resume_at,
  /// goes on with the one that is there behind its first `resume_at` bytes: what `size` was when the run's
  /// state was saved. Later records are removed, since the run will write them again. (A TensorBoard that
  /// watches meanwhile has to be started again.)
  ///
  /// Throws FileError if there is an event file of another run, or with resume_at not exactly one that is
  /// undamaged up to there and has the end of a record there; if another process writes it; if it cannot be
  /// written. An existing file is then as it was.
  explicit TensorBoard(const std::filesystem::path& folder, std::uint64_t resume_at = 0)
      : file_(resume_at > 0 ? RecordFile::resume(existing_file(folder), resume_at)
                            : RecordFile::create(new_file(folder))) {
    if (resume_at > 0) return;
    detail::Message<detail::EventField> event(event_);
    event.add_double(detail::EventField::kWallTime, now());
    event.add_string(detail::EventField::kFileVersion, "brain.Event:2");
    file_.append(event_);
  }

  /// A point of a curve. Stored as float32, as PyTorch's SummaryWriter does.
  void scalar(std::string_view tag, std::int64_t step, double value) {
    write(tag, step,
          [&](Value& out) { out.add_float(detail::ValueField::kScalar, static_cast<float>(value)); });
  }

  /// How `values` are distributed at this step, see Histogram. Returns how many were left out since they are
  /// infinite or not a number.
  std::uint64_t histogram(std::string_view tag, std::int64_t step, std::span<const float> values) {
    const Histogram histogram = histogram_of(values);
    write(tag, step, [&](Value& out) { detail::add_histogram(out, histogram); });
    return histogram.left_out;
  }

  /// An image of 1 or 3 channels, stored as PNG. Throws ShapeError for any other.
  void image(std::string_view tag, std::int64_t step, const Image& image) {
    write(tag, step, [&](Value& out) { detail::add_image(out, image); });
  }

  /// Several images, as tag/0, tag/1, …, each a record.
  void images(std::string_view tag, std::int64_t step, std::span<const Image> images) {
    for (std::size_t i = 0; i < images.size(); ++i) image(str_cat(tag, "/", i), step, images[i]);
  }

  /// A text, which TensorBoard reads as Markdown.
  void text(std::string_view tag, std::int64_t step, std::string_view text) {
    write(tag, step, [&](Value& out) { detail::add_text(out, text); });
  }

  /// A row of the table HPARAMS: this run with its settings and, as results, the last values of the curves
  /// `metric_tags`, which are written before or later. To be called once for a run: TensorBoard looks only at
  /// the first time, and a run that resumes finds it in its file. Runs that are shown together should name
  /// the same settings and curves, since TensorBoard takes the columns from one of them. Numbers that are
  /// infinite or none become texts: the table cannot hold them.
  void hparams(std::span<const Hyperparameter> parameters, std::span<const std::string> metric_tags) {
    std::string content;
    detail::hparams_experiment(content, parameters, metric_tags, now());
    write_hparams("_hparams_/experiment", content);
    content.clear();
    detail::hparams_session_start(content, parameters, now());
    write_hparams("_hparams_/session_start_info", content);
  }

  /// Says in the table HPARAMS that the run has ended, and how. Also to be called once: the first time
  /// counts.
  void end_hparams(bool success) {
    std::string content;
    detail::hparams_session_end(content, success, now());
    write_hparams("_hparams_/session_end_info", content);
  }

  /// Bytes written so far. To resume from here later, call `sync` and keep this number with the run's state.
  std::uint64_t size() const { return file_.size(); }

  /// Forces what was written to the disk, so that a power cut does not lose it either.
  void sync() { file_.sync(); }

  /// The event file.
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  using Value = detail::Message<detail::ValueField>;

  static constexpr std::string_view kPrefix = "events.out.tfevents.", kSuffix = ".minivit";

  static std::vector<std::filesystem::path> event_files(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> found;
    std::error_code error;
    std::filesystem::directory_iterator entry(folder, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with(kPrefix) && name.ends_with(kSuffix)) found.push_back(entry->path());
    }
    check<FileError>(!error, "cannot write an event file in ", folder.string(), ": ", error.message());
    return found;
  }

  static std::filesystem::path new_file(const std::filesystem::path& folder) {
    const auto found = event_files(folder);
    if (!found.empty())
      throw FileError(str_cat("cannot write an event file in ", folder.string(), ": there is already ",
                              found.front().filename().string(),
                              ", and TensorBoard would mix two runs; choose another folder"));
    char host[256] = "";
    if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    return folder /
           str_cat(kPrefix, static_cast<std::int64_t>(now()), ".", host[0] ? host : "localhost", kSuffix);
  }

  static std::filesystem::path existing_file(const std::filesystem::path& folder) {
    const auto found = event_files(folder);
    check<FileError>(found.size() == 1, "cannot go on with the event file in ", folder.string(),
                     ": expected one named ", kPrefix, "*", kSuffix, ", found ", found.size());
    return found.front();
  }

  /// Seconds since 1970.
  static double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  /// One record with one value; `add_content` adds what it is.
  template <class AddContent>
  void write(std::string_view tag, std::int64_t step, const AddContent& add_content) {
    event_.clear();
    {
      detail::Message<detail::EventField> event(event_);
      event.add_double(detail::EventField::kWallTime, now());
      event.add_int64(detail::EventField::kStep, step);
      detail::Message<detail::SummaryField> summary(event, detail::EventField::kSummary);
      Value value(summary, detail::SummaryField::kValue);
      value.add_string(detail::ValueField::kTag, detail::utf8_or_ascii(tag));
      add_content(value);
    }
    file_.append(event_);
  }

  /// The table's data are not in the value itself but in what describes it.
  void write_hparams(std::string_view tag, const std::string& content) {
    write(tag, 0, [&](Value& out) { detail::add_plugin(out, "hparams", content); });
  }

  RecordFile file_;
  std::string event_;  // kept for its memory
};

}  // namespace minivit::inline MINIVIT_ABI::io
