// Model directories: what is saved is read back, what does not fit is named, what fails leaves the earlier
// folder.
#include "minivit/io/model_folder.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "data/fixture.hpp"
#include "minivit/core/file.hpp"
#include "minivit/io/json.hpp"
#include "minivit/io/safetensors.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using namespace minivit::io;
namespace fs = std::filesystem;

namespace {

using fixture::TemporaryFolder;

const ViTConfig kSmall{.image_height = 8,
                       .image_width = 12,
                       .patch_size = 4,
                       .num_classes = 3,
                       .embedding_dim = 16,
                       .num_layers = 2,
                       .num_heads = 2,
                       .mlp_ratio = 2};
const std::vector<std::string> kLabels{"cat", "dog", "emu"};
const Preprocess kPreprocess{.height = 8, .width = 12};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool same_weights(const VisionTransformer& a, const VisionTransformer& b) {
  const auto all = [](const VisionTransformer& net) {
    std::vector<std::pair<std::string, std::vector<float>>> weights;
    for_each_parameter(net, [&](const std::string& name, const Parameter& p) {
      weights.push_back({name, {p.value.values().begin(), p.value.values().end()}});
    });
    return weights;
  };
  return all(a) == all(b);
}

/// A saved model, and tools to damage it.
struct Saved {
  TemporaryFolder folder;
  fs::path path = folder.path() / "model", config = path / "config.json",
           weights = path / "model.safetensors";
  VisionTransformer net;

  Saved() {
    manual_seed(1);
    net = VisionTransformer(kSmall);
    save_model(path, net, kLabels, kPreprocess);
  }

  /// Replaces `from` by `to` in config.json; it must be there.
  void edit(const std::string& from, const std::string& to) const {
    std::string text = read_file(config, 1 << 20);
    const std::size_t at = text.find(from);
    REQUIRE_MESSAGE(at != std::string::npos, from);
    fixture::write(config, text.replace(at, from.size(), to));
  }

