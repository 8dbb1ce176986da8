// Models as timm and transformers write them give the logits that these libraries compute.
// tests/data/make_pretrained.py makes the files.
#include "minivit/io/pretrained.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "minivit/io/export_transformers.hpp"
#include "minivit/io/model_folder.hpp"
#include "minivit/io/pretrained_config.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::io;
namespace fs = std::filesystem;

namespace {

const fs::path kModels = fs::path(MINIVIT_TEST_DATA) / "pretrained";

/// How far the model's logits are from those of the library that made the folder.
template <class Net>
double error_of(const Net& net, const std::string& name) {
  const SafetensorsFile expected(kModels / name / "expected.safetensors");
  return distance(Var(net(expected.tensor("images"))).value(), expected.tensor("logits"));
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
  fs::copy(kModels / name, folder, fs::copy_options::recursive);
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
      {"timm_qk_norm", "ViT, timm's names"},
      {"timm_pre_norm", "ViT, timm's names"},
      {"timm_mean_norm", "ViT, timm's names"},
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
      {"hf_dinov2_registers_larger", "DINOv2 with registers, transformers' names"},
      {"hf_dinov2_swiglu", "DINOv2 with registers, transformers' names"},
      {"hf_dinov2_swiglu_new_names", "DINOv2, transformers' names"},
  };
  std::size_t folders = 0;
  for (const auto& entry : fs::directory_iterator(kModels)) folders += entry.is_directory();
  CHECK(folders == std::size(models));
  for (const auto& [model, family] : models) {
    const std::string name = model;  // clang 14 cannot capture a binding
    CAPTURE(name);
    Pretrained loaded = load_pretrained(kModels / name);
    CHECK(loaded.family == family);
    CHECK(error_of(loaded.model.net, name) < 1e-5);
    CHECK(error_of(PackedViT(loaded.model.net), name) < 1e-5);
    if (!loaded.model.labels.empty()) CHECK(loaded.model.labels[3] == "kind 3");

    // Saved here, it is the same model.
    const fs::path folder = scratch("saved");
    save_model(folder / "model", loaded.model.net, loaded.model.labels, loaded.model.preprocess);
    const ModelBundle again = load_bundle(folder / "model");
    CHECK(error_of(again.net, name) < 1e-5);
    CHECK(again.preprocess == loaded.model.preprocess);
  }
}

TEST_CASE("pretrained: a stem of convolutions and sequence pooling, which are this library's own") {
  for (const std::int64_t classes : {0, 3}) {
    const VisionTransformer net({.image_height = 8,
                                 .image_width = 8,
                                 .patch_size = 4,
                                 .stem = Stem::conv,
                                 .num_classes = classes,
                                 .embedding_dim = 8,
                                 .num_layers = 1,
                                 .num_heads = 2,
                                 .pooling = Pooling::sequence,
                                 .class_token = false});
    const fs::path folder = scratch(str_cat("conv_stem_", classes)) / "model";
    const std::vector<std::string> labels =
        classes > 0 ? std::vector<std::string>{"a", "b", "c"} : std::vector<std::string>();
    save_model(folder, net, labels, {.height = 8, .width = 8});
    const Pretrained same = load_pretrained(folder);
    const Tensor images = Tensor::full({2, 3, 8, 8}, 0.5f);
    CHECK(distance(same.model.net(images).value(), net(images).value()) == 0);
    CHECK(same.model.labels == labels);
    const Pretrained other = load_pretrained(folder, {.missing_head = true, .classes = {"x", "y"}});
    CHECK(other.model.net(images).shape() == Shape{2, 2});
  }
}

TEST_CASE("pretrained: one model in both layouts gives PyTorch's logits") {
  const fs::path fixtures = kModels.parent_path();
  const SafetensorsFile expected(fixtures / "vit.fixtures.safetensors");
  const NoGrad values_only;
  for (const char* const layout : {"vit_timm", "vit_hf"}) {
    CAPTURE(std::string(layout));
    const Pretrained loaded = load_pretrained(fixtures / layout);
    CHECK(distance(loaded.model.net(expected.tensor("images")).value(), expected.tensor("logits")) < 1e-5);
    CHECK(loaded.model.labels[6] == "class_6");
  }
}

