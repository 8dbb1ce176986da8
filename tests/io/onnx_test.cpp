// ONNX files: their messages, weights, metadata and data file, read by protozero's reader. That other
// runtimes predict the same with them is what tests/examples/check_onnx.py looks at, for the models that are
// written here.
#include "minivit/io/onnx.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <protozero/pbf_message.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/fixture.hpp"
#include "minivit/core/rng.hpp"
#include "support/file_size_limit.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::io;
namespace fs = std::filesystem;
namespace onnx = minivit::detail::onnx;
using fixture::TemporaryFolder;

namespace {

const ViTConfig kSmall{.image_height = 8,
                       .image_width = 12,
                       .patch_size = 4,
                       .num_classes = 3,
                       .embedding_dim = 16,
                       .num_layers = 2,
                       .num_heads = 2};
const std::vector<std::string> kLabels{"cat", "dog \"Rex\"", "Möwe"};
const Preprocess kPreprocess{.height = 8, .width = 12, .fit = Preprocess::Fit::crop, .crop_pct = 0.9};

std::string content(const fs::path& path) { return read_file(path, 1 << 26); }

template <class Field>
using Reader = protozero::pbf_message<Field>;

struct ParsedTensor {
  std::vector<std::int64_t> dims;
  std::int32_t type = 0, location = 0;
  std::string raw;
  std::map<std::string, std::string> external;

  std::size_t bytes() const {
    std::size_t n = type == onnx::kFloat ? 4 : 8;
    for (const std::int64_t extent : dims) n *= static_cast<std::size_t>(extent);
    return n;
  }
  std::vector<float> floats() const {
    std::vector<float> values(raw.size() / sizeof(float));
    std::memcpy(values.data(), raw.data(), raw.size());
    return values;
  }
};

struct ParsedNode {
  std::string name, op;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, float> floats;
  std::map<std::string, std::int64_t> integers;
};

/// An input or output: its extents as text, by their names where they have one.
struct ParsedValue {
  std::string name;
  std::vector<std::string> dims;
};

std::pair<std::string, std::string> entry(protozero::data_view bytes) {
  std::pair<std::string, std::string> read;
  Reader<onnx::EntryField> in(bytes);
  while (in.next()) {
    std::string& text = in.tag() == onnx::EntryField::kKey ? read.first : read.second;
    text = in.get_string();
  }
  return read;
}

struct ParsedModel {
  std::int64_t ir_version = 0, opset = 0;
  std::string producer, producer_version, graph_name;
  std::map<std::string, std::string> metadata;
  std::vector<ParsedNode> nodes;
  std::map<std::string, ParsedTensor> tensors;
  std::vector<ParsedValue> inputs, outputs;

  explicit ParsedModel(const fs::path& path) {
    const std::string bytes = content(path);
    Reader<onnx::ModelField> in(bytes);
    while (in.next()) switch (in.tag()) {
        using enum onnx::ModelField;
        case kIrVersion:
          ir_version = in.get_int64();
          break;
        case kProducerName:
          producer = in.get_string();
          break;
        case kProducerVersion:
          producer_version = in.get_string();
          break;
        case kGraph:
          read_graph(in.get_view());
          break;
        case kOpset: {
          Reader<onnx::OpsetField> set(in.get_view());
          while (set.next())
            if (set.tag() == onnx::OpsetField::kVersion)
              opset = set.get_int64();
            else
              CHECK(set.get_string().empty());
          break;
        }
        case kMetadata:
          metadata.insert(entry(in.get_view()));
          break;
      }
  }

  std::map<std::string, int> operators() const {
    std::map<std::string, int> count;
    for (const ParsedNode& node : nodes) ++count[node.op];
    return count;
  }

  /// Each node reads what was there before it, and nothing has two names.
  void check_order() const {
    std::set<std::string> known{inputs.at(0).name}, names;
    for (const auto& [name, tensor] : tensors) REQUIRE(known.insert(name).second);
    for (const ParsedNode& node : nodes) {
      CAPTURE(node.name);
      CHECK(names.insert(node.name).second);
      for (const std::string& input : node.inputs) CHECK(known.count(input) == 1);
      for (const std::string& output : node.outputs) CHECK(known.insert(output).second);
    }
    CHECK(known.count(outputs.at(0).name) == 1);
  }

