// A trained model on disk: model.safetensors with timm's names, config.json, preprocessor_config.json.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "minivit/core/atomic_folder.hpp"
#include "minivit/core/sort.hpp"
#include "minivit/data/image.hpp"
#include "minivit/io/model_config.hpp"
#include "minivit/io/safetensors.hpp"
#include "minivit/model/vit.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Writes parameters as one safetensors file, under their names, atomically. Throws FileError.
inline void save_weights(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters) {
  SafetensorsWriter writer;
  writer.set_metadata("format", "pt");  // what loaders of the format ask for
  for (const auto& [name, p] : parameters) writer.add(name, p->value);
  writer.save(path);
}
template <class Module>
void save_weights(const std::filesystem::path& path, const Module& module) {
  save_weights(path, named_parameters(const_cast<Module&>(module)));
}

namespace detail {

/// Names for an error message: all, or the first few and how many more.
class NameList {
 public:
  explicit NameList(std::string_view title) : title_(title) {}

  [[gnu::noinline]] void add(std::string_view name) {
    if (++count_ <= kShown) text_ += minivit::str_cat(count_ > 1 ? ", " : title_, name);
  }

  /// Empty if there are none.
  [[gnu::noinline]] std::string text() const {
    return count_ > kShown ? minivit::str_cat(text_, " and ", count_ - kShown, " more") : text_;
  }

 private:
  static constexpr std::size_t kShown = 8;
  std::string_view title_;
  std::string text_;
  std::size_t count_ = 0;
};

}  // namespace detail

/// Reads parameters from a safetensors file. Strict: a tensor that is missing, not expected or of another
/// shape is an error that names it, and the parameters are then unchanged. Throws FileError.
inline void load_weights(const SafetensorsFile& file, const std::string& file_name,
                         const std::vector<NamedParameter>& parameters) {
  detail::NameList missing("; missing: "), extra("; not expected: "), misshapen("; of another shape: ");
  std::vector<char> expected(file.tensors().size());
  for (const auto& [name, p] : parameters) {
    if (!file.contains(name)) {
      missing.add(name);
      continue;
    }
    const SafetensorsInfo& info = file.info(name);
    expected[static_cast<std::size_t>(&info - file.tensors().data())] = true;
    const std::span<const std::int64_t> shape = info.shape();
    if (!std::equal(shape.begin(), shape.end(), p->value.shape().begin(), p->value.shape().end()))
      misshapen.add(str_cat(name, " is ", info.shape_text(), ", expected ", p->value.shape()));
  }
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (!expected[i]) extra.add(file.tensors()[i].name);
  const std::string problems = missing.text() + extra.text() + misshapen.text();
  check<FileError>(problems.empty(), file_name, ": does not hold this model", problems);
  for (const auto& [name, p] : parameters) file.read_into(name, p->value);
}
template <class Module>
void load_weights(const SafetensorsFile& file, const std::string& file_name, Module& module) {
  load_weights(file, file_name, named_parameters(module));
}

/// One class and how probable it is.
struct Prediction {
  int label;          ///< number of the class
  std::string name;   ///< of the class
  float probability;  ///< 0 to 1
};

/// A model that is ready to classify images.
struct ModelBundle {
  VisionTransformer net;
  std::vector<std::string> labels;  ///< name of each class
  Preprocess preprocess;

  /// Logits (B, num_classes) of images. Thread-safe. Throws as the preprocessing.
  Tensor logits(std::span<const Image> images) const {
    const NoGrad values_only;
    const Training off(false);
    const ViTConfig& c = net.config;
    check<ShapeError>(c.channels == preprocess.channels, "model: has ", c.channels,
                      " input channels, images are prepared with ", preprocess.channels);
    Tensor batch =
        Tensor::empty({static_cast<std::int64_t>(images.size()), c.channels, c.image_height, c.image_width});
    const std::int64_t size = c.channels * c.image_height * c.image_width;
    for (std::size_t i = 0; i < images.size(); ++i)
      minivit::preprocess(images[i], preprocess, batch.data() + static_cast<std::int64_t>(i) * size);
    return net(batch).value();
  }