TEST_CASE("pretrained: what only this library has is read from its own folders, larger or gray") {
  using C = ViTConfig;
  void (*const changes[])(C&) = {
      [](C& c) { c.stem = Stem::conv; },
      [](C& c) { c.stem = Stem::shifted; },
      [](C& c) { c.pooling = Pooling::sequence, c.class_token = false; },
      [](C& c) { c.attention = Attention::locality; },
  };
  for (const auto& change : changes) {
    ViTConfig config{.image_height = 16,
                     .image_width = 16,
                     .patch_size = 4,
                     .num_classes = 2,
                     .embedding_dim = 16,
                     .num_layers = 1,
                     .num_heads = 2};
    change(config);
    const VisionTransformer net(config);
    const fs::path folder = scratch("own");
    save_model(folder, net, {"a", "b"}, Preprocess{.height = 16, .width = 16});
    const ModelBundle same = load_pretrained(folder).model;
    CHECK(same.net.config == config);
    Tensor x = Tensor::empty({2, 3, 16, 16});
    Rng rng(3);
    for (float& v : x.values()) v = rng.normal();
    const NoGrad values_only;
    CHECK(distance(same.net(x).value(), net(x).value()) == 0);
    const ModelBundle other = load_pretrained(folder, {.image_height = 24, .gray = true}).model;
    CHECK(other.net(Tensor::zeros({1, 1, 24, 16})).shape() == Shape{1, 2});
  }
}

TEST_CASE("pretrained: a file without a config.json needs timm's architecture, or the heads") {
  const fs::path folder = copy_of("timm_by_name", "bare");
  fs::remove(folder / "config.json");
  const fs::path file = folder / "model.safetensors";
  CHECK(message_of<FileError>([&] {
          static_cast<void>(load_pretrained(file));
        }).find("the weights do not tell the number of attention heads") != std::string::npos);
  CHECK(message_of<ConfigError>([&] {
          static_cast<void>(load_pretrained(file, {.architecture = "resnet50"}));
        }).starts_with("architecture \"resnet50\" is not known"));
  for (const Pretrained& loaded : {load_pretrained(file, {.architecture = "vit_tiny_patch16_224"}),
                                   load_pretrained(file, {.num_heads = 3})}) {
    CHECK(error_of(loaded.model.net, "timm_by_name") < 1e-5);
    CHECK(loaded.model.labels == std::vector<std::string>{"0", "1", "2", "3", "4"});
    CHECK(loaded.guesses.size() == 1);  // how images are prepared
  }
  CHECK(message_of<ConfigError>([&] { static_cast<void>(load_pretrained(file, {.num_heads = 5})); }) ==
        "embedding_dim 12 is not divisible by num_heads 5");
}

TEST_CASE("pretrained: what is missing, not known or of another shape is named") {
  const fs::path folder = scratch("strict");
  const SafetensorsFile whole(kModels / "hf_vit" / "model.safetensors");
  fs::copy(kModels / "hf_vit" / "config.json", folder);
  const auto complaint = [&](const std::string& leave_out, const std::string& add, const Shape& shape,
                             const PretrainedOptions& options = {}) {
    std::vector<NamedTensor> tensors;
    for (const std::string& name : whole.names())
      if (!name.ends_with(leave_out) || leave_out.empty()) tensors.push_back({name, whole.tensor(name)});
    if (!add.empty()) tensors.push_back({add, Tensor::zeros(shape)});
    save_safetensors(folder / "model.safetensors", tensors);
    const std::string text =
        message_of<FileError>([&] { static_cast<void>(load_pretrained(folder, options)); });
    const std::size_t at = text.find("model.safetensors: ");
    return at == std::string::npos ? text : text.substr(at + 19);
  };
  CHECK(complaint("", "", {}) == "nothing was thrown");
  CHECK(complaint("0.output.dense.bias", "", {}) ==
        "does not hold this model; missing: blocks.0.mlp.fc2.bias");
  CHECK(complaint("", "vit.something.weight", {2}) ==
        "does not hold this model; not expected: vit.something.weight");
  CHECK(complaint("", "vit.encoder.layer.7.layernorm_before.bias", {16}) ==
        "does not hold this model; not expected: blocks.7.norm1.bias");
  CHECK(complaint("0.layernorm_before.bias", "vit.encoder.layer.0.layernorm_before.bias", {15}) ==
        "does not hold this model; of another shape: blocks.0.norm1.bias is (15), expected (16)");
  CHECK(complaint("0.attention.attention.key.weight", "", {})
            .find("of another shape: blocks.0.attn.qkv.weight") != std::string::npos);
  CHECK(complaint("", "blocks.0.norm1.bias", {16}).find("blocks.0.norm1.bias is there twice, once as ") !=
        std::string::npos);
  CHECK(complaint("vit.embeddings.patch_embeddings.projection.weight", "", {})
            .find("patch_embed.proj.weight is missing") != std::string::npos);
  CHECK(complaint("vit.embeddings.position_embeddings", "vit.embeddings.position_embeddings", {1, 20, 16}) ==
        "pos_embed has 20 positions, an image of 16x16 has 16 patches of 4x4 pixels, with 1 tokens in front");
  // The head may be missing only if the caller says so.
  CHECK(complaint("classifier.weight", "", {}).find("head") != std::string::npos);
  std::vector<NamedTensor> tensors;
  for (const std::string& name : whole.names())
    if (!name.starts_with("classifier")) tensors.push_back({name, whole.tensor(name)});
  save_safetensors(folder / "model.safetensors", tensors);
  CHECK(message_of<FileError>([&] {
          static_cast<void>(load_pretrained(folder));
        }).find("missing: head.weight, head.bias") != std::string::npos);
  const Pretrained fresh = load_pretrained(folder, {.missing_head = true});
  CHECK(fresh.model.net.config.num_classes == 5);
  CHECK(load_pretrained(folder, {.without_head = true}).model.net.config.num_classes == 0);
}

