// Names and addresses of published models.
#include "fetch_list.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "minivit/core/check.hpp"

namespace minivit::cli {

namespace {

constexpr HubModel kModels[] = {
    {"timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "5.7", 224, "ViT-Ti, ImageNet-21k then ImageNet-1k"},
    {"timm/vit_small_patch16_224.augreg_in21k_ft_in1k", "22", 224, "ViT-S, ImageNet-21k then ImageNet-1k"},
    {"timm/deit3_small_patch16_224.fb_in22k_ft_in1k", "22", 224, "DeiT-III-S, ImageNet-22k then ImageNet-1k"},
    {"timm/vit_small_patch16_384.augreg_in21k_ft_in1k", "22", 384, "ViT-S for larger images"},
    {"timm/vit_small_patch14_dinov2.lvd142m", "22", 518, "DINOv2-S: features, no classes"},
    {"timm/vit_small_patch14_reg4_dinov2.lvd142m", "22", 518,
     "DINOv2-S with registers: features, no classes"},
    {"facebook/dinov2-small", "22", 224, "DINOv2-S as transformers has it: features, no classes"},
    {"timm/vit_base_patch16_224.augreg2_in21k_ft_in1k", "87", 224, "ViT-B, ImageNet-21k then ImageNet-1k"},
    {"google/vit-base-patch16-224", "87", 224, "ViT-B as transformers has it, ImageNet-1k"},
    {"facebook/dinov2-with-registers-base", "87", 224,
     "DINOv2-B with registers as transformers has it: features"},
};

}  // namespace

std::span<const HubModel> hub_models() { return kModels; }

bool is_plain(std::string_view part) {
  return !part.empty() && part.size() <= 96 && part.front() != '.' && part.front() != '-' &&
         part.find("..") == std::string_view::npos && std::ranges::all_of(part, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '_' || c == '-';
         });
}

std::string hub_url() {
  const char* const url = std::getenv("MINIVIT_FETCH_URL");
  return url && *url ? url : "https://huggingface.co";
}

std::string hub_name(std::string_view typed) {
  constexpr std::array<std::string_view, 5> kPrefixes{"hf-hub:", "hf_hub:", "hf://",
                                                      "https://huggingface.co/", "http://huggingface.co/"};
  for (const std::string_view prefix : kPrefixes)
    if (typed.starts_with(prefix)) typed.remove_prefix(prefix.size());
  while (typed.ends_with('/')) typed.remove_suffix(1);
  const std::size_t slash = typed.find('/');
  if (slash != std::string_view::npos)
    return is_plain(typed.substr(0, slash)) && is_plain(typed.substr(slash + 1)) ? std::string(typed)
                                                                                 : std::string();
  // timm's names stand alone, in the form architecture.training.
  constexpr std::array<std::string_view, 4> kTimm{"vit_", "deit_", "deit3_", "flexivit_"};
  const bool of_timm =
      std::ranges::any_of(kTimm, [&](std::string_view begin) { return typed.starts_with(begin); });
  return of_timm && is_plain(typed) && typed.find('.') != std::string_view::npos &&
                 !typed.ends_with(".safetensors")
             ? str_cat("timm/", typed)
             : std::string();
}

std::vector<std::string> hub_files(std::string_view name) {
  if (name.starts_with("timm/")) return {"config.json", "model.safetensors"};
  return {"config.json", "preprocessor_config.json", "model.safetensors"};
}

std::string hub_address(std::string_view url, std::string_view name, std::string_view revision,
                        std::string_view file) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return str_cat(url, '/', name, "/resolve/", revision, '/', file);
}

std::string fetch_hint(std::string_view typed) {
  const std::string name = hub_name(typed);
  if (name.empty()) return "";
  std::error_code ignored;  // a path that is wrong at its end is no name on the hub
  if (std::filesystem::exists(typed.substr(0, typed.find('/')), ignored)) return "";
  const std::string folder = name.substr(name.find('/') + 1);
  std::string hint =
      str_cat("; a model of this name on the Hugging Face hub is fetched into the folder ", folder,
              " by\n  minivit fetch ", name, "\nor, without a check of its hash, by\n");
  for (const std::string& file : hub_files(name))
    hint += str_cat("  curl -fL -C - --create-dirs -o ", folder, '/', file, ' ',
                    hub_address(hub_url(), name, "main", file), '\n');
  return hint + str_cat("and then it is ", folder);
}

}  // namespace minivit::cli
