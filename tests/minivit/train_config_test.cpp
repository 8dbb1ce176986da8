// The settings of `train`: order, image sizes, contradictions, what they become.
#include "train_config.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "data/fixture.hpp"
#include "minivit/io/pretrained.hpp"
#include "support/message_of.hpp"
#include "yaml.hpp"

using namespace minivit;
using namespace minivit::cli;

namespace {

TrainConfig config_of(std::initializer_list<std::string_view> assignments) {
  std::vector<std::string_view> all{"data.train=photos"};
  all.insert(all.end(), assignments);
  return TrainConfig::from(all);
}

std::string complaint(std::initializer_list<std::string_view> assignments) {
  return message_of<ConfigError>([&] { config_of(assignments); });
}

}  // namespace

TEST_CASE("the defaults train the seed model") {
  const TrainConfig c = config_of({});
  CHECK(c.data.train == "photos");
  CHECK(c.data.val.empty());
  CHECK(c.model.embedding_dim == 256);
  CHECK(c.model.num_layers == 6);
  CHECK(c.model.num_heads == 8);
  CHECK(c.model.image_height == 224);
  CHECK(c.model.patch_size == 16);
  CHECK(c.training.lr == 3e-4);
  CHECK(c.output == "outputs");
}

TEST_CASE("each task has its own settings and defaults") {
  TrainConfig train, pretrain(Task::pretrain);
  const Settings of_train = train.settings(), of_pretrain = pretrain.settings();
  CHECK_FALSE(of_train.contains("pretrain.mask"));
  CHECK(of_pretrain.contains("pretrain.mask"));
  for (const char* name : {"training.label_smoothing", "training.cutmix", "data.test", "data.test_flip",
                           "model.pretrained", "training.teacher", "training.folds", "training.freeze"}) {
    CAPTURE(name);
    CHECK(of_train.contains(name));
    CHECK_FALSE(of_pretrain.contains(name));
  }
  CHECK(pretrain.training.beta2 == 0.95f);
  const auto from = [](std::vector<Assignment> given) {
    return TrainConfig::from(given, false, Task::pretrain);
  };
  const TrainConfig c = from({{"data.train", "photos", {}}, {"pretrain.decoder_dim", "32", {}}});
  CHECK(c.pretrains());
  CHECK(c.pretrain.decoder_dim == 32);
  CHECK(c.yaml().find("pretrain:") != std::string::npos);
  CHECK(
      message_of<ConfigError>([&] { from({}); }).starts_with("data.train is not set, expected a folder of"));
  CHECK(message_of<ConfigError>([&] {
          from({{"data.train", "photos", {}}, {"pretrain.decoder_dim", "30", {}}});
        }).find("decoder_dim is 30") != std::string::npos);
}

TEST_CASE("data.train must be set") {
  for (const std::vector<std::string_view>& assignments :
       {std::vector<std::string_view>{}, {"training.epochs=3"}, {"data.train="}})
    CHECK(message_of<ConfigError>([&] {
            TrainConfig::from(assignments);
          }).starts_with("data.train is not set, expected a folder"));
}

TEST_CASE("a preset comes first wherever it stands, and of two the last counts") {
  const TrainConfig c = config_of({"model.num_layers=3", "model.preset=tiny", "model.dropout=0.1"});
  CHECK(c.model.embedding_dim == 192);
  CHECK(c.model.num_heads == 3);
  CHECK(c.model.num_layers == 3);
  CHECK(c.model.dropout == 0.1f);
  CHECK(config_of({"model.preset=large", "model.preset=base"}).model.embedding_dim == 768);
  CHECK(config_of({"model.preset=small"}).model.embedding_dim == 384);
  CHECK(config_of({"model.preset=large"}).model.num_layers == 24);
  CHECK(config_of({"model.preset=mini"}).model.num_layers == 6);
  CHECK(config_of({"training.epochs=1", "training.epochs=2"}).training.epochs == 2);
  CHECK(complaint({"model.preset=huge"}) ==
        "model.preset is \"huge\", expected one of tiny small base large mini");
}

