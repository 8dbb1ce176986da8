// A model handed to others: as a folder for timm or transformers, or as ONNX, with a card that describes it.
//
// Needs protozero (libprotozero-dev), which minivit::minivit links where it is found.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minivit/core/atomic_directory.hpp"
#include "minivit/io/crc32c.hpp"
#include "minivit/io/export_transformers.hpp"
#include "minivit/io/model_folder.hpp"
#include "minivit/io/onnx.hpp"

namespace minivit::inline MINIVIT_ABI {

/// For whom.
enum class ExportFormat { timm, transformers, transformers5, onnx };
inline constexpr std::string_view kExportFormats[] = {"timm", "transformers", "transformers5", "onnx"};

namespace detail {

/// How the files are opened there.
inline std::string usage_text(ExportFormat format) {
  if (format == ExportFormat::timm)
    return "```python\nimport timm\nmodel = timm.create_model(\"local-dir:FOLDER\", pretrained=True)\n```\n";
  if (format == ExportFormat::onnx)
    return "```python\nimport onnxruntime\nsession = onnxruntime.InferenceSession(\"FOLDER/model.onnx\")\n"
           "(logits,) = session.run(None, {\"pixel_values\": images})  # (batch, channels, height, "
           "width)\n```\n";
  return "```python\nfrom transformers import AutoImageProcessor, AutoModelForImageClassification\n"
         "processor = AutoImageProcessor.from_pretrained(\"FOLDER\")\n"
         "model = AutoModelForImageClassification.from_pretrained(\"FOLDER\")\n```\n";
}

/// How the last line of a card begins. A checksum of what stands above follows.
inline constexpr std::string_view kCardMark = "<!-- written by minivit, crc32c ";

/// A card with this line: who wrote it can be told later.
inline std::string marked_card(const std::string& card) {
  return str_cat(card, kCardMark, io::crc32c(card), " -->\n");
}

/// True if `text` is a marked card that nobody has changed.
inline bool is_marked_card(std::string_view text) {
  const std::size_t mark = text.rfind(kCardMark);
  return mark != text.npos && text == marked_card(std::string(text.substr(0, mark)));
}

}  // namespace detail

/// README.md of an exported model, Markdown: what it is, how images are prepared, what it was measured to do
/// (`results`: name and value), how it is opened.
inline std::string model_card(const ModelBundle& model, ExportFormat format,
                              const std::vector<std::pair<std::string, std::string>>& results) {
  const ViTConfig& c = model.net.config;
  const Preprocess& p = model.preprocess;
  std::string out = "---\nlibrary_name: ";
  out += format == ExportFormat::timm ? "timm" : format == ExportFormat::onnx ? "onnx" : "transformers";
  out += "\npipeline_tag: image-classification\ntags:\n- vision-transformer\n- minivit\n---\n\n";
  out += str_cat("# A Vision Transformer for ", c.num_classes, " classes\n\n");
  out +=
      str_cat("| | |\n|---|---|\n| images | ", c.image_width, "x", c.image_height, ", ", c.channels,
              " channels, patches of ", c.patch_size, "x", c.patch_size, " |\n| size | ", c.embedding_dim,
              " channels, ", c.num_layers, " blocks, ", c.num_heads, " heads, ", parameter_count(model.net),
              " parameters |\n| preparation | ", p.fit == Preprocess::Fit::crop ? "center crop" : "squashed",
              ", crop ", p.crop_pct, ", ", enum_name(p.filter), ", mean ", p.mean[0], " ", p.mean[1], " ",
              p.mean[2], ", deviation ", p.std[0], " ", p.std[1], " ", p.std[2], " |\n");
  for (const auto& [name, value] : results) out += str_cat("| ", name, " | ", value, " |\n");
  if (model.multi_label)
    out += "| classes | do not exclude each other: probabilities are sigmoids of the logits |\n";
  if (results.empty()) out += "| results | not measured |\n";
  out += "\n## Use\n\n" + detail::usage_text(format);
  if (!model.labels.empty()) {
    out += "\n## Classes\n\n";
    for (std::size_t i = 0; i < model.labels.size(); ++i) out += str_cat(i, ". ", model.labels[i], "\n");
  }
  return out;
}

namespace detail {

/// What neither timm nor transformers has of a model; nothing if they may have all of it.
inline const char* known_here_alone(const ViTConfig& c) {
  return c.stem == Stem::conv                 ? "this stem of convolutions"
         : c.stem == Stem::shifted            ? "shifted patches"
         : c.attention == Attention::locality ? "locality self-attention"
         : c.pooling == Pooling::sequence     ? "sequence pooling"
                                              : nullptr;
}

}  // namespace detail

/// Writes `model` as a folder for others, in the place of an earlier one, whole or not at all. Throws
/// ConfigError if the format has no word for what the model is, FileError for files.
inline void export_model(const std::filesystem::path& folder, const ModelBundle& model, ExportFormat format,
                         const std::vector<std::pair<std::string, std::string>>& results = {},
                         const OnnxOptions& onnx = {}) {
  const ViTConfig& c = model.net.config;
  if (const char* const what = detail::known_here_alone(c); what && format != ExportFormat::onnx)
    throw ConfigError(
        str_cat("neither timm nor transformers has a Vision Transformer with ", what, "; export it as ONNX"));
  if (format == ExportFormat::timm)
    check<ConfigError>(c.pooling != Pooling::token_and_mean && c.distillation != Distillation::token,
                       "timm has no model with ",
                       c.pooling == Pooling::token_and_mean ? "a head on class token and mean together"
                                                            : "a distillation token without a head",
                       "; export it for transformers or as ONNX");
  if (format == ExportFormat::timm)
    check<ConfigError>(
        c.distillation == Distillation::none || (c.activation == Activation::gelu && c.prefix_positions),
        "timm has no model with a distillation token and SwiGLU, or without a position for it; "
        "export it as ONNX");
  io::AtomicDirectory fresh(folder);
  const std::filesystem::path& to = fresh.path();
  if (format == ExportFormat::timm)
    detail::write_model_files(to, model.net, model.labels, model.preprocess, model.multi_label);
  else if (format == ExportFormat::onnx)
    save_onnx(to / "model.onnx", model, onnx);
  else
    write_transformers_files(
        to, model.net, model.labels, model.preprocess,
        format == ExportFormat::transformers ? Naming::transformers : Naming::transformers5,
        model.multi_label);
  io::AtomicFile card(to / "README.md");
  card.write(detail::marked_card(model_card(model, format, results)));
  card.commit();
  fresh.commit();
}

}  // namespace minivit::inline MINIVIT_ABI