  template <class E>
  std::string complaint() const {
    return message_of<E>([&] { static_cast<void>(load_bundle(path)); });
  }
};

/// config.json with `from` replaced by `to`: what load_model has to say, if it throws an E.
template <class E>
std::string complaint(const std::string& from, const std::string& to) {
  const Saved saved;
  saved.edit(from, to);
  return saved.complaint<E>();
}

std::vector<std::string> entries(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("every option of a model is saved and read back, weights bit by bit") {
  const TemporaryFolder folder;
  std::vector<ViTConfig> configs(31, kSmall);
  configs[1].image_width = 8;
  configs[2].channels = 1;
  configs[3].mlp_ratio = 2.6;
  configs[4].input_dropout = 0.1f, configs[4].attention_dropout = 0.2f;
  configs[5].dropout = 0.3f, configs[5].drop_path = 0.4f;
  configs[6].pooling = Pooling::mean;
  configs[7].pooling = Pooling::mean, configs[7].class_token = false;
  configs[8].positions = Positions::sincos;
  configs[9].register_tokens = 3;
  configs[10].layer_scale = 1e-5f;
  configs[11].norm_eps = 1e-5f;
  configs[12].qkv_bias = false;
  configs[13].num_classes = 0;
  configs[14].activation = Activation::swiglu, configs[14].mlp_ratio = 3;
  configs[15].distillation = Distillation::token;
  configs[16].distillation = Distillation::head, configs[16].activation = Activation::swiglu;
  configs[17].prefix_positions = false;
  configs[18].pooling = Pooling::token_and_mean;
  configs[19].head_dropout = 0.2f;
  configs[20].qk_norm = true;
  configs[21].norm_pre = true;
  configs[22].pooling = Pooling::mean, configs[22].fc_norm = false;
  configs[23].qk_norm = configs[23].norm_pre = true, configs[23].qkv_bias = false;
  configs[24].stem = Stem::conv;
  configs[25].stem = Stem::conv, configs[25].patch_size = 2, configs[25].channels = 1;
  configs[26].pooling = Pooling::sequence, configs[26].class_token = false;
  configs[27].stem = Stem::shifted;
  configs[28].stem = Stem::shifted, configs[28].patch_size = 2, configs[28].channels = 1;
  configs[29].attention = Attention::locality;
  configs[30].attention = Attention::locality, configs[30].qk_norm = true;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    CAPTURE(i);
    const ViTConfig& c = configs[i];
    manual_seed(i);
    VisionTransformer net(c);
    for_each_parameter(net, [](const std::string&, Parameter& p) { init_truncated_normal(p.value, 3.0f); });
    Preprocess preprocess{.height = static_cast<int>(c.image_height),
                          .width = static_cast<int>(c.image_width),
                          .channels = c.channels == 1 ? 1 : 3};
    const std::vector<std::string> labels(kLabels.begin(), kLabels.begin() + c.num_classes);
    save_model(folder.path() / "model", net, labels, preprocess);  // in the place of the one before
    const ModelBundle loaded = load_bundle(folder.path() / "model");
    const ViTConfig& r = loaded.net.config;
    CHECK(r.image_height == c.image_height);
    CHECK(r.image_width == c.image_width);
    CHECK(r.patch_size == c.patch_size);
    CHECK(r.channels == c.channels);
    CHECK(r.num_classes == c.num_classes);
    CHECK(r.embedding_dim == c.embedding_dim);
    CHECK(r.num_layers == c.num_layers);
    CHECK(r.num_heads == c.num_heads);
    CHECK(r.mlp_ratio == c.mlp_ratio);
    CHECK(r.input_dropout == c.input_dropout);
    CHECK(r.attention_dropout == c.attention_dropout);
    CHECK(r.dropout == c.dropout);
    CHECK(r.drop_path == c.drop_path);
    CHECK(r.pooling == c.pooling);
    CHECK(r.class_token == c.class_token);
    CHECK(r.positions == c.positions);
    CHECK(r.register_tokens == c.register_tokens);
    CHECK(r.layer_scale == c.layer_scale);
    CHECK(r.norm_eps == c.norm_eps);
    CHECK(r.qkv_bias == c.qkv_bias);
    CHECK(r.activation == c.activation);
    CHECK(r.distillation == c.distillation);
    CHECK(r.prefix_positions == c.prefix_positions);
    CHECK(r.head_dropout == c.head_dropout);
    CHECK(r == c);
    CHECK(loaded.labels == labels);
    CHECK(loaded.preprocess == preprocess);
    CHECK(same_weights(loaded.net, net));
    CHECK(entries(folder.path()) == Names{"model"});
    CHECK(entries(folder.path() / "model") ==
          Names{"config.json", "model.safetensors", "preprocessor_config.json"});
  }
}

TEST_CASE("preprocessing is saved and read back") {
  const Saved saved;
  std::vector<Preprocess> all(5, kPreprocess);
  all[1].fit = Preprocess::Fit::crop, all[1].crop_pct = 0.9;
  all[2].filter = image::Filter::bilinear, all[2].mean = {0.5f, 0.25f, 0.1f};
  all[3].filter = image::Filter::nearest, all[3].std = {0.5f, 1.0f, 0.3f};
  all[4].crop_pct = 0.875, all[4].crop_rounding = CropRounding::down;
  for (const Preprocess& p : all) {
    save_model(saved.path, saved.net, kLabels, p);
    CHECK(load_bundle(saved.path).preprocess == p);
  }
}

TEST_CASE("labels may be any text") {
  const Saved saved;
  const std::vector<std::string> labels{"hot dog, with \"quotes\" \\ / and\ttab", "größe 猫 🐈", ""};
  save_model(saved.path, saved.net, labels, kPreprocess);
  CHECK(load_bundle(saved.path).labels == labels);
}

TEST_CASE("config.json says what timm looks for, preprocessor_config.json what transformers looks for") {
  const Saved saved;
  Preprocess preprocess = kPreprocess;
  preprocess.fit = Preprocess::Fit::crop;
  preprocess.crop_pct = 0.5;
  save_model(saved.path, saved.net, kLabels, preprocess);
  const Json config = read_json_file(saved.config);
  const auto member = [](const Json& object, const char* key) {
    REQUIRE_MESSAGE(object.contains(key), key);
    return json_text(object.at(key));
  };
  CHECK(config.at("architecture").get<std::string>().starts_with("vit_"));
  CHECK(member(config, "num_classes") == "3");
  CHECK(member(config, "num_features") == "16");
  CHECK(member(config, "global_pool") == "\"token\"");
  CHECK(json_as<std::vector<std::string>>(config.at("label_names")) == kLabels);
  const Json& args = config.at("model_args");
  CHECK(json_as<std::vector<int>>(args.at("img_size")) == std::vector<int>{8, 12});
  CHECK(member(args, "patch_size") == "4");
  CHECK(member(args, "in_chans") == "3");
  CHECK(member(args, "embed_dim") == "16");
  CHECK(member(args, "depth") == "2");
  CHECK(member(args, "num_heads") == "2");
  CHECK(json_as<double>(args.at("mlp_ratio")) == 2.0);
  CHECK(member(args, "qkv_bias") == "true");
  CHECK(member(args, "class_token") == "true");
  CHECK(member(args, "reg_tokens") == "0");
  CHECK(member(args, "init_values") == "null");
  for (const char* rate : {"pos_drop_rate", "attn_drop_rate", "proj_drop_rate", "drop_path_rate"})
    CHECK(args.at(rate) == 0.0);
  const Json& cfg = config.at("pretrained_cfg");
  CHECK(json_as<std::vector<int>>(cfg.at("input_size")) == std::vector<int>{3, 8, 12});
  CHECK(member(cfg, "interpolation") == "\"bicubic\"");
  CHECK(member(cfg, "crop_pct") == "0.5");
  CHECK(member(cfg, "crop_mode") == "\"center\"");
  CHECK(json_as<std::vector<float>>(cfg.at("mean")) == std::vector<float>{0.485f, 0.456f, 0.406f});
  CHECK(json_as<std::vector<float>>(cfg.at("std")) == std::vector<float>{0.229f, 0.224f, 0.225f});
  CHECK(member(cfg, "first_conv") == "\"patch_embed.proj\"");
  CHECK(member(cfg, "classifier") == "\"head\"");

  const Json crop = read_json_file(saved.path / "preprocessor_config.json");
  CHECK(member(crop, "resample") == "3");
  CHECK(crop.at("size").at("shortest_edge") == 16);
  CHECK(crop.at("crop_size").at("width") == 12);
  save_model(saved.path, saved.net, kLabels, kPreprocess);
  const Json squash = read_json_file(saved.path / "preprocessor_config.json");
  CHECK(squash.at("size").at("height") == 8);
  CHECK(!squash.contains("crop_size"));
  CHECK(SafetensorsFile(saved.weights).contains("blocks.1.mlp.fc2.bias"));
}

TEST_CASE("a folder of timm's is read, one of transformers is refused with a reason") {
  const ModelBundle model = load_bundle(fixture::path("vit_timm"));
  CHECK(model.labels.size() == 7);
  CHECK(model.labels[6] == "class_6");
  CHECK(model.net.config.embedding_dim == 48);
  CHECK(model.net.config.image_width == 32);
  CHECK(model.preprocess.fit == Preprocess::Fit::crop);
  CHECK(model.preprocess.crop_pct == 0.9);
  CHECK(model.preprocess.filter == image::Filter::bicubic);
  CHECK(model.preprocess.mean == std::array{0.5f, 0.5f, 0.5f});

  const std::string message =
      message_of<FileError>([] { static_cast<void>(load_model(fixture::path("vit_hf"))); });
  CHECK(contains(message, "vit_hf/config.json: has no \"model_args\""));
  CHECK(contains(message, "transformers"));
}

TEST_CASE("what timm has a default for may be missing") {
  const Saved saved;
  fixture::write(
      saved.config,
      std::string(
          R"({"architecture": "vit_base_patch16_224", "num_classes": 3, "model_args": {"img_size": [8, 12], "patch_size": 4,
      "embed_dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2}})"));
  const ModelBundle model = load_bundle(saved.path);
  CHECK(same_weights(model.net, saved.net));
  CHECK(model.labels == std::vector<std::string>{"0", "1", "2"});
  CHECK(model.preprocess.crop_pct == 0.875);
  CHECK(model.net.config.norm_eps == 1e-6f);
}

TEST_CASE("tensors that are missing, not expected or of another shape are named") {
  const Saved saved;
  const auto rewritten =
      [&](const std::function<void(SafetensorsWriter&, const std::string&, const Tensor&)>& add) {
        SafetensorsWriter writer;
        for_each_parameter(saved.net,
                           [&](const std::string& name, const Parameter& p) { add(writer, name, p.value); });
        writer.save(saved.weights);
        return saved.complaint<FileError>();
      };
  const std::string name = saved.weights.string();
  CHECK(rewritten([](auto& writer, const std::string& tensor, const Tensor& value) {
          if (tensor != "norm.bias" && tensor != "cls_token") writer.add(tensor, value);
        }) == name + ": does not hold this model; missing: cls_token, norm.bias");
  CHECK(rewritten([](auto& writer, const std::string& tensor, const Tensor& value) {
          writer.add(tensor, value);
          if (tensor == "cls_token") writer.add("dist_token", value);
        }) == name + ": does not hold this model; not expected: dist_token");
  CHECK(rewritten([](auto& writer, const std::string& tensor, const Tensor& value) {
          writer.add(tensor, tensor == "head.weight" ? value.reshape({16, 3}) : value);
        }) ==
        name + ": does not hold this model; of another shape: head.weight is (16, 3), expected (3, 16)");
  const std::string all = rewritten([](auto& writer, const std::string& tensor, const Tensor& value) {
    writer.add(tensor == "head.weight" ? "classifier.weight" : tensor,
               tensor == "head.bias" ? Tensor::zeros({4}) : value);
  });
  CHECK(contains(all,
                 "missing: head.weight; not expected: classifier.weight; of another shape: head.bias is (4), "
                 "expected (3)"));
  const std::string many = rewritten([](auto& writer, const std::string& tensor, const Tensor& value) {
    writer.add("model." + tensor, value);
  });
  CHECK(contains(many, "missing: cls_token, pos_embed, "));
  CHECK(contains(many, " and 24 more; not expected: "));
  CHECK(rewritten([](auto& writer, const std::string& tensor, const Tensor& value) {
          writer.add(tensor, value);
        }) == "nothing was thrown");
}

TEST_CASE("load_weights leaves the model as it was if the file does not fit") {
  const Saved saved;
  ViTConfig other = kSmall;
  other.num_classes = 4;
  VisionTransformer net(other);
  const VisionTransformer before = net;
  CHECK(contains(message_of<FileError>([&] { load_weights(saved.weights, net); }),
                 "model.safetensors: does not hold this model"));
  CHECK(same_weights(net, before));
}

TEST_CASE("files that are missing or damaged are named") {
  const Saved saved;
  CHECK(contains(message_of<FileError>([&] { static_cast<void>(load_model(saved.path / "nowhere")); }),
                 "nowhere/config.json"));
  const std::vector<std::uint8_t> whole = fixture::read(saved.weights);
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{100},
                                 whole.size() / 2, whole.size() - 1}) {
    CAPTURE(size);
    fixture::write(saved.weights, std::span(whole).first(size));
    CHECK(contains(saved.complaint<FileError>(), saved.weights.string()));
  }
  std::vector<std::uint8_t> hostile = whole;
  std::fill_n(hostile.begin(), 8, std::uint8_t{0xFF});  // a header of 2^64 bytes
  fixture::write(saved.weights, hostile);
  CHECK(contains(saved.complaint<FileError>(), saved.weights.string()));
  hostile = whole;
  hostile.push_back(0);
  fixture::write(saved.weights, hostile);
  CHECK(contains(saved.complaint<FileError>(), saved.weights.string()));
  fs::remove(saved.weights);
  CHECK(contains(saved.complaint<FileError>(), saved.weights.string()));
  fs::remove(saved.config);
  CHECK(contains(saved.complaint<FileError>(), saved.config.string()));
  fs::create_directory(saved.config);
  CHECK(contains(saved.complaint<FileError>(), saved.config.string()));
}

