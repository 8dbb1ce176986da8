// Names of timm's architectures: what is taken from them, as a whole and never by their beginning.
#include "minivit/io/timm_architectures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "minivit/io/pretrained_config.hpp"
#include "support/message_of.hpp"

using namespace minivit;
using detail::kTimmArchitectures;

TEST_CASE("timm: the table of names is complete, sorted and can be read") {
  const auto name = [](const auto& row) { return row.name; };
  CHECK(std::ranges::is_sorted(kTimmArchitectures, {}, name));
  CHECK(std::ranges::adjacent_find(kTimmArchitectures, {}, name) == std::end(kTimmArchitectures));
  const auto begins_with = [&](std::string_view begin) {
    return std::ranges::count_if(kTimmArchitectures,
                                 [&](const auto& row) { return row.name.starts_with(begin); });
  };
  CHECK(begins_with("vit_") == 214);  // of timm 1.0.31
  CHECK(begins_with("deit") == 16);
  int refused = 0;
  for (const auto& row : kTimmArchitectures) {
    const std::string architecture(row.name);
    CAPTURE(architecture);
    CHECK(detail::find_timm_architecture(row.name) == &row);
    const io::Json json = io::Json::object({{"architecture", architecture}});
    try {
      const PretrainedHints hints = hints_from_timm(json, "config.json");
      CHECK(hints.config.vit.num_heads == heads_of_architecture(row.name));
      const ViTConfig& v = hints.config.vit;
      CHECK(v.embedding_dim % v.num_heads == 0);
    } catch (const FileError& e) {  // by its name
      const std::string why = e.what();
      CHECK(why.find(str_cat("architecture \"", architecture, "\" ")) != std::string::npos);
      CHECK(why.find("not supported") != std::string::npos);
      ++refused;
    }
  }
  CHECK(refused == 142);  // tests/data/check_timm_names.py finds the others equal
}

TEST_CASE("timm: heads are those of exactly this architecture") {
  CHECK(heads_of_architecture("vit_giant_patch14_reg1_tipsv2") == 24);
  CHECK(heads_of_architecture("vit_giant_patch14_224") == 16);
  CHECK(heads_of_architecture("vit_giant_patch14_dinov2") == 24);
  CHECK(heads_of_architecture("vit_base_patch16_plus_240") == 14);
  CHECK(heads_of_architecture("vit_base_patch32_plus_256") == 14);
  CHECK(heads_of_architecture("vit_base_patch16_gap_224") == 16);
  CHECK(heads_of_architecture("vit_little_patch16_reg4_gap_256") == 5);
  CHECK(heads_of_architecture("vit_small_patch16_224.augreg_in21k") == 6);
  for (const char* const other : {"vit_base_patch16_224_of_mine", "vit_base_", "vit", "", "resnet50",
                                  "vit_base_patch16_22", "vit_relpos_base_patch16_224", "vit_base_mci_224"}) {
    CAPTURE(std::string(other));
    CHECK_FALSE(heads_of_architecture(other).has_value());
  }
}

TEST_CASE("timm: what an architecture is beyond its sizes is taken from its name") {
  const auto vit = [](const std::string& name) {
    return hints_from_timm(io::Json::object({{"architecture", name}}), "config.json").config.vit;
  };
  CHECK(vit("vit_base_patch32_clip_224").norm_eps == 1e-5f);
  CHECK(vit("vit_base_patch32_224").norm_eps == 1e-6f);
  CHECK(vit("vit_base_patch16_gap_224").pooling == Pooling::mean);
  CHECK_FALSE(vit("vit_base_patch16_gap_224").fc_norm);
  CHECK(vit("vit_medium_patch16_reg4_gap_256").fc_norm);
  CHECK(vit("vit_giant_patch14_reg1_tipsv2").activation == Activation::swiglu);
  CHECK(vit("deit_base_distilled_patch16_224").distillation == Distillation::head);
  const auto why = [&](const std::string& name) {
    return message_of<FileError>([&] { static_cast<void>(vit(name)); });
  };
  CHECK(why("vit_base_patch16_rpn_224") ==
        "config.json: architecture \"vit_base_patch16_rpn_224\" has block_fn \"ResPostBlock\" (residual "
        "post-norm), which is not supported");
  CHECK(why("vit_base_patch32_clip_quickgelu_224").find("act_layer \"quick_gelu\"") != std::string::npos);
  CHECK(why("vit_base_patch16_siglip_224").find("global_pool \"map\"") != std::string::npos);
  CHECK(why("vit_relpos_base_patch16_224").find("is a VisionTransformerRelPos") != std::string::npos);
  CHECK(why("vit_base_patch16_224_of_mine").find("is not known here") != std::string::npos);
}