 private:
  void read_graph(protozero::data_view bytes) {
    Reader<onnx::GraphField> in(bytes);
    while (in.next()) switch (in.tag()) {
        using enum onnx::GraphField;
        case kNode:
          read_node(in.get_view());
          break;
        case kName:
          graph_name = in.get_string();
          break;
        case kInitializer:
          read_tensor(in.get_view());
          break;
        case kInput:
          inputs.push_back(value(in.get_view()));
          break;
        case kOutput:
          outputs.push_back(value(in.get_view()));
          break;
      }
  }

  void read_node(protozero::data_view bytes) {
    ParsedNode node;
    Reader<onnx::NodeField> in(bytes);
    while (in.next()) switch (in.tag()) {
        using enum onnx::NodeField;
        case kInput:
          node.inputs.push_back(in.get_string());
          break;
        case kOutput:
          node.outputs.push_back(in.get_string());
          break;
        case kName:
          node.name = in.get_string();
          break;
        case kOpType:
          node.op = in.get_string();
          break;
        case kAttribute: {
          std::string name;
          Reader<onnx::AttributeField> attribute(in.get_view());
          while (attribute.next()) switch (attribute.tag()) {
              using enum onnx::AttributeField;
              case onnx::AttributeField::kName:
                name = attribute.get_string();
                break;
              case onnx::AttributeField::kFloat:
                node.floats[name] = attribute.get_float();
                break;
              case kInt:
                node.integers[name] = attribute.get_int64();
                break;
              default:
                attribute.skip();
            }
        }
      }
    nodes.push_back(node);
  }

  void read_tensor(protozero::data_view bytes) {
    ParsedTensor tensor;
    std::string name;
    Reader<onnx::TensorField> in(bytes);
    while (in.next()) switch (in.tag()) {
        using enum onnx::TensorField;
        case kDims:
          tensor.dims.push_back(in.get_int64());
          break;
        case kDataType:
          tensor.type = in.get_int32();
          break;
        case kName:
          name = in.get_string();
          break;
        case kRawData:
          tensor.raw = in.get_string();
          break;
        case kExternalData:
          tensor.external.insert(entry(in.get_view()));
          break;
        case kDataLocation:
          tensor.location = in.get_enum();
          break;
      }
    CHECK_MESSAGE(tensors.insert({name, tensor}).second, "two tensors named ", name);
  }

