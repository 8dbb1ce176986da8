// What TensorBoard shows: scalars, histograms, images, texts, and hyper-parameters with their results.
//
// Messages are TensorFlow's tensorflow/core/util/event.proto and framework/summary.proto, and TensorBoard's
// plugins/hparams/plugin_data.proto; their field numbers stand beside each field below.
#pragma once

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <protozero/pbf_writer.hpp>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "minivit/data/encode_png.hpp"
#include "minivit/experiment/event_file.hpp"
#include "minivit/experiment/histogram.hpp"

namespace minivit::inline MINIVIT_ABI {

/// A setting as TensorBoard's table of hyper-parameters has it.
struct Hyperparameter {
  std::string name;
  std::variant<bool, double, std::string> value;
};

/// Writes the event file of a run, one for each run folder. Not thread-safe.
class TensorBoard {
 public:
  /// Begins a file in `folder`, in the place of an earlier one, or with resume_at > 0 goes on with the
  /// earlier one, of which that many bytes stay. Throws FileError if that is not possible.
  explicit TensorBoard(const std::filesystem::path& folder, std::uint64_t resume_at = 0)
      : file_(path_in(folder, resume_at > 0), resume_at) {
    if (resume_at > 0) return;
    std::string event;
    protozero::pbf_writer writer(event);
    writer.add_double(1, now());            // wall_time
    writer.add_string(3, "brain.Event:2");  // file_version
    file_.append(event);
  }

  /// One number of a curve.
  void scalar(std::string_view tag, std::int64_t step, double value) {
    add(tag, step,
        [&](protozero::pbf_writer& v) { v.add_float(2, static_cast<float>(value)); });  // simple_value
  }

  /// How values are distributed.
  void histogram(std::string_view tag, std::int64_t step, std::span<const float> values) {
    const Histogram h(values);
    if (h.count == 0) return;  // there is nothing to draw
    add(tag, step, [&](protozero::pbf_writer& v) {
      protozero::pbf_writer histo(v, 5);  // histo
      histo.add_double(1, h.min);
      histo.add_double(2, h.max);
      histo.add_double(3, static_cast<double>(h.count));  // num
      histo.add_double(4, h.sum);
      histo.add_double(5, h.sum_squares);
      histo.add_packed_double(6, h.limits.begin(), h.limits.end());  // bucket_limit
      histo.add_packed_double(7, h.counts.begin(), h.counts.end());  // bucket
    });
  }

  /// A picture (grey or RGB).
  void image(std::string_view tag, std::int64_t step, const Image& image) {
    const std::vector<std::uint8_t> png = detail::encode_png_bytes(image);
    add(tag, step, [&](protozero::pbf_writer& v) {
      protozero::pbf_writer out(v, 4);  // image
      out.add_int32(1, image.height);
      out.add_int32(2, image.width);
      out.add_int32(3, image.channels);                                         // colorspace: 1 grey, 3 RGB
      out.add_bytes(4, reinterpret_cast<const char*>(png.data()), png.size());  // encoded_image_string
    });
  }

  /// A text in Markdown.
  void text(std::string_view tag, std::int64_t step, std::string_view markdown) {
    add(tag, step, [&](protozero::pbf_writer& v) {
      {
        protozero::pbf_writer tensor(v, 8);  // tensor
        tensor.add_enum(1, 7);               // dtype: DT_STRING
        {
          protozero::pbf_writer shape(tensor, 2), dimension(shape, 2);
          dimension.add_int64(1, 1);  // size
        }
        tensor.add_string(8, markdown.data(), markdown.size());  // string_val
      }
      plugin(v, "text", {});
    });
  }

  /// The hyper-parameters of this run, and which scalars are its results.
  void hyperparameters(std::span<const Hyperparameter> parameters, std::span<const std::string> metrics) {
    const double start = now();
    hparams("_hparams_/experiment", [&](protozero::pbf_writer& data) {
      protozero::pbf_writer experiment(data, 2);
      experiment.add_double(4, start);  // time_created_secs
      for (const Hyperparameter& p : parameters) {
        protozero::pbf_writer info(experiment, 5);  // hparam_infos
        info.add_string(1, p.name);
        constexpr int kTypes[] = {2, 3, 1};  // DATA_TYPE_BOOL, FLOAT64, STRING
        info.add_enum(4, kTypes[p.value.index()]);
      }
      for (const std::string& tag : metrics) {
        protozero::pbf_writer info(experiment, 6), name(info, 1);  // metric_infos.name
        name.add_string(2, tag);
      }
    });
    hparams("_hparams_/session_start_info", [&](protozero::pbf_writer& data) {
      protozero::pbf_writer session(data, 3);
      for (const Hyperparameter& p : parameters) {
        protozero::pbf_writer entry(session, 1);  // hparams, a map
        entry.add_string(1, p.name);
        protozero::pbf_writer value(entry, 2);  // google.protobuf.Value
        if (const bool* flag = std::get_if<bool>(&p.value))
          value.add_bool(4, *flag);
        else if (const double* number = std::get_if<double>(&p.value))
          value.add_double(2, *number);
        else
          value.add_string(3, std::get<std::string>(p.value));
      }
      session.add_double(5, start);  // start_time_secs
    });
  }

  /// That the run is over.
  void end(bool success) {
    hparams("_hparams_/session_end_info", [&](protozero::pbf_writer& data) {
      protozero::pbf_writer session(data, 4);
      session.add_enum(1, success ? 1 : 2);  // status
      session.add_double(2, now());          // end_time_secs
    });
  }

  /// Bytes written so far; what `resume_at` takes.
  std::uint64_t size() const { return file_.size(); }

  /// Forces them to the disk. Throws FileError.
  void sync() { file_.sync(); }

 private:
  static double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  /// The folder's event file: a new name, all earlier ones removed, or the earlier one.
  static std::filesystem::path path_in(const std::filesystem::path& folder, bool earlier) {
    constexpr std::string_view kBegin = "events.out.tfevents.", kEnd = ".minivit";
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) continue;
      if (earlier) return entry.path();
      std::filesystem::remove(entry.path(), error);
    }
    check<FileError>(!earlier, folder.string(), ": has no event file of TensorBoard to go on with");
    char host[256] = {};
    if (::gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') std::string_view("host").copy(host, 5);
    return folder / concat(kBegin, static_cast<std::int64_t>(now()), '.', host, kEnd);
  }

  /// An event with one value, which `fill` completes.
  template <class Fill>
  void add(std::string_view tag, std::int64_t step, const Fill& fill) {
    event_.clear();
    protozero::pbf_writer event(event_);
    event.add_double(1, now());  // wall_time
    event.add_int64(2, step);
    {
      protozero::pbf_writer summary(event, 5), value(summary, 1);
      value.add_string(1, tag.data(), tag.size());
      fill(value);
    }
    file_.append(event_);
  }

  /// SummaryMetadata: which plugin a value is for.
  static void plugin(protozero::pbf_writer& value, std::string_view name, std::string_view content) {
    protozero::pbf_writer metadata(value, 9), data(metadata, 1);
    data.add_string(1, name.data(), name.size());
    if (!content.empty()) data.add_bytes(2, content.data(), content.size());
  }

  template <class Fill>
  void hparams(std::string_view tag, const Fill& fill) {
    std::string content;
    protozero::pbf_writer data(content);
    data.add_int32(1, 0);  // version
    fill(data);
    add(tag, 0, [&](protozero::pbf_writer& v) { plugin(v, "hparams", content); });
  }

  EventFile file_;
  std::string event_;
};

}  // namespace minivit::inline MINIVIT_ABI
