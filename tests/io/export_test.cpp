// Exported models have the names of others and are read back as the same model. (That they compute the same
// from it is for tests/examples/check_export.py to see, where they are installed.)
#include "minivit/io/export.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "minivit/io/pretrained.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::io;
namespace fs = std::filesystem;

namespace {

const fs::path kModels = fs::path(MINIVIT_TEST_DATA) / "pretrained";

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::path("export_test") / name;
  fs::remove_all(folder);
  fs::create_directories(folder.parent_path());
  return folder;
}

std::set<std::string> names_in(const fs::path& folder) {
  const SafetensorsFile file(folder / "model.safetensors");
  std::set<std::string> names;
  for (const std::string& name : file.names())
    if (!name.starts_with("pooler.")) names.insert(name);
  return names;
}

/// Shares of an edge are pixels there, which need not be the same number to be the same size.
bool same_preparation(Preprocess a, const Preprocess& b) {
  bool same = true;
  for (const auto& [width, height] : {std::pair{100, 70}, {70, 100}, {20, 20}})
    same = same && image::detail::size_before_crop(width, height, a) ==
                       image::detail::size_before_crop(width, height, b);
  a.crop_pct = b.crop_pct;
  return same && a == b;
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

ModelBundle small(const auto& change) {
  ViTConfig c;
  c.image_height = c.image_width = 16, c.patch_size = 8;
  c.embedding_dim = 16, c.num_layers = 2, c.num_heads = 2, c.num_classes = 3, c.mlp_ratio = 2;
  change(c);
  manual_seed(5);
  ModelBundle model{VisionTransformer(c), {"a", "b", "c"}, Preprocess{.height = 16, .width = 16}};
  Rng rng(6);
  for (const auto& [name, p] : named_parameters(model.net))
    if (p->trainable)
      for (float& v : p->value.values()) v += 0.1f * rng.normal();
  return model;
}

}  // namespace

TEST_CASE("export: every kind of model comes back from every format that has it") {
  const auto refusal = [](const std::string& name, ExportFormat format) -> const char* {
    const bool dino_head = name.starts_with("hf_dinov2") && name != "hf_dinov2_model";
    if (format == ExportFormat::timm && dino_head)
      return "timm has no model with a head on class token and mean";
    if (format == ExportFormat::timm && name == "hf_deit")
      return "timm has no model with a distillation token without";
    if (format != ExportFormat::timm && name.starts_with("timm_mean"))
      return "transformers has no model with a head on the mean";
    if (format != ExportFormat::timm && name == "timm_qk_norm")
      return "transformers has no model with norms of queries and keys";
    if (format != ExportFormat::timm && name == "timm_pre_norm")
      return "transformers has no model with a norm before the first block";
    return nullptr;
  };
  for (const auto& entry : fs::directory_iterator(kModels)) {
    const std::string name = entry.path().filename();
    const ModelBundle model = load_pretrained(entry.path()).model;
    const SafetensorsFile expected(entry.path() / "expected.safetensors");
    for (const ExportFormat format :
         {ExportFormat::timm, ExportFormat::transformers, ExportFormat::transformers5}) {
      const fs::path folder = scratch("model");
      CAPTURE(name);
      CAPTURE(std::string(kExportFormats[static_cast<int>(format)]));
      if (const char* const why = refusal(name, format)) {
        CHECK(message_of<ConfigError>([&] { export_model(folder, model, format); }).starts_with(why));
        CHECK_FALSE(fs::exists(folder));
        continue;
      }
      export_model(folder, model, format);
      const ModelBundle again = load_pretrained(folder).model;
      const NoGrad values_only;
      CHECK(distance(again.net(expected.tensor("images")).value(), expected.tensor("logits")) < 2e-5);
      CHECK(again.labels == model.labels);
      Preprocess expected_preparation = model.preprocess;
      if (format != ExportFormat::timm)
        expected_preparation.crop_rounding = CropRounding::down;  // its only one
      CHECK(same_preparation(again.preprocess, expected_preparation));
      CHECK(fs::exists(folder / "README.md"));
      // Where it came from it has its old names, all of them.
      const bool newest = name.ends_with("new_names");
      if (name.starts_with("hf_") && newest == (format == ExportFormat::transformers5) &&
          format != ExportFormat::timm)
        CHECK(names_in(folder) == names_in(entry.path()));
      if (name.starts_with("timm_") && format == ExportFormat::timm && name != "timm_prefix")
        CHECK(names_in(folder) == names_in(entry.path()));
    }
  }
}

