// A model as an ONNX file (github.com/onnx/onnx), which other runtimes open: ONNX Runtime, TensorRT,
// OpenVINO.
//
// Not part of minivit/vit.hpp. Needs protozero (libprotozero-dev), which minivit::minivit links where it is
// found.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "minivit/io/json.hpp"
#include "minivit/io/model_config_json.hpp"
#include "minivit/io/model_folder.hpp"
#include "minivit/io/onnx_graph.hpp"
#include "minivit/io/onnx_proto.hpp"
#include "minivit/io/onnx_transformer.hpp"
#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail::onnx {

/// The settings of the model, as ViTConfig names them.
inline io::Json architecture_json(const ViTConfig& c) {
  io::Json json = io::Json::object();
  ViTConfig::fields(c, [&]<class T>(std::string_view field, const T& value, std::string_view, const Range&) {
    if constexpr (std::is_enum_v<T>)
      json[std::string(field)] = enum_name(value);
    else
      json[std::string(field)] = value;
  });
  return json;
}

/// What has to happen to an image's RGB values in [0, 1].
inline io::Json preprocessing_json(const Preprocess& p) {
  io::Json json = io::Json::object();
  Preprocess::fields(p, [&]<class T>(std::string_view field, const T& value, std::string_view, const Range&) {
    if (field == "channels") return;  // the input's shape says it
    io::Json& member = json[std::string(field)];
    if constexpr (NamedEnum<T>)
      member = enum_name(value);
    else if constexpr (std::is_arithmetic_v<T>)
      member = value;
    else
      member = per_channel(value, p);
  });
  return json;
}

}  // namespace detail::onnx

/// Writes a model as an ONNX file (opset 17, IR version 8) that ONNX Runtime and others open.
///
/// Input `pixel_values` (batch, channels, height, width), normalized as `preprocess` says; output `logits`
/// (batch, num_classes), or `features` (batch, feature_dim) if there is no head; a batch of any size. It
/// predicts: there is no dropout. The metadata hold `labels`, `preprocessing` and `architecture` as JSON, and
/// `probabilities`: softmax, or sigmoid of each logit where classes do not exclude each other (multi_label).
/// Of more weights than fit into the file (see OnnxOptions) all but the smallest are written to `file`.data,
/// to be kept beside it. Memory is needed for the graph alone, weights are streamed.
///
/// Each file is written atomically, the data first: a crash between the two leaves an earlier model with new
/// data. Throws FileError (a full disk, a folder that is not there), ConfigError unless there is a label for
/// each class and the options are in range, Error if the model has no weights or a label is not UTF-8.
inline void save_onnx(const std::filesystem::path& file, const VisionTransformer& net,
                      const std::vector<std::string>& labels, const Preprocess& preprocess,
                      const OnnxOptions& options = {}, bool multi_label = false) {
  using namespace detail::onnx;
  detail::check_merged(net);
  check(net.norm.weight.defined(), "save_onnx: the model has no weights");
  check<ConfigError>(static_cast<std::int64_t>(labels.size()) == net.config.num_classes,
                     "save_onnx: ", labels.size(), " labels given for ", net.config.num_classes, " classes");
  check<ConfigError>(options.max_embedded_bytes >= 0 && options.max_embedded_bytes <= 2'000'000'000,
                     "save_onnx: max_embedded_bytes is ", options.max_embedded_bytes,
                     ", expected 0 to 2000000000");
  std::string head;
  {
    using enum ModelField;
    Message<ModelField> model(head);
    model.add_int64(kIrVersion, 8);
    model.add_string(kProducerName, "minivit");
    model.add_string(kProducerVersion, kVersion);
    {
      Message<OpsetField> opset(model, kOpset);
      opset.add_string(OpsetField::kDomain, "");  // the standard's own operators
      opset.add_int64(OpsetField::kVersion, 17);
    }
    add_entry(model, kMetadata, "labels", io::json_text(labels));
    add_entry(model, kMetadata, "preprocessing", io::json_text(preprocessing_json(preprocess)));
    add_entry(model, kMetadata, "probabilities", multi_label ? "sigmoid" : "softmax");
    add_entry(model, kMetadata, "architecture", io::json_text(architecture_json(net.config)));
  }
  TransformerGraph(net).graph().save(file, head, options);
}

/// The same for what `load_model` returns.
inline void save_onnx(const std::filesystem::path& file, const ModelBundle& model,
                      const OnnxOptions& options = {}) {
  save_onnx(file, model.net, model.labels, model.preprocess, options, model.multi_label);
}

}  // namespace minivit::inline MINIVIT_ABI
