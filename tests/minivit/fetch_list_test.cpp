// Names of published models.
#include <doctest/doctest.h>

#include <string>

#include "fetch_list.hpp"

using namespace minivit::cli;

TEST_CASE("names of the hub are recognized as people write them") {
  CHECK(hub_name("timm/vit_small_patch16_224.augreg_in21k") == "timm/vit_small_patch16_224.augreg_in21k");
  CHECK(hub_name("hf-hub:timm/vit_a.b") == "timm/vit_a.b");
  CHECK(hub_name("https://huggingface.co/google/vit-base-patch16-224/") == "google/vit-base-patch16-224");
  CHECK(hub_name("vit_small_patch16_224.augreg_in21k") == "timm/vit_small_patch16_224.augreg_in21k");
  CHECK(hub_name("deit3_small_patch16_224.fb_in1k") == "timm/deit3_small_patch16_224.fb_in1k");
  for (const char* name :
       {"", "photos", "a/b/c", "/etc/passwd", "../a", "a/..", "a/-b", "-a/b", ".a/b", "a/b c", "a/b;c", "a/",
        "vit_small", "vit_small.safetensors", "a/$(b)", "a/b\n", "a/b?c", "a/b#c", "a/b%2f"})
    CHECK_MESSAGE(hub_name(name).empty(), name);
}

TEST_CASE("every model of the list has a name and files that can be fetched") {
  CHECK(hub_models().size() == 10);
  for (const HubModel& m : hub_models()) {
    CAPTURE(m.name);
    CHECK(hub_name(m.name) == m.name);
    CHECK(hub_files(m.name).back() == "model.safetensors");
    CHECK(hub_files(m.name).front() == "config.json");
    CHECK(fetch_hint(m.name).find(std::string("minivit fetch ") + m.name) != std::string::npos);
  }
  CHECK(hub_address("https://host/", "a/b", "main", "config.json") ==
        "https://host/a/b/resolve/main/config.json");
}
