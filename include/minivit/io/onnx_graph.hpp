// An ONNX graph under construction, and its way into files.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/core/atomic_file.hpp"
#include "minivit/io/onnx_proto.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

/// How an ONNX model is written.
struct OnnxOptions {
  /// Weights of more bytes in total lie in a file of their own beside the model. At most 2,000,000,000, since
  /// no reader of protocol buffers accepts a message of 2 GiB.
  std::int64_t max_embedded_bytes = 1'900'000'000;
};

namespace detail::onnx {

static_assert(std::endian::native == std::endian::little, "onnx: elements are copied as they lie in memory");

/// A graph, node by node. Each value is known by its name. Weights are held as handles, not copied: what is
/// written are their elements at the time of `save`.
class Graph {
 public:
  Graph() { Message<GraphField>(fields_).add_string(GraphField::kName, "minivit"); }

  /// Adds a node named `scope`/`op` with one output; returns the output's name, which is the node's unless
  /// another is given.
  std::string node(std::string_view op, std::string_view scope, const std::vector<std::string>& inputs,
                   std::initializer_list<Attribute> attributes = {}, std::string output = {}) {
    const std::string name = str_cat(scope, "/", op);
    if (output.empty()) output = name;
    add_node(op, name, inputs, {output}, attributes);
    return output;
  }

  /// Cuts x into equal parts along an axis; returns their names.
  std::vector<std::string> split(std::string_view scope, const std::string& x, std::int64_t axis, int parts) {
    const std::string name = str_cat(scope, "/Split");
    std::vector<std::string> outputs;
    for (int i = 0; i < parts; ++i) outputs.push_back(str_cat(name, ".", i));
    add_node("Split", name, {x}, outputs, {{"axis", axis}});
    return outputs;
  }

  // What the graph knows from the beginning. Each is stored once however often it is asked for; what is
  // returned is its name.

  /// A weight as it is.
  std::string weight(std::string name, const Tensor& values) {
    if (names_.insert(name).second)
      weights_.push_back({name, {values.shape().begin(), values.shape().end()}, values, false});
    return name;
  }

  /// A matrix (out, in) as (in, out).
  std::string transposed(std::string name, const Tensor& values) {
    if (names_.insert(name).second)
      weights_.push_back({name, {values.size(1), values.size(0)}, values, true});
    return name;
  }

  /// A vector of integers.
  std::string integers(const Integers& values) {
    std::string name = "integers";
    for (const std::int64_t value : values) name += str_cat("_", value);
    return integers(std::move(name), values);
  }

  /// The same under a name, which otherwise is made of them.
  std::string integers(std::string name, const Integers& values) {
    constant(name, kInt64, {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values)));
    return name;
  }

  /// An integer without axes.
  std::string integer(std::int64_t value) {
    std::string name = str_cat("integer_", value);
    constant(name, kInt64, {}, std::as_bytes(std::span(&value, 1)));
    return name;
  }

  /// A number without axes.
  std::string number(float value) {
    std::string name = str_cat("number_", value);
    constant(name, kFloat, {}, std::as_bytes(std::span(&value, 1)));
    return name;
  }

  /// The input, and the output: (batch, dims...), with a batch of any size.
  void input(const std::string& name, const Integers& dims_behind_batch) {
    Message<GraphField> graph(fields_);
    add_batch(graph, GraphField::kInput, name, dims_behind_batch);
  }
  void output(const std::string& name, const Integers& dims_behind_batch) {
    Message<GraphField> graph(fields_);
    add_batch(graph, GraphField::kOutput, name, dims_behind_batch);
  }

