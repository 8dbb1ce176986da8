// The messages of an event file, as protocol buffers.
//
// They are those of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto, and for the
// table of hyper-parameters those of tensorboard/plugins/hparams/{plugin_data,api}.proto and of
// google/protobuf/struct.proto. The fields that are used are the enumerations below; protozero (header-only,
// BSD) writes them.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <protozero/pbf_builder.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "minivit/core/check.hpp"
#include "minivit/core/utf8.hpp"
#include "minivit/data/encode_png.hpp"
#include "minivit/data/image_type.hpp"
#include "minivit/io/histogram.hpp"

namespace minivit::inline MINIVIT_ABI::io {

/// A setting of a run and its value, for TensorBoard's table of runs.
struct Hyperparameter {
  std::string name;
  std::variant<bool, double, std::string> value;

  /// A switch or a number. Whole numbers beyond 2^53 are rounded: give those as text.
  template <class T>
  requires std::is_arithmetic_v<T> Hyperparameter(std::string setting, T number) : name(std::move(setting)) {
    if constexpr (std::same_as<T, bool>)
      value = number;
    else
      value = static_cast<double>(number);
  }

  /// A text.
  Hyperparameter(std::string setting, std::string_view text)
      : name(std::move(setting)), value(std::string(text)) {}
};

namespace detail {

using FieldTag = protozero::pbf_tag_type;
enum class EventField : FieldTag { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5 };
enum class SummaryField : FieldTag { kValue = 1 };
enum class ValueField : FieldTag {
  kTag = 1,
  kScalar = 2,
  kImage = 4,
  kHistogram = 5,
  kTensor = 8,
  kMetadata = 9
};
enum class ImageField : FieldTag { kHeight = 1, kWidth = 2, kColorspace = 3, kEncoded = 4 };
enum class HistogramField : FieldTag { kMin = 1, kMax, kNum, kSum, kSumSquares, kBucketLimit, kBucket };
enum class TensorField : FieldTag { kDtype = 1, kString = 8 };
enum class MetadataField : FieldTag { kPluginData = 1 };
enum class PluginDataField : FieldTag { kPluginName = 1, kContent = 2 };
enum class HParamsField : FieldTag { kExperiment = 2, kSessionStart = 3, kSessionEnd = 4 };
enum class ExperimentField : FieldTag { kTimeCreated = 3, kHParamInfo = 4, kMetricInfo = 5 };
enum class HParamInfoField : FieldTag { kName = 1, kType = 4 };
enum class MetricInfoField : FieldTag { kName = 1 };
enum class MetricNameField : FieldTag { kTag = 2 };
enum class SessionStartField : FieldTag { kHParam = 1, kStartTime = 5 };
enum class SessionEndField : FieldTag { kStatus = 1, kEndTime = 2 };
enum class MapEntryField : FieldTag { kKey = 1, kValue = 2 };
enum class AnyValueField : FieldTag { kNumber = 2, kString = 3, kBool = 4 };

/// A message being written: complete when it goes out of scope.
template <class Field>
using Message = protozero::pbf_builder<Field>;

/// `text`, with a question mark for each byte beyond ASCII if it is not UTF-8: one text that is not would
/// make its whole record unreadable.
inline std::string utf8_or_ascii(std::string_view text) {
  std::string out(text);
  if (!minivit::detail::is_utf8(out))
    for (char& c : out)
      if ((static_cast<unsigned char>(c) & 0x80u) != 0) c = '?';
  return out;
}

inline void add_histogram(Message<ValueField>& value, const Histogram& histogram) {
  using enum HistogramField;
  Message<HistogramField> out(value, ValueField::kHistogram);
  out.add_double(kMin, histogram.min);
  out.add_double(kMax, histogram.max);
  out.add_double(kNum, static_cast<double>(histogram.count));
  out.add_double(kSum, histogram.sum);
  out.add_double(kSumSquares, histogram.sum_squares);
  out.add_packed_double(kBucketLimit, histogram.limits.begin(), histogram.limits.end());
  out.add_packed_double(kBucket, histogram.counts.begin(), histogram.counts.end());
}

inline void add_image(Message<ValueField>& value, const Image& image) {
  using enum ImageField;
  const std::vector<std::uint8_t> png = encode_png(image);
  Message<ImageField> out(value, ValueField::kImage);
  out.add_int32(kHeight, image.height);
  out.add_int32(kWidth, image.width);
  out.add_int32(kColorspace, image.channels);
  out.add_bytes(kEncoded, reinterpret_cast<const char*>(png.data()), png.size());
}

/// Says which part of TensorBoard shows the value, and hands it `content`.
inline void add_plugin(Message<ValueField>& value, const char* name, const std::string& content) {
  Message<MetadataField> metadata(value, ValueField::kMetadata);
  Message<PluginDataField> plugin(metadata, MetadataField::kPluginData);
  plugin.add_string(PluginDataField::kPluginName, name);
  plugin.add_bytes(PluginDataField::kContent, content);
}

inline void add_text(Message<ValueField>& value, std::string_view text) {
  {
    constexpr std::int32_t kDtString = 7;
    Message<TensorField> tensor(value, ValueField::kTensor);  // without axes: one text
    tensor.add_enum(TensorField::kDtype, kDtString);
    tensor.add_bytes(TensorField::kString, utf8_or_ascii(text));
  }
  add_plugin(value, "text", {});
}

/// What TensorBoard's table can show of a value: a number that is infinite or none becomes a text.
inline std::variant<bool, double, std::string> shown_value(const Hyperparameter& parameter) {
  if (const double* number = std::get_if<double>(&parameter.value))
    if (!std::isfinite(*number)) return str_cat(*number);
  if (const std::string* text = std::get_if<std::string>(&parameter.value)) return utf8_or_ascii(*text);
  return parameter.value;
}

// The three below append an HParamsPluginData to `content`. They cannot return it: a message is complete when
// its builder is gone.

/// The table's columns.
inline void hparams_experiment(std::string& content, std::span<const Hyperparameter> parameters,
                               std::span<const std::string> metric_tags, double time) {
  Message<HParamsField> data(content);
  Message<ExperimentField> out(data, HParamsField::kExperiment);
  out.add_double(ExperimentField::kTimeCreated, time);
  for (const Hyperparameter& parameter : parameters) {
    constexpr std::int32_t kTypes[] = {2, 3, 1};  // DATA_TYPE_BOOL, _FLOAT64, _STRING: as in the variant
    Message<HParamInfoField> info(out, ExperimentField::kHParamInfo);
    info.add_string(HParamInfoField::kName, utf8_or_ascii(parameter.name));
    info.add_enum(HParamInfoField::kType, kTypes[shown_value(parameter).index()]);
  }
  for (const std::string& tag : metric_tags) {
    Message<MetricInfoField> info(out, ExperimentField::kMetricInfo);
    Message<MetricNameField> name(info, MetricInfoField::kName);
    name.add_string(MetricNameField::kTag, utf8_or_ascii(tag));
  }
}

/// The run's row of the table.
inline void hparams_session_start(std::string& content, std::span<const Hyperparameter> parameters,
                                  double time) {
  Message<HParamsField> data(content);
  Message<SessionStartField> out(data, HParamsField::kSessionStart);
  for (const Hyperparameter& parameter : parameters) {
    Message<MapEntryField> entry(out, SessionStartField::kHParam);
    entry.add_string(MapEntryField::kKey, utf8_or_ascii(parameter.name));
    Message<AnyValueField> value(entry, MapEntryField::kValue);
    const auto shown = shown_value(parameter);
    if (const bool* on = std::get_if<bool>(&shown)) value.add_bool(AnyValueField::kBool, *on);
    if (const double* number = std::get_if<double>(&shown)) value.add_double(AnyValueField::kNumber, *number);
    if (const auto* text = std::get_if<std::string>(&shown)) value.add_string(AnyValueField::kString, *text);
  }
  out.add_double(SessionStartField::kStartTime, time);
}

/// How the run ended.
inline void hparams_session_end(std::string& content, bool success, double time) {
  Message<HParamsField> data(content);
  Message<SessionEndField> out(data, HParamsField::kSessionEnd);
  out.add_enum(SessionEndField::kStatus, success ? 1 : 2);  // STATUS_SUCCESS, _FAILURE
  out.add_double(SessionEndField::kEndTime, time);
}

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI::io