  static ParsedValue value(protozero::data_view bytes) {
    ParsedValue read;
    Reader<onnx::ValueInfoField> info(bytes);
    while (info.next()) {
      if (info.tag() == onnx::ValueInfoField::kName) {
        read.name = info.get_string();
        continue;
      }
      Reader<onnx::TypeField> type(info.get_view());
      REQUIRE(type.next());
      Reader<onnx::TensorTypeField> tensor(type.get_view());
      REQUIRE(tensor.next(onnx::TensorTypeField::kElementType));
      CHECK(tensor.get_int32() == onnx::kFloat);
      REQUIRE(tensor.next(onnx::TensorTypeField::kShape));
      Reader<onnx::ShapeField> shape(tensor.get_view());
      while (shape.next()) {
        Reader<onnx::DimField> dim(shape.get_view());
        REQUIRE(dim.next());
        read.dims.push_back(dim.tag() == onnx::DimField::kName ? dim.get_string() : str_cat(dim.get_int64()));
      }
    }
    return read;
  }
};

using Dims = std::vector<std::string>;
using Shape1 = std::vector<std::int64_t>;

/// A model whose every weight matters: none is 0, none of the norms and LayerScales 1.
VisionTransformer random_model(const ViTConfig& config, std::uint64_t seed = 7) {
  VisionTransformer net(config);
  Rng rng(seed);
  for_each_parameter(net, [&](const std::string&, Parameter& p) {
    for (float& v : p.value.values()) v += 0.2f * rng.normal();
  });
  return net;
}

/// Every kind of model that there is, and a name for each.
std::vector<std::pair<std::string, ViTConfig>> variants() {
  std::vector<std::pair<std::string, ViTConfig>> all;
  const auto add = [&](const char* name, auto&& change) {
    ViTConfig config = kSmall;
    change(config);
    all.push_back({name, config});
  };
  using C = ViTConfig;
  add("token", [](C&) {});
  add("mean", [](C& c) { c.pooling = Pooling::mean; });
  add("mean_without_class_token", [](C& c) { c.pooling = Pooling::mean, c.class_token = false; });
  add("mean_of_registers",
      [](C& c) { c.pooling = Pooling::mean, c.class_token = false, c.register_tokens = 2; });
  add("token_and_mean", [](C& c) { c.pooling = Pooling::token_and_mean; });
  add("sequence", [](C& c) { c.pooling = Pooling::sequence, c.class_token = false; });
  add("sequence_behind_tokens", [](C& c) { c.pooling = Pooling::sequence, c.register_tokens = 2; });
  add("conv", [](C& c) { c.stem = Stem::conv; });
  add("conv_sequence", [](C& c) {
    c.stem = Stem::conv, c.pooling = Pooling::sequence, c.class_token = false, c.patch_size = 2;
  });
  add("shifted", [](C& c) { c.stem = Stem::shifted; });
  add("shifted_odd_patches", [](C& c) {
    c.stem = Stem::shifted, c.patch_size = 3, c.image_height = 9, c.channels = 1, c.prefix_positions = false;
  });
  add("locality", [](C& c) { c.attention = Attention::locality; });
  add("locality_qk_norm", [](C& c) { c.attention = Attention::locality, c.qk_norm = true; });
  add("locality_without_class_token",
      [](C& c) { c.attention = Attention::locality, c.pooling = Pooling::mean, c.class_token = false; });
  add("shifted_locality", [](C& c) {
    c.stem = Stem::shifted, c.attention = Attention::locality, c.patch_size = 2, c.register_tokens = 2;
  });
  add("registers", [](C& c) { c.register_tokens = 3; });
  add("layer_scale", [](C& c) { c.layer_scale = 0.1f; });
  add("swiglu", [](C& c) { c.activation = Activation::swiglu; });
  add("dinov2", [](C& c) {
    c.activation = Activation::swiglu, c.layer_scale = 0.1f, c.register_tokens = 4;
    c.pooling = Pooling::token_and_mean;
  });
  add("distillation_token", [](C& c) { c.distillation = Distillation::token; });
  add("distillation_head", [](C& c) { c.distillation = Distillation::head; });
  add("positions_of_patches", [](C& c) { c.prefix_positions = false; });
  add("positions_of_patches_registers",
      [](C& c) { c.prefix_positions = false, c.register_tokens = 2, c.pooling = Pooling::mean; });
  add("distillation_positions_of_patches",
      [](C& c) { c.prefix_positions = false, c.distillation = Distillation::head; });
  add("sincos", [](C& c) { c.positions = Positions::sincos; });
  add("no_qkv_bias", [](C& c) { c.qkv_bias = false; });
  add("qk_norm", [](C& c) { c.qk_norm = true; });
  add("norm_pre", [](C& c) { c.norm_pre = true; });
  add("norm_before_mean", [](C& c) { c.pooling = Pooling::mean, c.fc_norm = false; });
  add("gray", [](C& c) { c.channels = 1; });
  add("high", [](C& c) { c.image_height = 20, c.image_width = 8; });
  add("one_patch", [](C& c) { c.image_height = c.image_width = 4; });
  add("features_token", [](C& c) { c.num_classes = 0; });
  add("features_mean", [](C& c) { c.num_classes = 0, c.pooling = Pooling::mean; });
  add("features_token_and_mean", [](C& c) { c.num_classes = 0, c.pooling = Pooling::token_and_mean; });
  add("wide", [](C& c) {
    c.embedding_dim = 72, c.num_heads = 3, c.mlp_ratio = 2.5, c.num_layers = 3, c.norm_eps = 1e-3f;
  });
  add("dropout",
      [](C& c) { c.input_dropout = c.attention_dropout = c.dropout = c.drop_path = c.head_dropout = 0.5f; });
  return all;
}

std::vector<std::string> labels_for(const ViTConfig& config) {
  return config.num_classes > 0 ? kLabels : std::vector<std::string>{};
}

}  // namespace