  /// The `top` most probable classes of an image, the best first. Thread-safe.
  std::vector<Prediction> classify(const Image& image, std::size_t top = 5) const {
    return ranked(logits({&image, 1}).values(), top);
  }

  /// The `top` most probable classes given an image's logits, the best first; equally probable ones by
  /// number.
  std::vector<Prediction> ranked(std::span<const float> logits, std::size_t top = 5) const {
    const auto K = static_cast<std::int64_t>(logits.size());
    Tensor p = Tensor::empty({K});
    if (K > 0) kernels::softmax_row(K, logits.data(), p.data());
    const auto order =
        sorted_positions(logits.size(), [&](std::uint32_t a, std::uint32_t b) { return p(a) > p(b); });
    std::vector<Prediction> best;
    for (std::size_t i = 0; i < std::min(top, order.size()); ++i)
      best.push_back({static_cast<int>(order[i]), labels[order[i]], p(order[i])});
    return best;
  }
};

namespace detail {

/// Throws ConfigError for a model with adapters: nobody else knows them.
inline void check_merged(const VisionTransformer& net) {
  check<ConfigError>(net.encoder.blocks.empty() || !net.encoder.blocks[0].attn.qkv.lora.defined(),
                     "the model has adapters (LoRA); make them one with the weights with merge_lora first");
}

}  // namespace detail

/// Writes the files of a model folder into `folder`, one by one. Throws as `save_model`.
inline void write_model_files(const std::filesystem::path& folder, const VisionTransformer& net,
                              const std::vector<std::string>& labels, const Preprocess& preprocess) {
  check<ConfigError>(static_cast<std::int64_t>(labels.size()) == net.config.num_classes,
                     "save_model: ", labels.size(), " labels given for ", net.config.num_classes, " classes");
  save_weights(folder / "model.safetensors", net);
  write_json_file(folder / "config.json", to_json(ModelConfig{net.config, labels, preprocess}));
  write_json_file(folder / "preprocessor_config.json", preprocessor_to_json(preprocess));
}

/// Writes a model folder that timm can open too, in the place of an earlier one: a crash at any moment leaves
/// the old or the new one complete. Throws FileError (a full disk, no permission; the earlier folder is then
/// as it was), ConfigError unless there is a label for each class, and for a model with adapters.
inline void save_model(const std::filesystem::path& folder, const VisionTransformer& net,
                       const std::vector<std::string>& labels, const Preprocess& preprocess) {
  detail::check_merged(net);
  AtomicFolder fresh(folder);
  write_model_files(fresh.path(), net, labels, preprocess);
  fresh.commit();
}

/// Reads a model folder: config.json and model.safetensors, strictly, ready to predict. Throws FileError that
/// names the file and what is wrong in it, ConfigError for a configuration that makes no model.
inline ModelBundle load_model(const std::filesystem::path& folder) {
  recover_folder(folder);
  const auto config_path = detail::inside(folder, "config.json"),
             weights_path = detail::inside(folder, "model.safetensors");
  ModelConfig config = model_config_from_json(read_json_file(config_path), config_path.native());
  const SafetensorsFile file(weights_path);
  // Before memory is asked for: a configuration may promise anything.
  std::int64_t stored = 0;
  for (const SafetensorsInfo& tensor : file.tensors()) stored += tensor.numel();
  check<FileError>(config.vit.parameter_count() / 4 <= stored + 1'000'000, weights_path.native(), ": holds ",
                   stored, " weights, ", config_path.native(), " describes a model of ",
                   config.vit.parameter_count());
  const SkipInit weights_come_from_the_file;
  ModelBundle model{VisionTransformer(config.vit), std::move(config.labels), config.preprocess};
  load_weights(file, weights_path.native(), model.net);
  model.net.prepare();
  return model;
}

}  // namespace minivit::inline MINIVIT_ABI
