// Every key of a configuration file is understood, known to be without effect, or refused by name.
#include <doctest/doctest.h>

#include <string>

#include "minivit/io/pretrained.hpp"
#include "support/distance.hpp"
#include "support/message_of.hpp"
#include "support/model_copy.hpp"

using namespace minivit;
using io::Json;

namespace {

/// What is said about a copy of the fixture whose JSON file was changed; empty if it is read.
std::string complaint(const std::string& model, const std::string& file,
                      const std::function<void(Json&)>& change) {
  const ModelCopy copy("pretrained/" + model);
  copy.edit(file, change);
  try {
    static_cast<void>(load_pretrained(copy.path()));
    return "";
  } catch (const FileError& e) { return e.what(); }
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("timm's model_args: what changes the model is refused by name") {
  const std::pair<const char*, Json> changes[] = {{"block_fn", "ResPostBlock"},
                                                  {"pool_include_prefix", true},
                                                  {"act_layer", "quick_gelu"},
                                                  {"norm_layer", "rmsnorm"},
                                                  {"scale_attn_norm", true},
                                                  {"scale_mlp_norm", true},
                                                  {"proj_bias", false},
                                                  {"final_norm", false},
                                                  {"pos_embed", "none"},
                                                  {"attn_layer", "diff"},
                                                  {"embed_layer", "x"},
                                                  {"embed_norm_layer", "layernorm"},
                                                  {"mlp_layer", "SwiGLUPacked"},
                                                  {"features_only", true},
                                                  {"use_naflex", true},
                                                  {"something_new", 1},
                                                  {"num_head", 2}};
  for (const auto& [argument, given] : changes) {
    const std::string key = argument;
    const Json value = given;
    CAPTURE(key);
    const std::string why = complaint("timm_vit", "config.json", [&](Json& json) {
      if (key == "pool_include_prefix") json["model_args"]["global_pool"] = json["global_pool"] = "avg";
      json["model_args"][key] = value;
    });
    CHECK(contains(why, "config.json: model_args."));
    CHECK(contains(why, key));
  }
  for (const char* const pool : {"map", "max", "avgmax", "prr", ""})
    CHECK(contains(
        complaint("timm_vit", "config.json", [&](Json& json) { json["model_args"]["global_pool"] = pool; }),
        "global_pool"));
}

TEST_CASE("timm's model_args: what is without effect is passed over") {
  const std::pair<const char*, Json> changes[] = {
      {"weight_init", "jax"},     {"patch_drop_rate", 0.5},    {"drop_rate", 0.5},
      {"dynamic_img_size", true}, {"act_layer", "gelu"},       {"act_layer", nullptr},
      {"norm_layer", nullptr},    {"norm_layer", "layernorm"}, {"proj_bias", true},
      {"final_norm", true},       {"attn_layer", ""},          {"fc_norm", nullptr},
      {"something_new", nullptr}};
  for (const auto& [argument, given] : changes) {
    const std::string key = argument;
    const Json value = given;
    CAPTURE(key);
    CHECK(complaint("timm_vit", "config.json", [&](Json& json) { json["model_args"][key] = value; }) == "");
  }
}

TEST_CASE("timm's config.json: keys that are not known, and what contradicts the weights") {
  const auto timm = [](const std::string& model, const std::function<void(Json&)>& change) {
    return complaint(model, "config.json", change);
  };
  CHECK(contains(timm("timm_vit", [](Json& json) { json["something"] = 1; }),
                 "config.json: \"something\" is not known"));
  CHECK(contains(timm("timm_vit", [](Json& json) { json["pretrained_cfg"]["something"] = 1; }),
                 "config.json: pretrained_cfg.\"something\" is not known"));
  CHECK(contains(timm("timm_vit", [](Json& json) { json["pretrained_cfg"]["label_offset"] = 1; }),
                 "label_offset"));
  CHECK(contains(timm("timm_vit", [](Json& json) { json["global_pool"] = "avg"; }),
                 "global_pool is \"avg\", but architecture and model_args make it \"token\""));
  CHECK(contains(timm("timm_vit", [](Json& json) { json["architecture"] = "vit_base_patch16_rpn_224"; }),
                 "residual post-norm"));
  CHECK(contains(timm("timm_vit", [](Json& json) { json["architecture"] = "vit_base_patch16_mine"; }),
                 "\"vit_base_patch16_mine\" is not known here"));
  CHECK(
      contains(timm("timm_vit", [](Json& json) { json.erase("architecture"); }), "architecture is missing"));
  // By the architecture's name alone any size is read, but nothing else than its kind of model.
  CHECK(timm("timm_by_name", [](Json& json) { json["architecture"] = "vit_tiny_patch16_384"; }) == "");
  CHECK(contains(timm("timm_by_name", [](Json& json) { json["architecture"] = "deit3_small_patch16_224"; }),
                 "prefix_positions is false, in the weights true"));
  CHECK(contains(timm("timm_by_name", [](Json& json) { json["model_args"]["depth"] = 3; }),
                 "model_args.depth is 3, in the weights 2"));
  CHECK(contains(timm("timm_by_name", [](Json& json) { json["num_classes"] = 7; }),
                 "num_classes is 7, in the weights 5"));
  CHECK(contains(timm("timm_by_name", [](Json& json) { json["pretrained_cfg"]["input_size"][0] = 1; }),
                 "channels is 1, in the weights 3"));
}

TEST_CASE("transformers' config.json: keys that are not known, and what contradicts the weights") {
  const auto vit = [](const std::string& model, const std::function<void(Json&)>& change) {
    return complaint(model, "config.json", change);
  };
  CHECK(contains(vit("hf_vit", [](Json& json) { json["something"] = 1; }), "\"something\" is not known"));
  CHECK(contains(vit("hf_vit", [](Json& json) { json["mlp_ratio"] = 2; }), "\"mlp_ratio\" is not known"));
  CHECK(contains(vit("hf_vit",
                     [](Json& json) {
                       json["pruned_heads"] = Json::object({{"0", Json::array({1})}});
                     }),
                 "pruned_heads"));
  CHECK(vit("hf_vit", [](Json& json) { json["pruned_heads"] = Json::object(); }) == "");
  CHECK(contains(vit("hf_vit",
                     [](Json& json) {
                       json["quantization_config"] = Json::object({{"bits", 8}});
                     }),
                 "quantization_config"));
  CHECK(contains(vit("hf_vit", [](Json& json) { json["problem_type"] = "regression"; }), "problem_type"));
  CHECK(contains(vit("hf_vit", [](Json& json) { json["num_hidden_layers"] = 1; }),
                 "num_hidden_layers is 1, in the weights 2"));
  CHECK(contains(vit("hf_vit", [](Json& json) { json["qkv_bias"] = false; }),
                 "qkv_bias is false, in the weights true"));
  CHECK(contains(vit("hf_vit", [](Json& json) { json["intermediate_size"] = 48; }),
                 "by intermediate_size, is 3, in the weights 2"));
  CHECK(contains(vit("hf_dinov2_swiglu", [](Json& json) { json["use_swiglu_ffn"] = false; }),
                 "use_swiglu_ffn is gelu"));
  CHECK(contains(vit("hf_dinov2_registers", [](Json& json) { json["num_register_tokens"] = 2; }),
                 "num_register_tokens is 2, in the weights 4"));
  for (const char* const key :
       {"torch_dtype", "_name_or_path", "id2label", "initializer_range", "transformers_version"})
    CHECK(vit("hf_vit", [&](Json& json) { json.erase(key); }) == "");
}

TEST_CASE("preprocessor_config.json: keys that are not known, sizes that images do not get") {
  const auto read = [](const std::function<void(Json&)>& change) {
    return complaint("hf_dinov2", "preprocessor_config.json", change);
  };
  CHECK(contains(read([](Json& json) { json["something"] = 1; }), "\"something\" is not known"));
  CHECK(contains(read([](Json& json) { json["do_pad"] = true; }), "do_pad"));
  CHECK(contains(read([](Json& json) {
                   json["size"] = Json::object({{"longest_edge", 20}});
                 }),
                 "longest_edge"));
  CHECK(contains(read([](Json& json) { json["size"]["longest_edge"] = 40; }), "longest_edge"));
  CHECK(contains(read([](Json& json) {
                   json["size"] = Json::object({{"max_height", 20}, {"max_width", 20}});
                 }),
                 "max_height"));
  CHECK(read([](Json& json) { json["do_convert_rgb"] = true; }) == "");
  CHECK(read([](Json& json) { json["size"] = 20; }) == "");  // the shortest edge, for this processor
}

TEST_CASE("the processor that is not named is the one of the model's type; newer files hold it in another") {
  const ModelCopy copy("pretrained/hf_dinov2");
  const Preprocess expected = load_pretrained(copy.path()).model.preprocess;
  CHECK(expected.fit == Preprocess::Fit::crop);
  copy.edit("preprocessor_config.json", [](Json& json) { json.erase("image_processor_type"); });
  CHECK(load_pretrained(copy.path()).model.preprocess == expected);
  std::filesystem::rename(copy.path() / "preprocessor_config.json", copy.path() / "processor_config.json");
  copy.edit("processor_config.json", [](Json& json) {
    json = Json::object({{"image_processor", Json(json)}});
  });
  CHECK(load_pretrained(copy.path()).model.preprocess == expected);
}

TEST_CASE(
    "configuration files: numbers that no model has are refused before anything is computed with them") {
  const std::int64_t huge = std::int64_t{1} << 62;
  for (const char* const key : {"img_size", "patch_size", "embed_dim", "depth", "num_heads", "reg_tokens"})
    for (const Json& number : {Json(huge), Json(-huge), Json(0)}) {
      CAPTURE(std::string(key));
      for (const char* const model : {"timm_vit", "timm_by_name"})
        CHECK((complaint(model, "config.json", [&](Json& json) { json["model_args"][key] = number; }) != "" ||
               number == 0));
    }
  for (const Json& ratio : {Json(1e300), Json(-1e300), Json(1e-300), Json(0)})
    CHECK(complaint("timm_vit", "config.json",
                    [&](Json& json) { json["model_args"]["mlp_ratio"] = ratio; }) != "");
  for (const char* const key : {"image_size", "patch_size", "hidden_size", "num_hidden_layers",
                                "num_attention_heads", "intermediate_size", "num_channels"})
    for (const Json& number : {Json(huge), Json(-huge), Json(0), Json(1e300)}) {
      CAPTURE(std::string(key));
      CHECK(complaint("hf_vit", "config.json", [&](Json& json) { json[key] = number; }) != "");
    }
  for (const double ratio : {1e300, -1.0, 0.0, 65.0})
    CHECK(complaint("hf_dinov2", "config.json", [&](Json& json) { json["mlp_ratio"] = ratio; }) != "");
  for (const Json& size : {Json(huge), Json(-1), Json(0)})
    CHECK(complaint("hf_dinov2", "preprocessor_config.json", [&](Json& json) { json["size"] = size; }) != "");
}