TEST_CASE("values that are wrong in config.json are named with the file") {
  const auto wrong_type = [](const std::string& from, const std::string& to, const std::string& key) {
    const std::string message = complaint<FileError>(from, to);
    CAPTURE(message);
    CHECK(contains(message, "config.json: "));
    CHECK(contains(message, key));
  };
  wrong_type("\"depth\": 2", "\"depth\": \"two\"", "model_args.depth");
  wrong_type("\"depth\": 2", "\"depth\": 2.5", "model_args.depth");
  wrong_type("\"embed_dim\": 16", "\"embed_dim\": 1e30", "model_args.embed_dim");
  wrong_type("\"qkv_bias\": true", "\"qkv_bias\": 1", "model_args.qkv_bias");
  wrong_type("\"model_args\": {", "\"model_args\": 7, \"rest\": {", "model_args");
  wrong_type("\"num_classes\": 3", "\"num_classes\": [3]", "num_classes");
  wrong_type("\"interpolation\": \"bicubic\"", "\"interpolation\": \"lanczos\"", "interpolation");
  wrong_type("\"crop_mode\": \"squash\"", "\"crop_mode\": \"border\"", "crop_mode");
  wrong_type("\"crop_rounding\": \"even\"", "\"crop_rounding\": \"up\"", "crop_rounding");
  wrong_type("\"positions\": \"learned\"", "\"positions\": \"rotary\"", "positions");
  wrong_type("\"global_pool\": \"token\",\n    \"class", "\"global_pool\": \"map\",\n    \"class",
             "global_pool");
  wrong_type("\"cat\"", "\"cat\", \"cow\"", "label_names has 4 names for 3 classes");
  wrong_type("\"cat\"", "true", "label_names has no text for class 0");
  wrong_type("\"mean\": [", "\"mean\": [0.1,", "mean has 4 numbers, expected 3");
  wrong_type("\"img_size\": [", "\"img_size\": [8,", "img_size has 3 numbers");
  wrong_type("{", "[", "config.json");

  CHECK(complaint<ConfigError>("\"num_heads\": 2", "\"num_heads\": 3") ==
        "embedding_dim 16 is not divisible by num_heads 3");
  CHECK(contains(complaint<ConfigError>("\"crop_pct\": 1", "\"crop_pct\": 7"), "crop_pct"));
}