TEST_CASE("onnx: an input, an output, the weights and what is said about them") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "model.onnx";
  const VisionTransformer net = random_model(kSmall);
  save_onnx(path, net, kLabels, kPreprocess);
  const ParsedModel model(path);
  model.check_order();
  CHECK(model.ir_version == 8);
  CHECK(model.opset == 17);
  CHECK(model.producer == "minivit");
  CHECK(model.producer_version == kVersion);
  CHECK(!model.graph_name.empty());

  REQUIRE(model.inputs.size() == 1);
  CHECK(model.inputs[0].name == "pixel_values");
  CHECK(model.inputs[0].dims == Dims{"batch", "3", "8", "12"});
  REQUIRE(model.outputs.size() == 1);
  CHECK(model.outputs[0].name == "logits");
  CHECK(model.outputs[0].dims == Dims{"batch", "3"});

  // Every weight is there, matrices of MatMul turned, and all tensors have as many bytes as they say.
  const auto stored = [&](const std::string& name) { return model.tensors.at(name).floats(); };
  for_each_parameter(net, [&](const std::string& name, const Parameter& p) {
    CAPTURE(name);
    const std::vector<float> values(p.value.values().begin(), p.value.values().end());
    const auto turned = model.tensors.find(name + "_t");
    if (turned == model.tensors.end()) {
      CHECK(model.tensors.at(name).dims == Shape1(p.value.shape().begin(), p.value.shape().end()));
      CHECK(stored(name) == values);
      return;
    }
    const std::int64_t out = p.value.size(0), in = p.value.size(1);
    CHECK(turned->second.dims == Shape1{in, out});
    const std::vector<float> found = turned->second.floats();
    REQUIRE(found.size() == values.size());
    bool same = true;
    for (std::int64_t o = 0; o < out; ++o)
      for (std::int64_t i = 0; i < in; ++i)
        same = same && found[static_cast<std::size_t>(i * out + o)] == p.value(o, i);
    CHECK(same);
  });
  CHECK(model.tensors.count("blocks.1.attn.qkv.weight_t") == 1);
  CHECK(model.tensors.count("head.weight") == 1);
  for (const auto& [key, tensor] : model.tensors) {
    const std::string& name = key;  // clang 14 captures no parts of a pair
    CAPTURE(name);
    CHECK(tensor.raw.size() == tensor.bytes());
    CHECK(tensor.location == 0);
  }
  for (const ParsedNode& node : model.nodes)
    if (node.op == "LayerNormalization") CHECK(node.floats.at("epsilon") == kSmall.norm_eps);

  const Json preprocessing = parse_json(model.metadata.at("preprocessing"), "preprocessing");
  const JsonFields fields(preprocessing, "preprocessing");
  CHECK(fields.get<int>("height") == 8);
  CHECK(fields.get<int>("width") == 12);
  CHECK(fields.get<std::string>("fit") == "crop");
  CHECK(fields.get<double>("crop_pct") == 0.9);
  CHECK(fields.get<std::string>("interpolation") == "bicubic");
  CHECK(fields.get<std::vector<float>>("mean") ==
        std::vector<float>(kPreprocess.mean.begin(), kPreprocess.mean.end()));
  CHECK(fields.get<std::vector<float>>("std") ==
        std::vector<float>(kPreprocess.std.begin(), kPreprocess.std.end()));
  CHECK(parse_json(model.metadata.at("labels"), "labels") == Json(kLabels));
  const Json architecture = parse_json(model.metadata.at("architecture"), "architecture");
  CHECK(JsonFields(architecture, "architecture").get<int>("embedding_dim") == 16);

  save_onnx(folder.path() / "again.onnx", ModelBundle{net, kLabels, kPreprocess});
  CHECK(content(folder.path() / "again.onnx") == content(path));
  CHECK(!fs::exists(folder.path() / "model.onnx.data"));
}