TEST_CASE("an image size is one number, or height x width") {
  const TrainConfig square = config_of({"model.image_size=32"});
  CHECK(square.model.image_height == 32);
  CHECK(square.model.image_width == 32);
  const TrainConfig tall = config_of({"model.image_size=224x160"});
  CHECK(tall.model.image_height == 224);
  CHECK(tall.model.image_width == 160);
  CHECK(tall.preprocess().height == 224);
  CHECK(tall.preprocess().width == 160);
  for (const char* size :
       {"", "x", "224x", "x224", "224x160x3", "224 x 160", "224X160", "big", "224.0", "1e2"}) {
    CAPTURE(size);
    const std::string assignment = str_cat("model.image_size=", size);
    CHECK(complaint({assignment}) == str_cat("model.image_size is \"", size,
                                             "\", expected pixels as 224, or height x width as 224x160"));
  }
  CHECK(complaint({"model.image_size=0"}) == "image_height is 0, expected 1 to 16384");
  CHECK(complaint({"model.image_size=32x-16"}) == "image_width is -16, expected 1 to 16384");
}

TEST_CASE("settings that contradict each other") {
  CHECK(complaint({"model.image_size=30"}) ==
        "image size 30x30 is not divisible by patch_size 16; the next is 32x32");
  CHECK(complaint({"model.num_heads=7"}) == "embedding_dim 256 is not divisible by num_heads 7");
  CHECK(complaint({"model.class_token=false"}) == "pooling by class token needs class_token true");
  CHECK(complaint({"model.positions=sincos", "model.embedding_dim=6", "model.num_heads=1"})
            .starts_with("sin-cos positions"));
  CHECK(complaint({"model.image_size=8192", "model.patch_size=1"}).ends_with("at most 65536 are supported"));
  config_of({"model.class_token=false", "model.pooling=mean", "model.positions=sincos"});
}

TEST_CASE("every setting reaches its place") {
  const TrainConfig c = config_of({"data.val=v",
                                   "data.test=t",
                                   "data.bad_fraction=0.05",
                                   "data.val_fraction=0.3",
                                   "data.fit=squash",
                                   "data.crop_pct=0.9",
                                   "data.interpolation=bilinear",
                                   "data.normalization=half",
                                   "data.scale_min=0.5",
                                   "data.hflip=0.25",
                                   "data.trivial_augment=true",
                                   "data.fast_decode=false",
                                   "data.cache_mb=7",
                                   "data.workers=3",
                                   "data.sampler=balanced",
                                   "model.embedding_dim=48",
                                   "model.num_layers=2",
                                   "model.num_heads=4",
                                   "model.mlp_ratio=2.5",
                                   "model.input_dropout=0.1",
                                   "model.attention_dropout=0.2",
                                   "model.dropout=0.3",
                                   "model.drop_path=0.4",
                                   "model.pooling=mean",
                                   "model.positions=sincos",
                                   "model.register_tokens=5",
                                   "model.layer_scale=1e-4",
                                   "training.epochs=7",
                                   "training.batch_size=9",
                                   "training.accumulate=2",
                                   "training.optimizer=sgd",
                                   "training.lr=1e-2",
                                   "training.min_lr=1e-6",
                                   "training.warmup=0.2",
                                   "training.weight_decay=0.05",
                                   "training.momentum=0.8",
                                   "training.beta2=0.99",
                                   "training.label_smoothing=0.1",
                                   "training.class_weights=1 2",
                                   "training.clip_norm=2",
                                   "training.ema=0.999",
                                   "training.seed=42",
                                   "output.dir=o"});
  CHECK(c.data.val == "v");
  CHECK(c.data.test == "t");
  CHECK(c.data.bad_fraction == 0.05);
  CHECK(c.data.val_fraction == 0.3);
  CHECK_FALSE(c.data.fast_decode);
  CHECK(config_of({}).data.fast_decode);
  CHECK(c.data.cache_mb == 7);
  CHECK(c.data.workers == 3);
  CHECK(c.data.sampler == "balanced");
  CHECK(c.training.class_weights == "1 2");
  const Preprocess p = c.preprocess();
  CHECK(p.fit == Preprocess::Fit::squash);
  CHECK(p.crop_pct == 0.9);
  CHECK(p.filter == image::Filter::bilinear);
  CHECK(p.mean == std::array{0.5f, 0.5f, 0.5f});
  CHECK(p.std == std::array{0.5f, 0.5f, 0.5f});
  const TrainTransform t = c.train_transform();
  CHECK(t.base == p);
  CHECK(t.scale_min == 0.5);
  CHECK(t.hflip == 0.25);
  CHECK(t.augment.policy == image::AugmentPolicy::trivial);
  CHECK(c.model.embedding_dim == 48);
  CHECK(c.model.num_layers == 2);
  CHECK(c.model.num_heads == 4);
  CHECK(c.model.mlp_ratio == 2.5);
  CHECK(c.model.input_dropout == 0.1f);
  CHECK(c.model.attention_dropout == 0.2f);
  CHECK(c.model.dropout == 0.3f);
  CHECK(c.model.drop_path == 0.4f);
  CHECK(c.model.pooling == Pooling::mean);
  CHECK(c.model.positions == Positions::sincos);
  CHECK(c.model.register_tokens == 5);
  CHECK(c.model.layer_scale == 1e-4f);
  CHECK(c.training.epochs == 7);
  CHECK(c.training.batch_size == 9);
  CHECK(c.training.accumulate == 2);
  CHECK(c.training.optimizer == "sgd");
  CHECK(c.training.lr == 1e-2);
  CHECK(c.training.min_lr == 1e-6);
  CHECK(c.training.warmup == 0.2);
  CHECK(c.training.weight_decay == 0.05f);
  CHECK(c.training.momentum == 0.8f);
  CHECK(c.training.beta2 == 0.99f);
  CHECK(c.training.label_smoothing == 0.1f);
  CHECK(c.training.clip_norm == 2.0);
  CHECK(c.training.ema == 0.999f);
  CHECK(c.training.seed == 42);
  CHECK(c.output == "o");
  CHECK(config_of({"data.interpolation=nearest"}).preprocess().filter == image::Filter::nearest);
  CHECK(config_of({}).preprocess().filter == image::Filter::bicubic);
  CHECK(config_of({}).preprocess().fit == Preprocess::Fit::crop);
  CHECK(config_of({}).preprocess().mean == Preprocess().mean);
}