TEST_CASE("a configuration that promises a giant model takes no memory") {
  const Saved saved;
  saved.edit("\"depth\": 2", "\"depth\": 1000");
  saved.edit("\"embed_dim\": 16", "\"embed_dim\": 65536");
  Pool::instance().reset_peak();
  const std::size_t before = Pool::instance().stats().in_use;
  const std::string message = saved.complaint<FileError>();
  CHECK(contains(message, saved.weights.string() + ": holds "));
  CHECK(contains(message, "describes a model of"));
  CHECK(Pool::instance().stats().peak_in_use < before + (1 << 20));
}

TEST_CASE("save_model wants a label for each class") {
  const Saved saved;
  CHECK(message_of<ConfigError>([&] {
          save_model(saved.path, saved.net, {"a", "b"}, kPreprocess);
        }) == "save_model: 2 labels given for 3 classes");
  CHECK(load_bundle(saved.path).labels == kLabels);
}

TEST_CASE("saving that fails leaves the earlier folder as it was, and nothing else") {
  const Saved saved;
  VisionTransformer other = saved.net;
  other.head.bias.value.fill(5.0f);
  const auto untouched = [&] {
    return same_weights(load_bundle(saved.path).net, saved.net) &&
           entries(saved.folder.path()) == Names{"model"};
  };
  {  // as on a full disk: no file can grow beyond 4 KB
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{4096, before.rlim_max};
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message =
        message_of<FileError>([&] { save_model(saved.path, other, kLabels, kPreprocess); });
    ::setrlimit(RLIMIT_FSIZE, &before);
    ::signal(SIGXFSZ, handler);
    CHECK(contains(message, "model.safetensors"));
    CHECK(untouched());
  }
  if (::geteuid() != 0) {  // nobody can keep the administrator from writing
    fs::permissions(saved.folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
    const std::string message =
        message_of<FileError>([&] { save_model(saved.path, other, kLabels, kPreprocess); });
    fs::permissions(saved.folder.path(), fs::perms::owner_all);
    CHECK(contains(message, saved.path.string()));
    CHECK(untouched());
  }
  CHECK(contains(message_of<FileError>(
                     [&] { save_model(saved.folder.path() / "no" / "model", other, kLabels, kPreprocess); }),
                 "no/model"));
  CHECK(untouched());
  // A label that JSON cannot say.
  CHECK_THROWS_AS(save_model(saved.path, other, {"a", "b", "\xFF"}, kPreprocess), Error);
  CHECK(untouched());
}

TEST_CASE("classify: the most probable first, probabilities that add up") {
  const ImageClassifier model = load_model(fixture::path("vit_timm"));
  const Image image = fixture::noise(40, 50);
  const std::vector<Prediction> all = model.classify(image, 100);
  REQUIRE(all.size() == 7);
  double total = 0;
  for (std::size_t i = 0; i < 7; ++i) {
    total += static_cast<double>(all[i].probability);
    CHECK(all[i].name == model.labels()[static_cast<std::size_t>(all[i].label)]);
    if (i > 0) CHECK(all[i].probability <= all[i - 1].probability);
  }
  CHECK(total == doctest::Approx(1).epsilon(1e-6));
  CHECK(model.classify(image).size() == 5);
  CHECK(model.classify(image, 0).empty());

  // Logits are those of the model on the preprocessed image, softmax turns them into what classify says.
  const Image images[] = {image, fixture::noise(10, 90)};
  const Tensor logits = model.logits(images);
  REQUIRE(logits.shape() == Shape{2, 7});
  Tensor pixels = Tensor::empty({1, 3, 32, 32});
  preprocess(images[1], model.preprocess(), pixels.data());
  const Tensor expected = load_bundle(fixture::path("vit_timm")).net(pixels).value();
  for (int k = 0; k < 7; ++k) CHECK(logits(1, k) == doctest::Approx(expected(0, k)).epsilon(1e-4));
  CHECK(all[0].label == std::ranges::max_element(logits.values().first(7)) - logits.values().begin());
  CHECK(model.logits(std::span<const Image>()).shape() == Shape{0, 7});
}

TEST_CASE("ranked: equally probable classes by number") {
  const ImageClassifier model = load_model(fixture::path("vit_timm"));
  const std::vector<float> logits{1, 3, 1, 3, 0, 3, 1};
  std::vector<int> order;
  for (const Prediction& p : model.ranked(logits, 7)) order.push_back(p.label);
  CHECK(order == std::vector<int>{1, 3, 5, 0, 2, 6, 4});
}

TEST_CASE("four threads classify at once, and each gets what one gets alone") {
  const ImageClassifier model = load_model(fixture::path("vit_timm"));
  std::vector<Image> images;
  for (std::uint64_t i = 0; i < 8; ++i) images.push_back(fixture::noise(32, 32, 3, i));
  const auto classified = [&] {
    std::vector<float> probabilities;
    for (const Image& image : images)
      for (const Prediction& p : model.classify(image, 7)) probabilities.push_back(p.probability);
    return probabilities;
  };
  const std::vector<float> alone = classified();
  std::vector<std::vector<float>> found(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        const Training whatever_the_thread_does_otherwise;
        found[t] = classified();
      });
  }
  for (const std::vector<float>& probabilities : found) CHECK(probabilities == alone);
}