TEST_CASE("export: what transformers has no exact word for is said with its means") {
  // DINOv2 has LayerScales, positions for the class token, and a head on class token and mean.
  const ModelBundle models[] = {
      small([](ViTConfig& c) { c.register_tokens = 3; }),  // whose registers have positions here
      small([](ViTConfig& c) { c.register_tokens = 2, c.prefix_positions = false; }),
      small([](ViTConfig& c) { c.prefix_positions = false; }),
      small([](ViTConfig& c) { c.layer_scale = 0.5f, c.pooling = Pooling::token_and_mean; }),
      small([](ViTConfig& c) { c.positions = Positions::sincos; }),
      small([](ViTConfig& c) { c.image_width = 32; }),
      small([](ViTConfig& c) { c.activation = Activation::swiglu, c.mlp_ratio = 3; }),
  };
  for (const ModelBundle& model : models) {
    const fs::path folder = scratch("other");
    const ViTConfig& c = model.net.config;
    ModelBundle with_size = model;
    with_size.preprocess.width = static_cast<int>(c.image_width);
    export_model(folder, with_size, ExportFormat::transformers);
    const ModelBundle again = load_pretrained(folder).model;
    Tensor x = Tensor::empty({2, 3, c.image_height, c.image_width});
    Rng rng(9);
    for (float& v : x.values()) v = rng.normal();
    const NoGrad values_only;
    CHECK(distance(again.net(x).value(), model.net(x).value()) < 1e-5);
  }
  const auto refused = [](const auto& change) {
    return message_of<ConfigError>(
        [&] { export_model(scratch("refused"), small(change), ExportFormat::transformers); });
  };
  CHECK(refused([](ViTConfig& c) { c.stem = Stem::conv; }) ==
        "neither timm nor transformers has a Vision Transformer with this stem of convolutions; export it as "
        "ONNX");
  CHECK(refused([](ViTConfig& c) { c.stem = Stem::shifted; }) ==
        "neither timm nor transformers has a Vision Transformer with shifted patches; export it as ONNX");
  CHECK(refused([](ViTConfig& c) { c.attention = Attention::locality; }) ==
        "neither timm nor transformers has a Vision Transformer with locality self-attention; export it as "
        "ONNX");
  CHECK(refused([](ViTConfig& c) { c.pooling = Pooling::sequence; }) ==
        "neither timm nor transformers has a Vision Transformer with sequence pooling; export it as ONNX");
  CHECK(refused([](ViTConfig& c) { c.activation = Activation::swiglu, c.mlp_ratio = 2.5; }) ==
        "transformers has no SwiGLU of width 20, it is rounded up to a multiple of 8; export it for timm or "
        "as ONNX");
  CHECK(refused([](ViTConfig& c) { c.qk_norm = true; }) ==
        "transformers has no model with norms of queries and keys; export it for timm or as ONNX");
  CHECK(refused([](ViTConfig& c) { c.norm_pre = true; }) ==
        "transformers has no model with a norm before the first block; export it for timm or as ONNX");
  CHECK(refused([](ViTConfig& c) { c.layer_scale = 1, c.image_width = 32; })
            .starts_with("transformers has no model with LayerScale, registers or SwiGLU for images that are "
                         "not square"));
}

TEST_CASE("export: the card says what the model is and what it was measured to do") {
  const ModelBundle model = small([](ViTConfig&) {});
  const fs::path folder = scratch("card");
  export_model(folder, model, ExportFormat::onnx, {{"validation accuracy", "0.9125"}});
  CHECK(fs::exists(folder / "model.onnx"));
  const std::string card = text_of(folder / "README.md");
  for (const char* const part :
       {"library_name: onnx", "A Vision Transformer for 3 classes", "| validation accuracy | 0.9125 |",
        "16x16, 3 channels, patches of 8x8", "onnxruntime", "0. a\n1. b\n2. c\n"})
    CHECK(card.find(part) != std::string::npos);
  export_model(folder, model, ExportFormat::timm);  // in its place
  CHECK_FALSE(fs::exists(folder / "model.onnx"));
  CHECK(text_of(folder / "README.md").find("| results | not measured |") != std::string::npos);
}