TEST_CASE("pretrained: other classes keep the rows of those that stay") {
  for (const char* name : {"timm_vit", "hf_dinov2", "timm_deit_distilled"}) {
    CAPTURE(name);
    const Pretrained before = load_pretrained(kModels / name),
                     after =
                         load_pretrained(kModels / name, {.classes = {"new", "kind 3", "other", "kind 0"}});
    CHECK(after.model.labels == std::vector<std::string>{"new", "kind 3", "other", "kind 0"});
    const Tensor &old = before.model.net.head.weight.value, &now = after.model.net.head.weight.value;
    REQUIRE(now.shape() == Shape{4, old.size(1)});
    for (std::int64_t j = 0; j < old.size(1); ++j) {
      CHECK(now(1, j) == old(3, j));
      CHECK(now(3, j) == old(0, j));
      CHECK(std::fabs(now(0, j)) <= 0.04f);  // truncated normal, deviation 0.02
    }
    CHECK(after.model.net.head.bias.value(1) == before.model.net.head.bias.value(3));
    CHECK(after.model.net.head.bias.value(0) == 0.0f);
    const NoGrad values_only;
    CHECK(after.model.net(Tensor::zeros({2, 3, 16, 16})).shape() == Shape{2, 4});
  }
}

TEST_CASE("pretrained: preprocessing comes from the model's own files") {
  const Preprocess vit = load_pretrained(kModels / "hf_vit").model.preprocess;
  CHECK(vit.fit == Preprocess::Fit::squash);
  CHECK(vit.filter == image::Filter::bilinear);
  CHECK(vit.crop_pct == 1.0);
  CHECK(vit.mean[1] == 0.5f);
  const Preprocess deit = load_pretrained(kModels / "hf_deit").model.preprocess;  // 18 x 18, then 16 x 16
  CHECK(deit.fit == Preprocess::Fit::squash);
  CHECK(deit.filter == image::Filter::bicubic);
  CHECK(image::detail::size_before_crop(100, 50, deit) == std::array{18, 18});
  const Pretrained dino = load_pretrained(kModels / "hf_dinov2_larger");
  CHECK(dino.model.preprocess.fit == Preprocess::Fit::crop);
  CHECK(image::detail::size_before_crop(100, 50, dino.model.preprocess) == std::array{40, 20});
  CHECK(dino.model.preprocess.mean[0] == 0.485f);
  CHECK(dino.notes.size() == 2);
  CHECK(dino.notes[0] == "not needed and left out: dinov2.embeddings.mask_token");
  CHECK(dino.notes[1] == "positions interpolated from 7x7 to 4x4 patches");
  const Preprocess timm = load_pretrained(kModels / "timm_vit").model.preprocess;
  CHECK(timm.fit == Preprocess::Fit::crop);
  CHECK(timm.crop_pct == 0.9);
  for (int edge = 1; edge < 700; ++edge)
    for (int size = 1; size <= edge; size += 13)
      REQUIRE(static_cast<int>(size / minivit::detail::crop_share(size, edge)) == edge);
}

