// The messages of an ONNX file, as protocol buffers.
//
// They are those of onnx/onnx.proto (github.com/onnx/onnx, IR version 8). The fields that are used are the
// enumerations below; protozero (header-only, BSD) writes them.
#pragma once

#include <cstdint>
#include <protozero/pbf_builder.hpp>
#include <protozero/varint.hpp>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "minivit/core/check.hpp"

namespace minivit::inline MINIVIT_ABI {

// A namespace of its own: event files have a TensorField, too.
namespace detail::onnx {

using FieldTag = protozero::pbf_tag_type;
enum class ModelField : FieldTag {
  kIrVersion = 1,
  kProducerName = 2,
  kProducerVersion = 3,
  kGraph = 7,
  kOpset = 8,
  kMetadata = 14
};
enum class OpsetField : FieldTag { kDomain = 1, kVersion = 2 };
enum class EntryField : FieldTag { kKey = 1, kValue = 2 };
enum class GraphField : FieldTag { kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12 };
enum class NodeField : FieldTag { kInput = 1, kOutput = 2, kName = 3, kOpType = 4, kAttribute = 5 };
enum class AttributeField : FieldTag { kName = 1, kFloat = 2, kInt = 3, kInts = 8, kType = 20 };
enum class ValueInfoField : FieldTag { kName = 1, kType = 2 };
enum class TypeField : FieldTag { kTensor = 1 };
enum class TensorTypeField : FieldTag { kElementType = 1, kShape = 2 };
enum class ShapeField : FieldTag { kDim = 1 };
enum class DimField : FieldTag { kValue = 1, kName = 2 };
enum class TensorField : FieldTag {
  kDims = 1,
  kDataType = 2,
  kName = 8,
  kRawData = 9,
  kExternalData = 13,
  kDataLocation = 14
};

inline constexpr std::int32_t kFloat = 1, kInt64 = 7;  // TensorProto.DataType
inline constexpr std::int32_t kExternal = 1;           // TensorProto.DataLocation

/// A message being written: complete when it goes out of scope.
template <class Field>
using Message = protozero::pbf_builder<Field>;

using Integers = std::vector<std::int64_t>;

/// A setting of a node.
struct Attribute {
  std::string_view name;
  std::variant<float, std::int64_t, Integers> value;
};

inline void add_attribute(Message<NodeField>& node, const Attribute& attribute) {
  using enum AttributeField;
  constexpr std::int32_t kTypes[] = {1, 2, 7};  // FLOAT, INT, INTS: as in the variant
  Message<AttributeField> out(node, NodeField::kAttribute);
  out.add_string(kName, attribute.name.data(), attribute.name.size());
  if (const auto* number = std::get_if<float>(&attribute.value)) out.add_float(kFloat, *number);
  if (const auto* integer = std::get_if<std::int64_t>(&attribute.value)) out.add_int64(kInt, *integer);
  if (const auto* integers = std::get_if<Integers>(&attribute.value))
    for (const std::int64_t value : *integers) out.add_int64(kInts, value);
  out.add_enum(kType, kTypes[attribute.value.index()]);
}

/// Appends an input or output of the graph: floats (batch, dims...), with a batch of any size.
inline void add_batch(Message<GraphField>& graph, GraphField field, const std::string& name,
                      const Integers& dims_behind_batch) {
  Message<ValueInfoField> info(graph, field);
  info.add_string(ValueInfoField::kName, name);
  Message<TypeField> type(info, ValueInfoField::kType);
  Message<TensorTypeField> tensor(type, TypeField::kTensor);
  tensor.add_int32(TensorTypeField::kElementType, kFloat);
  Message<ShapeField> shape(tensor, TensorTypeField::kShape);
  Message<DimField>(shape, ShapeField::kDim).add_string(DimField::kName, "batch");
  for (const std::int64_t extent : dims_behind_batch)
    Message<DimField>(shape, ShapeField::kDim).add_int64(DimField::kValue, extent);
}

/// Appends a key and its text.
template <class Parent, class Field>
void add_entry(Parent& parent, Field field, const std::string& key, const std::string& value) {
  Message<EntryField> entry(parent, field);
  entry.add_string(EntryField::kKey, key);
  entry.add_string(EntryField::kValue, value);
}

/// What a tensor says before its elements.
inline void add_tensor_head(Message<TensorField>& tensor, const std::string& name, std::int32_t type,
                            std::span<const std::int64_t> dims) {
  for (const std::int64_t extent : dims) tensor.add_int64(TensorField::kDims, extent);
  tensor.add_int32(TensorField::kDataType, type);
  tensor.add_string(TensorField::kName, name);
}

/// Appends the beginning of a field of so many bytes, which follow: for what is never in memory as a whole.
template <class Field>
void append_prefix(std::string& out, Field field, std::uint64_t bytes) {
  constexpr std::uint64_t kLengthDelimited = 2;
  protozero::add_varint_to_buffer(&out, static_cast<std::uint64_t>(field) << 3 | kLengthDelimited);
  protozero::add_varint_to_buffer(&out, bytes);
}

}  // namespace detail::onnx

}  // namespace minivit::inline MINIVIT_ABI
