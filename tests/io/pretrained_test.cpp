// Models as timm and transformers write them give the logits that these libraries compute.
// tests/data/make_pretrained.py makes the files.
#include "minivit/io/pretrained.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "minivit/io/model_folder.hpp"
#include "support/message_of.hpp"

using namespace minivit;
namespace fs = std::filesystem;

namespace {

const fs::path kModels = fs::path(MINIVIT_TEST_DATA) / "pretrained";

double distance(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double most = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i)
    most = std::max(most, std::fabs(double(a.data()[i]) - double(b.data()[i])));
  return most;
}

/// How far the model's logits are from those of the library that made the folder.
double error_of(const VisionTransformer& net, const std::string& name) {
  const SafetensorsFile expected(kModels / name / "expected.safetensors");
  const NoGrad values_only;
  return distance(net(expected.tensor("images")).value(), expected.tensor("logits"));
}

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::path("pretrained_test") / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

/// A copy of one of the models, to be changed.
fs::path copy_of(const std::string& name, const std::string& as) {
  const fs::path folder = scratch(as);
  fs::copy(kModels / name, folder, fs::copy_options::overwrite_existing);
  return folder;
}

}  // namespace

TEST_CASE("pretrained: every kind of model gives the logits of the library that wrote it") {
  const std::pair<const char*, const char*> models[] = {
      {"timm_vit", "ViT, timm's names"},
      {"timm_by_name", "ViT, timm's names"},
      {"timm_f16", "ViT, timm's names"},
      {"timm_bf16", "ViT, timm's names"},
      {"timm_prefix", "ViT, timm's names"},
      {"timm_mean", "ViT, timm's names"},
      {"timm_headless", "ViT, timm's names"},
      {"timm_deit_distilled", "DeiT (distilled), timm's names"},
      {"timm_deit3", "DeiT-III, timm's names"},
      {"timm_deit3_by_name", "DeiT-III, timm's names"},
      {"timm_dinov2", "DINOv2, timm's names"},
      {"timm_dinov2_registers", "DINOv2 with registers, timm's names"},
      {"timm_dinov2_giant", "DINOv2, timm's names"},
      {"hf_vit", "ViT, transformers' names"},
      {"hf_vit_new_names", "ViT, transformers' names"},
      {"hf_vit_model", "ViT, transformers' names"},
      {"hf_vit_no_bias", "ViT, transformers' names"},
      {"hf_deit", "DeiT (distilled), transformers' names"},
      {"hf_deit_teacher", "DeiT (distilled), transformers' names"},
      {"hf_deit_new_names", "DeiT (distilled), transformers' names"},
      {"hf_dinov2", "DINOv2, transformers' names"},
      {"hf_dinov2_new_names", "DINOv2, transformers' names"},
      {"hf_dinov2_model", "DINOv2, transformers' names"},
      {"hf_dinov2_larger", "DINOv2, transformers' names"},
      {"hf_dinov2_registers", "DINOv2 with registers, transformers' names"},
      {"hf_dinov2_swiglu", "DINOv2 with registers, transformers' names"},
      {"hf_dinov2_swiglu_new_names", "DINOv2, transformers' names"},
  };
  std::size_t folders = 0;
  for (const auto& entry : fs::directory_iterator(kModels)) folders += entry.is_directory();
  CHECK(folders == std::size(models));
  for (const auto& [name, family] : models) {
    CAPTURE(name);
    Pretrained loaded = load_pretrained(kModels / name);
    CHECK(loaded.family == family);
    CHECK(error_of(loaded.model.net, name) < 1e-5);
    loaded.model.net.prepare(false);
    CHECK(error_of(loaded.model.net, name) < 1e-5);
    if (!loaded.model.labels.empty()) CHECK(loaded.model.labels[3] == "kind 3");

    // Saved here, it is the same model.
    const fs::path folder = scratch("saved");
    save_model(folder / "model", loaded.model.net, loaded.model.labels, loaded.model.preprocess);
    const Model again = load_model(folder / "model");
    CHECK(error_of(again.net, name) < 1e-5);
    CHECK(again.preprocess == loaded.model.preprocess);
  }
}