TEST_CASE("onnx: each variant has the nodes that it needs") {
  TemporaryFolder folder;
  for (const auto& [key, config] : variants()) {
    const std::string& name = key;  // clang 14 captures no parts of a pair
    CAPTURE(name);
    const fs::path path = folder.path() / (name + ".onnx");
    save_onnx(path, random_model(config), labels_for(config), kPreprocess);
    const ParsedModel model(path);
    model.check_order();
    const auto count = model.operators();
    const auto of = [&](const char* op) { return count.count(op) ? count.at(op) : 0; };
    const bool swiglu = config.activation == Activation::swiglu;
    const int layers = static_cast<int>(config.num_layers), heads = config.num_classes == 0 ? 0 : 1,
              distilled = config.distillation == Distillation::head ? 1 : 0;
    const bool sequence = config.pooling == Pooling::sequence, conv = config.stem == Stem::conv,
               shifted = config.stem == Stem::shifted, locality = config.attention == Attention::locality;
    const int convs = conv ? static_cast<int>(config.stem_widths().size()) : 0;
    CHECK(of("Conv") == (conv ? convs : shifted ? 0 : 1));
    CHECK(of("Pad") == shifted);
    CHECK(of("MaxPool") == convs);
    CHECK(of("Relu") == convs);
    CHECK(of("Softmax") == layers + sequence);
    CHECK(of("Erf") == (swiglu ? 0 : layers));
    CHECK(of("Sigmoid") == (swiglu ? layers : 0));
    CHECK(of("MatMul") == 6 * layers + 2 * sequence + shifted);
    CHECK(of("Where") == (locality ? layers : 0));
    CHECK(of("Equal") == locality);
    CHECK(of("Gemm") == heads + distilled);
    CHECK(of("LayerNormalization") ==
          (config.qk_norm ? 4 : 2) * layers + 1 + distilled + shifted + (config.norm_pre ? 1 : 0));
    CHECK(of("Expand") == (config.class_token ? 1 : 0) + (config.distillation != Distillation::none ? 1 : 0) +
                              (config.register_tokens > 0 ? 1 : 0));
    CHECK(of("ReduceMean") == (config.pooling == Pooling::token || sequence ? 0 : 1));
    CHECK(of("Dropout") == 0);
    CHECK(model.outputs.at(0).name == (heads ? "logits" : "features"));
    CHECK(model.outputs.at(0).dims ==
          Dims{"batch", str_cat(heads ? config.num_classes : config.feature_dim())});
    CHECK(model.inputs.at(0).dims ==
          Dims{"batch", str_cat(config.channels), str_cat(config.image_height), str_cat(config.image_width)});
  }
}

TEST_CASE("onnx: weights beyond the limit are in a file beside the model") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "model.onnx", whole = folder.path() / "whole.onnx";
  const VisionTransformer net = random_model(kSmall);
  const std::int64_t bytes = parameter_count(net) * 4;
  save_onnx(whole, net, kLabels, kPreprocess, {.max_embedded_bytes = bytes});
  CHECK(!fs::exists(folder.path() / "whole.onnx.data"));
  save_onnx(path, net, kLabels, kPreprocess, {.max_embedded_bytes = bytes - 1});

  const ParsedModel model(path), expected(whole);
  model.check_order();
  const std::string data = content(folder.path() / "model.onnx.data");
  CHECK(content(path).size() + 8192 < content(whole).size());
  std::size_t end = 0, outside = 0;
  std::map<std::size_t, std::size_t> ranges;
  REQUIRE(model.tensors.size() == expected.tensors.size());
  for (const auto& [key, tensor] : model.tensors) {
    const std::string& name = key;  // clang 14 captures no parts of a pair
    CAPTURE(name);
    const ParsedTensor& same = expected.tensors.at(name);
    CHECK(tensor.dims == same.dims);
    if (tensor.bytes() < 1024 || tensor.type == onnx::kInt64) {
      CHECK(tensor.raw == same.raw);
      CHECK(tensor.external.empty());
      continue;
    }
    ++outside;
    CHECK(tensor.raw.empty());
    CHECK(tensor.location == onnx::kExternal);
    CHECK(tensor.external.at("location") == "model.onnx.data");
    const std::size_t offset = std::stoul(tensor.external.at("offset")),
                      length = std::stoul(tensor.external.at("length"));
    CHECK(offset % 4096 == 0);
    CHECK(length == tensor.bytes());
    REQUIRE(offset + length <= data.size());
    CHECK(data.substr(offset, length) == same.raw);
    CHECK(ranges.insert({offset, offset + length}).second);
  }
  CHECK(outside > 5);
  for (const auto& [from, to] : ranges) {
    CHECK(from >= end);
    end = to;
  }
  CHECK(end == data.size());
}