TEST_CASE("the settings of a run, written down and given again, are the same") {
  TrainConfig c =
      config_of({"model.preset=tiny", "model.num_layers=2", "training.lr=0.1", "training.weight_decay=0.3"});
  const std::string yaml = c.settings().yaml();
  std::vector<std::string> assignments;
  std::string section;
  for (std::size_t begin = 0, end; (end = yaml.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = yaml.substr(begin, end - begin);
    const std::size_t colon = line.find(':');
    if (!line.starts_with("  ")) {
      section = line.substr(0, colon);
      continue;
    }
    std::string value = line.substr(colon + 2);
    std::erase(value, '"');
    assignments.push_back(str_cat(section, ".", line.substr(2, colon - 2), "=", value));
  }
  CHECK(assignments.size() > 40);
  const std::vector<std::string_view> views(assignments.begin(), assignments.end());
  TrainConfig again = TrainConfig::from(views);
  CHECK(again.settings().yaml() == yaml);
  CHECK(again.model.embedding_dim == 192);
}

TEST_CASE("a pretrained model's sizes and preprocessing are the defaults") {
  const std::string models = MINIVIT_TEST_DATA "/pretrained/";
  const auto with = [&](const char* name, std::initializer_list<std::string_view> more) {
    const std::string pretrained = str_cat("model.pretrained=", models, name);
    std::vector<std::string_view> all{"data.train=photos", pretrained};
    all.insert(all.end(), more);
    return TrainConfig::from(all);
  };
  const TrainConfig c = with("hf_dinov2", {});
  CHECK(c.model.embedding_dim == 16);
  CHECK(c.model.num_layers == 2);
  CHECK(c.model.num_heads == 2);
  CHECK(c.model.image_height == 16);
  CHECK(c.model.patch_size == 4);
  CHECK(c.model.pooling == Pooling::token_and_mean);
  CHECK(c.model.layer_scale > 0);
  CHECK(c.model.norm_eps == 1e-6f);
  CHECK(c.preprocess() == read_pretrained_config(models + "hf_dinov2").preprocess);
  CHECK(c.data.normalization == "imagenet");
  const TrainConfig deit =
      with("hf_deit_teacher", {"model.image_size=24", "model.dropout=0.1", "data.fit=crop"});
  CHECK(deit.model.distillation == Distillation::head);
  CHECK(deit.model.image_width == 24);
  CHECK(deit.model.dropout == 0.1f);
  CHECK(deit.preprocess().fit == Preprocess::Fit::crop);
  CHECK(with("timm_dinov2_giant", {}).model.activation == Activation::swiglu);
  CHECK_FALSE(with("timm_deit3", {}).model.prefix_positions);
  CHECK_FALSE(with("hf_vit_no_bias", {}).model.qkv_bias);

  // The resolved configuration says all of it, without the model.
  const TrainConfig swiglu = with("hf_dinov2_swiglu", {});
  const fixture::TemporaryFolder folder;
  std::ofstream(folder.path() / "config.yaml") << swiglu.yaml();
  std::vector<Assignment> all = read_yaml(folder.path() / "config.yaml");
  for (Assignment& a : all)
    if (a.name == "model.pretrained") a.value = "gone";
  const TrainConfig again = TrainConfig::from(all, true);
  CHECK(again.preprocess() == swiglu.preprocess());
  CHECK(again.model.pooling == swiglu.model.pooling);
  CHECK(again.model.hidden_dim() == swiglu.model.hidden_dim());
  CHECK(again.model.register_tokens == 4);
  CHECK(message_of<FileError>([&] { TrainConfig::from(all); }).find("gone") != std::string::npos);
}

TEST_CASE("the learning rate at the end is not above the highest") {
  CHECK(complaint({"training.lr=1e-3", "training.min_lr=2e-3"}) ==
        "training.min_lr is 0.002, expected at most training.lr, which is 0.001");
  CHECK(config_of({"training.lr=1e-3", "training.min_lr=1e-3"}).training.min_lr == 1e-3);
}

TEST_CASE("mean and deviation by numbers") {
  const Preprocess p = config_of({"data.normalization=0.1 0.2 0.3 / 0.4 0.5 0.6"}).preprocess();
  CHECK(p.mean == std::array{0.1f, 0.2f, 0.3f});
  CHECK(p.std == std::array{0.4f, 0.5f, 0.6f});
  for (const char* const wrong :
       {"data.normalization=inception", "data.normalization=1 2 3", "data.normalization=1 2 3 / 4 5",
        "data.normalization=1 2 3 / 4 5 6 7", "data.normalization=1 2 x / 4 5 6"})
    CHECK(complaint({wrong}).starts_with("data.normalization is \""));
  CHECK(complaint({"data.normalization=0 0 0 / 0 1 1"}) == "preprocess: std[0] is 0, expected 1e-05 to 1000");
  CHECK(complaint({"data.normalization=0 0 nan / 1 1 1"}) ==
        "preprocess: mean[2] is nan, expected -1000 to 1000");
  CHECK(complaint({"data.normalization=0 0 0 / 1 1 1e-45"}) ==
        "preprocess: std[2] is 1e-45, expected 1e-05 to 1000");
  CHECK(complaint({"data.normalization=3e38 0 0 / 1 1 1"}) ==
        "preprocess: mean[0] is 3e+38, expected -1000 to 1000");
  CHECK(complaint({"data.crop_pct=0"})
            .ends_with("data.crop_pct is \"0\", expected a number, above 0 and at most 1"));
  CHECK(complaint({"data.crop_pct=1e-9"})
            .starts_with("preprocess: crop_pct is 1e-09, which cuts 224x224 out of"));
}

TEST_CASE("configurations of before are read") {
  const TrainConfig c = TrainConfig::from(std::vector<Assignment>{
      {"data.train", "photos", {}}, {"training.checkpoint", "true", {}}, {"model.preset", "seed", {}}});
  CHECK(c.training.recompute);
  CHECK(c.preset == "mini");
  CHECK(c.model.embedding_dim == ViTConfig::mini().embedding_dim);
  CHECK(c.yaml().find("checkpoint") == std::string::npos);
}

TEST_CASE("what has to be given, and is not") {
  CHECK(complaint({"model.pretrained=???"})
            .starts_with("model.pretrained has to be given, as model.pretrained=vit-small: "));
  CHECK(complaint({"training.lr=???"})
            .starts_with("training.lr has to be given, as training.lr=…: highest learning rate"));
  CHECK(config_of({"training.lr=???", "training.lr=0.1"}).training.lr == 0.1);
  CHECK(config_of({"training.lr=???", "~training.lr"}).training.lr == 3e-4);
  CHECK(config_of({"notes.what=???"}).notes.at(0).second == "???");
  CHECK(complaint({"training.class_weights=1 x"}).starts_with("training.class_weights is \"1 x\""));
}

TEST_CASE("notes have names that config.yaml can hold") {
  CHECK(config_of({"+notes.größe=groß"}).notes[0].first == "größe");
  CHECK(complaint({"+notes.a\x90=1"}) == "notes.a\x90: the name of a note is not UTF-8, as config.yaml is");
}
