// Names of classes, wherever timm and transformers have written them, and timm's first layout.
#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "minivit/io/pretrained.hpp"
#include "minivit/io/safetensors.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"
#include "support/model_copy.hpp"

using namespace minivit;
using io::Json;

namespace {

const std::vector<std::string> kKinds{"kind 0", "kind 1", "kind 2", "kind 3", "kind 4"};

}  // namespace

TEST_CASE("labels: inside pretrained_cfg, and as an object") {
  for (const char* const model : {"timm_vit", "timm_by_name"}) {
    CAPTURE(std::string(model));
    const ModelCopy copy(str_cat("pretrained/", model));
    copy.edit("config.json", [](Json& json) {
      json["pretrained_cfg"]["label_names"] = Json(json["label_names"]);
      json.erase("label_names");
    });
    const Pretrained inside = load_pretrained(copy.path());
    CHECK(inside.model.labels == kKinds);
    // They are names: rows of the head stay with them.
    const Pretrained other = load_pretrained(copy.path(), {.classes = {"new", "kind 3"}});
    CHECK(other.notes.back() == "the head is new, but for 1 class of the same name");
    copy.edit("config.json", [](Json& json) {
      json["label_names"] =
          Json::object({{"4", "kind 4"}, {"1", "kind 1"}, {"2", "kind 2"}, {"3", "kind 3"}, {"0", "kind 0"}});
    });
    CHECK(load_pretrained(copy.path()).model.labels == kKinds);
    copy.edit("config.json", [](Json& json) { json["label_names"].erase("2"); });
    CHECK(message_of<FileError>([&] {
            static_cast<void>(load_pretrained(copy.path()));
          }).find("label_names has 4 names, but none for class 2") != std::string::npos);
  }
}

TEST_CASE("labels: id2label with integer values") {
  const ModelCopy copy("pretrained/hf_vit");
  copy.edit("config.json", [](Json& json) {
    json["id2label"] = Json::object({{"0", 10}, {"1", 11}, {"2", 12}, {"3", 13}, {"4", "kind 4"}});
  });
  CHECK(load_pretrained(copy.path()).model.labels ==
        std::vector<std::string>{"10", "11", "12", "13", "kind 4"});
  copy.edit("config.json", [](Json& json) { json["id2label"]["1"] = Json::array(); });
  CHECK(message_of<FileError>([&] {
          static_cast<void>(load_pretrained(copy.path()));
        }).find("id2label has 5 names, but none for class 1") != std::string::npos);
}

TEST_CASE("timm's first layout: everything at the top of config.json") {
  const ModelCopy copy("pretrained/timm_by_name");
  const Pretrained present = load_pretrained(copy.path());
  copy.edit("config.json", [](Json& json) {
    Json flat = json["pretrained_cfg"];
    flat["architecture"] = json["architecture"];
    flat["labels"] = json["label_names"];
    flat["crop_pct"] = 0.8, flat["interpolation"] = "bilinear";
    flat["mean"] = Json::array({0.25, 0.5, 0.75});
    json = flat;
  });
  const Pretrained flat = load_pretrained(copy.path());
  CHECK(flat.guesses.empty());
  CHECK(flat.model.labels == kKinds);
  CHECK(flat.model.preprocess.crop_pct == 0.8);
  CHECK(flat.model.preprocess.filter == image::Filter::bilinear);
  CHECK(flat.model.preprocess.mean == std::array{0.25f, 0.5f, 0.75f});
  CHECK(flat.model.preprocess.fit == Preprocess::Fit::crop);
  CHECK(flat.model.net.config == present.model.net.config);
  copy.edit("config.json", [](Json& json) {
    json = Json::object({{"architecture", "vit_tiny_patch16_224"}, {"num_classes", 5}});
  });
  CHECK(load_pretrained(copy.path()).guesses.size() == 1);  // now it does not say how images are prepared
}

TEST_CASE("safetensors: __metadata__ may be null") {
  const ModelCopy copy("pretrained/hf_vit");
  const Pretrained before = load_pretrained(copy.path());
  const std::filesystem::path file = copy.path() / "model.safetensors";
  std::ifstream in(file, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const std::string from = "{\"format\":\"pt\"}";
  const std::size_t at = bytes.find(from);
  REQUIRE(at != std::string::npos);
  bytes.replace(at, from.size(), "null" + std::string(from.size() - 4, ' '));
  std::ofstream(file, std::ios::binary) << bytes;
  CHECK(io::SafetensorsFile(file).metadata().empty());
  const Pretrained after = load_pretrained(copy.path());
  CHECK(distance(after.model.net.head.weight.value, before.model.net.head.weight.value) == 0);
}