TEST_CASE("pretrained: what a configuration asks for and is not there is refused") {
  const fs::path folder = copy_of("hf_vit", "config");
  const auto complaint = [&](const char* file, const std::string& from, const std::string& to) {
    std::ifstream in(kModels / "hf_vit" / file);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    std::ofstream(folder / file) << text.replace(at, from.size(), to);
    const std::string message = message_of<FileError>([&] { static_cast<void>(load_pretrained(folder)); });
    fs::copy_file(kModels / "hf_vit" / file, folder / file, fs::copy_options::overwrite_existing);
    return message.substr(std::min(message.size(), message.find("config.json") + 13));
  };
  CHECK(complaint("config.json", "\"gelu\"", "\"relu\"") == "hidden_act is relu, expected \"gelu\"");
  CHECK(complaint("config.json", "\"vit\"", "\"swin\"") ==
        "model_type is \"swin\", expected \"vit\", \"deit\", \"dinov2\" or \"dinov2_with_registers\"");
  CHECK(complaint("config.json", "\"4\": \"kind 4\"", "\"6\": \"kind 4\"") ==
        "id2label has 5 names, but none for class 4");
  CHECK(complaint("preprocessor_config.json", "\"resample\": 2", "\"resample\": 1") ==
        "resample is 1, expected 0 (nearest), 2 (bilinear) or 3 (bicubic)");
  CHECK(complaint("preprocessor_config.json", "0.00392156862745098", "1.0") ==
        "rescale_factor is not 1/255, which is the only one supported");
  fs::remove(folder / "model.safetensors");
  std::ofstream(folder / "pytorch_model.bin") << "x";
  CHECK(message_of<FileError>([&] {
          static_cast<void>(load_pretrained(folder));
        }).find("convert it to safetensors") != std::string::npos);
}

TEST_CASE("pretrained: another image size, patch size, gray") {
  const Pretrained larger = load_pretrained(kModels / "timm_vit", {.image_height = 24, .image_width = 32});
  CHECK(larger.model.net.pos_embed.value.shape() == Shape{1, 1 + 6 * 8, 16});
  CHECK(larger.model.preprocess.height == 24);
  CHECK(larger.notes == std::vector<std::string>{"positions interpolated from 4x4 to 6x8 patches"});
  const Pretrained finer = load_pretrained(kModels / "timm_vit", {.patch_size = 2});
  CHECK(finer.model.net.patch_embed.weight.value.shape() == Shape{16, 3, 2, 2});
  CHECK(finer.notes.size() == 2);
  // A gray model sees a gray image as the old one saw it in three channels; saved and exported it still does.
  const ImageClassifier color(load_pretrained(kModels / "hf_vit").model);
  const ModelBundle gray = load_pretrained(kModels / "hf_vit", {.gray = true}).model;
  CHECK(gray.net.config.channels == 1);
  Image image = image::make_image(16, 16);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(i / 3 * 7 % 256);
  const Tensor expected = color.logits({&image, 1});
  CHECK(distance(ImageClassifier(gray).logits({&image, 1}), expected) < 1e-5);
  const fs::path folder = scratch("gray");
  save_model(folder / "own", gray.net, gray.labels, gray.preprocess);
  CHECK(distance(load_model(folder / "own").logits({&image, 1}), expected) < 1e-5);
  write_transformers_files(folder, gray.net, gray.labels, gray.preprocess);
  CHECK(distance(ImageClassifier(load_pretrained(folder).model).logits({&image, 1}), expected) < 1e-5);
  CHECK(message_of<ConfigError>([&] {
          static_cast<void>(load_pretrained(kModels / "timm_vit", {.patch_size = 3}));
        }) == "image size 16x16 is not divisible by patch_size 3; the next is 18x18");
}