  /// Writes `head`, the other fields of the model, and the graph. Weights that do not fit into the model go
  /// to `path`.data, which is there before the model is. Throws FileError.
  void save(const std::filesystem::path& path, std::string_view head, const OnnxOptions& options) const {
    std::uint64_t total = 0;
    for (const Weight& weight : weights_) total += weight.bytes();
    const bool external = total > static_cast<std::uint64_t>(options.max_embedded_bytes);

    std::filesystem::path data_path = path;
    data_path += ".data";
    std::optional<io::AtomicFile> data;
    if (external) data.emplace(data_path);
    io::AtomicFile model(path);  // before the weights are written: if it cannot be, nothing is

    std::vector<std::string> tensors;  // one for each weight, without elements where these follow
    std::uint64_t offset = 0, graph_bytes = fields_.size();
    for (const Weight& weight : weights_) {
      const bool outside = external && weight.bytes() >= kSmall;
      if (outside) {
        const std::uint64_t begin = (offset + kAlign - 1) / kAlign * kAlign;
        data->write(std::string(static_cast<std::size_t>(begin - offset), '\0'));
        write_elements(*data, weight);
        offset = begin + weight.bytes();
        tensors.push_back(external_tensor(weight, data_path.filename().string(), begin));
        graph_bytes += tensors.back().size();
      } else {
        tensors.push_back(embedded_tensor(weight));
        graph_bytes += tensors.back().size() + weight.bytes();
      }
    }

    std::string start(head);
    append_prefix(start, ModelField::kGraph, graph_bytes);
    model.write(start);
    model.write(fields_);
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      model.write(tensors[i]);
      if (!external || weights_[i].bytes() < kSmall) write_elements(model, weights_[i]);
    }
    if (data) data->commit();
    model.commit();
  }

 private:
  struct Weight {
    std::string name;
    Integers dims;
    Tensor values;
    bool transposed;  // its elements are stored as (dims[1], dims[0])

    std::uint64_t bytes() const { return static_cast<std::uint64_t>(values.numel()) * sizeof(float); }
  };

  static constexpr std::uint64_t kAlign = 4096;  // a page: the format's advice for readers that map the file
  static constexpr std::uint64_t kSmall = 1024;  // weights with fewer bytes are not worth a page

  void add_node(std::string_view op, const std::string& name, const std::vector<std::string>& inputs,
                const std::vector<std::string>& outputs, std::initializer_list<Attribute> attributes) {
    Message<GraphField> graph(fields_);
    Message<NodeField> out(graph, GraphField::kNode);
    for (const std::string& input : inputs) out.add_string(NodeField::kInput, input);
    for (const std::string& output : outputs) out.add_string(NodeField::kOutput, output);
    out.add_string(NodeField::kName, name);
    out.add_string(NodeField::kOpType, op.data(), op.size());
    for (const Attribute& attribute : attributes) add_attribute(out, attribute);
  }

  void constant(const std::string& name, std::int32_t type, const Integers& dims,
                std::span<const std::byte> elements) {
    if (!names_.insert(name).second) return;
    Message<GraphField> graph(fields_);
    Message<TensorField> tensor(graph, GraphField::kInitializer);
    add_tensor_head(tensor, name, type, dims);
    tensor.add_bytes(TensorField::kRawData, reinterpret_cast<const char*>(elements.data()), elements.size());
  }

  /// The field of a weight, all but its elements, which come last.
  static std::string embedded_tensor(const Weight& weight) {
    std::string tensor;
    {
      Message<TensorField> out(tensor);
      add_tensor_head(out, weight.name, kFloat, weight.dims);
    }
    append_prefix(tensor, TensorField::kRawData, weight.bytes());
    std::string field;
    append_prefix(field, GraphField::kInitializer, tensor.size() + weight.bytes());
    return field + tensor;
  }

  /// The field of a weight whose elements are in the file `location`.
  static std::string external_tensor(const Weight& weight, const std::string& location,
                                     std::uint64_t offset) {
    using enum TensorField;
    std::string field;
    Message<GraphField> graph(field);
    {
      Message<TensorField> out(graph, GraphField::kInitializer);
      add_tensor_head(out, weight.name, kFloat, weight.dims);
      add_entry(out, kExternalData, "location", location);
      add_entry(out, kExternalData, "offset", str_cat(offset));
      add_entry(out, kExternalData, "length", str_cat(weight.bytes()));
      out.add_enum(kDataLocation, kExternal);
    }
    return field;
  }

  static void write_elements(io::AtomicFile& file, const Weight& weight) {
    if (!weight.transposed) return file.write(weight.values.data(), static_cast<std::size_t>(weight.bytes()));
    // Some columns at a time, so that a second copy of the matrix is never needed: 64 bytes, a cache line, of
    // each row are read together.
    constexpr std::int64_t kColumns = 16;
    const std::int64_t rows = weight.dims[1], columns = weight.dims[0];
    std::vector<float> turned;
    for (std::int64_t begin = 0; begin < columns; begin += kColumns) {
      const std::int64_t n = std::min(kColumns, columns - begin);
      turned.resize(static_cast<std::size_t>(n * rows));
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < n; ++c)
          turned[static_cast<std::size_t>(c * rows + r)] = weight.values.data()[r * columns + begin + c];
      file.write(turned.data(), turned.size() * sizeof(float));
    }
  }

  std::string fields_;  // of the graph, all but the weights
  std::vector<Weight> weights_;
  std::set<std::string> names_;  // of weights and constants
};

}  // namespace detail::onnx

}  // namespace minivit::inline MINIVIT_ABI