TEST_CASE("onnx: what cannot be written is refused, and an earlier file stays") {
  TemporaryFolder folder;
  const VisionTransformer net = random_model(kSmall);
  const auto saved = [&](const fs::path& path, const std::vector<std::string>& labels = kLabels,
                         const OnnxOptions& options = {}) {
    return [=, &net] { save_onnx(path, net, labels, kPreprocess, options); };
  };
  const fs::path path = folder.path() / "model.onnx", missing = folder.path() / "none" / "model.onnx";
  for (const std::int64_t limit : {std::int64_t{0}, std::int64_t{1} << 20}) {
    const std::string message = message_of<FileError>(saved(missing, kLabels, {.max_embedded_bytes = limit}));
    CHECK_MESSAGE(message.find("cannot write " + missing.string()) == 0, message);
  }
  CHECK(message_of<ConfigError>(saved(path, {"one"})) == "save_onnx: 1 labels given for 3 classes");
  CHECK(message_of<ConfigError>(saved(path, kLabels, {.max_embedded_bytes = std::int64_t{1} << 31})) ==
        "save_onnx: max_embedded_bytes is 2147483648, expected 0 to 2000000000");
  CHECK(message_of<ConfigError>(saved(path, kLabels, {.max_embedded_bytes = -1})) ==
        "save_onnx: max_embedded_bytes is -1, expected 0 to 2000000000");
  CHECK(message_of<Error>(saved(path, {"a", "b", "\xFF"})).find("nothing was thrown") == std::string::npos);
  CHECK(message_of<Error>([&] { save_onnx(path, VisionTransformer(), {}, kPreprocess); }) ==
        "save_onnx: the model has no weights");
  CHECK(fs::is_empty(folder.path()));

  fixture::write(path, std::string("earlier"));
  fixture::write(folder.path() / "model.onnx.data", std::string("earlier data"));
  for (const std::int64_t limit : {0, 1 << 20}) {
    const FileSizeLimit disk(16 << 10);
    CHECK(message_of<FileError>(saved(path, kLabels, {.max_embedded_bytes = limit})).find("cannot write") ==
          0);
  }
  CHECK(content(path) == "earlier");
  CHECK(content(folder.path() / "model.onnx.data") == "earlier data");
  CHECK(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 2);
}

// For check_onnx.py: a folder for each variant with the model, once more with its weights beside it, images
// and what the model says about them.
TEST_CASE("onnx: models for other runtimes" * doctest::skip(std::getenv("MINIVIT_ONNX_OUT") == nullptr)) {
  const char* const out = std::getenv("MINIVIT_ONNX_OUT");
  REQUIRE(out != nullptr);
  for (const auto& [key, config] : variants()) {
    const std::string& name = key;  // clang 14 captures no parts of a pair
    CAPTURE(name);
    const fs::path folder = fs::path(out) / name;
    fs::create_directories(folder);
    const VisionTransformer net = random_model(config);
    save_onnx(folder / "model.onnx", net, labels_for(config), kPreprocess);
    save_onnx(folder / "external.onnx", net, labels_for(config), kPreprocess, {.max_embedded_bytes = 0});
    Tensor images = Tensor::empty({3, config.channels, config.image_height, config.image_width});
    Rng rng(11);
    for (float& v : images.values()) v = rng.normal();
    const NoGrad values_only;
    const Tensor result = net(images).value();
    for (const auto& [file, tensor] : {std::pair{"images.f32", images}, std::pair{"expected.f32", result}})
      write_file_atomically(folder / file, std::as_bytes(tensor.values()));
  }
}