TEST_CASE("pretrained: hostile shapes and settings are refused for what they are") {
  const fs::path folder = scratch("hostile");
  const SafetensorsFile whole(kModels / "timm_by_name" / "model.safetensors");
  const auto complaint = [&](const std::string& name, const Shape& shape) {
    std::vector<NamedTensor> tensors;
    for (const std::string& n : whole.names())
      if (n != name) tensors.push_back({n, whole.tensor(n)});
    tensors.push_back({name, Tensor::zeros(shape)});
    save_safetensors(folder / "model.safetensors", tensors);
    return message_of<FileError>(
        [&] { static_cast<void>(load_pretrained(folder / "model.safetensors", {.num_heads = 1})); });
  };
  for (const auto& [tensor, shape] : {std::pair<const char*, Shape>{"patch_embed.proj.weight", {12, 3, 0, 0}},
                                      {"patch_embed.proj.weight", {0, 3, 4, 4}},
                                      {"patch_embed.proj.weight", {12, 3, 4, 2}},
                                      {"patch_embed.proj.weight", {12, 3, 1025, 0}},
                                      {"blocks.0.mlp.fc1.weight", {0, 12}},
                                      {"blocks.0.mlp.fc1.weight", {769, 0}},
                                      {"blocks.0.mlp.fc2.weight", {12, 0}}}) {
    const std::string name = tensor;
    CAPTURE(name);
    CHECK(complaint(name, shape).find("are no sizes of a Vision Transformer") != std::string::npos);
  }
  for (const auto& [tensor, shape] : {std::pair<const char*, Shape>{"pos_embed", {1, 0, 12}},
                                      {"pos_embed", {2, 17, 12}},
                                      {"pos_embed", {1, 17, 0}},
                                      {"pos_embed", {17, 12}},
                                      {"cls_token", {1, 2, 12}},
                                      {"cls_token", {0, 0, 0}},
                                      {"reg_token", {2, 1, 12}},
                                      {"blocks.1.norm1.weight", {13}},
                                      {"head.weight", {5, 12, 1}}}) {
    const std::string name = tensor;
    CAPTURE(name);
    CHECK_FALSE(complaint(name, shape) == "nothing was thrown");
  }

  // A configuration that is not complete is not taken for one that is.
  const auto with_args = [&](const std::string& args) {
    fs::copy_file(kModels / "timm_by_name" / "model.safetensors", folder / "model.safetensors",
                  fs::copy_options::overwrite_existing);
    std::ofstream(folder / "config.json")
        << R"({"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": )" << args << "}";
  };
  with_args(R"({"embed_dim": 12})");
  CHECK(load_pretrained(folder).model.net.config.num_heads == 3);
  with_args(R"({"num_heads": 2})");
  CHECK(load_pretrained(folder).model.net.config.num_heads == 2);
  with_args(
      R"({"embed_dim": 12, "depth": 2, "num_heads": 3, "img_size": 8, "patch_size": 4, "mlp_ratio": 2, "no_embed_class": true})");
  CHECK(message_of<FileError>([&] {
          static_cast<void>(load_pretrained(folder));
        }).find("of another shape: pos_embed is (1, 17, 12), expected (1, 4, 12)") != std::string::npos);
  with_args(R"({"embed_dim": 12, "depth": 2, "num_heads": 0})");  // a file's mistake, not the caller's
  CHECK(message_of<FileError>([&] {
          static_cast<void>(load_pretrained(folder));
        }).find("config.json: num_heads is 0") != std::string::npos);

  // Classes that are numbers for want of names are no classes of that name.
  with_args("{}");
  const Pretrained numbered = load_pretrained(folder, {.classes = {"0", "1", "2", "3", "4"}});
  CHECK(numbered.notes.back() == "the head is new");
}

TEST_CASE("pretrained: image processors") {
  const auto read = [](const std::string& text) {
    return preprocess_from_transformers(parse_json(text, "p"), "p");
  };
  const auto complaint = [&](const std::string& text) { return message_of<FileError>([&] { read(text); }); };
  const Preprocess clip =
      read(R"({"image_processor_type": "CLIPImageProcessorFast", "size": 32, "crop_size": 16})");
  CHECK(clip.fit == Preprocess::Fit::crop);
  CHECK(clip.filter == image::Filter::bicubic);
  CHECK(clip.mean[0] == 0.48145466f);
  CHECK(image::detail::size_before_crop(100, 50, clip) == std::array{64, 32});
  const Preprocess old =
      read(R"({"feature_extractor_type": "ViTFeatureExtractor", "size": 32, "do_normalize": false})");
  CHECK(old.fit == Preprocess::Fit::squash);
  CHECK(old.width == 32);
  CHECK(old.std[2] == 1.0f);
  CHECK(read("{}").height == 224);
  CHECK(image::detail::size_before_crop(90, 90, read(R"({"image_processor_type": "DeiTImageProcessor"})")) ==
        std::array{256, 256});
  CHECK(complaint(R"({"image_processor_type": "ConvNextImageProcessor"})") ==
        "p: image_processor_type is that of ConvNext, expected ViT's, DeiT's, Bit's or CLIP's");
  CHECK(complaint(R"({"do_resize": false})") == "p: do_resize is false, expected true");
  CHECK(complaint(R"({"image_processor_type": "BitImageProcessor", "do_center_crop": false})")
            .starts_with("p: do_center_crop is false"));
  CHECK(
      complaint(
          R"({"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 32}, "crop_size": {"height": 16, "width": 24}})")
          .find("expected a square") != std::string::npos);
  CHECK(complaint(R"({"do_center_crop": true, "size": {"height": 16, "width": 32}, "crop_size": 8})")
            .find("another share of the width") != std::string::npos);
  CHECK(complaint(R"({"do_center_crop": true, "size": 8, "crop_size": 16})").find("larger than the size") !=
        std::string::npos);
  CHECK(complaint(R"({"size": -1})").find("expected 1 to 16384") != std::string::npos);
  CHECK(complaint(R"({"size": {"height": 3}})").find("width is missing") != std::string::npos);
}
